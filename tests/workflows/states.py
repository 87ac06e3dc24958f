"""States as they lie in the bucket, for scripts that read them there."""

import json
from typing import Any

from tests.workflows.standin import Runner

STACKS = ("network", "ecr", "alb", "cluster", "service")
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:c2VjcmV0"}
PROVIDER = {"type": "cloud", "state": {"url": "awskms:///key", "encryptedkey": "ZW5jcnlwdGVk"}}


def state(stack: str, digest: str) -> dict[str, Any]:
    """With one output, and a registry's token that is encrypted."""
    resources = [
        {
            "urn": f"urn:pulumi:dev::transcriber-{stack}::pulumi:pulumi:Stack::x",
            "type": "pulumi:pulumi:Stack",
            "outputs": {"image_digest": digest, "hidden": SECRET},
        },
        {
            "urn": f"urn:pulumi:dev::transcriber-{stack}::docker-build:index:Image::image",
            "type": "docker-build:index:Image",
            "inputs": {"registries": [{"address": "here", "password": SECRET}]},
        },
    ]
    return {"version": 3, "checkpoint": {"latest": {"secrets_providers": PROVIDER, "resources": resources}}}


def has_state(runner: Runner, **digests: str) -> None:
    """By environment, the digest that its service has."""
    for environment, digest in digests.items():
        for stack in STACKS:
            key = f"{environment}/.pulumi/stacks/transcriber-{stack}/{environment}.json"
            text = json.dumps(state(stack, digest))
            runner.answer(f"aws s3api get-object --bucket state --key {key}", "{}", writes={key: text})
