"""The pack that Pulumi starts."""

from pulumi_policy import PolicyPack

from policies.pack import policies

PolicyPack("transcriber", policies())
