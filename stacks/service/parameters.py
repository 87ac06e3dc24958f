"""Secrets: in SSM before anything is brought up, and never read here but by the execution role of a task."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from stacks.program import Place


def require(names: Mapping[str, str]) -> None:
    """That the parameters are there and are secrets; their values stay encrypted. Asked by folder: an answer that a
    parameter is missing would be Pulumi's failure, and be told in place of what follows from it.

    Raises:
        pulumi.RunError: with all that are missing, and how to make them.
    """
    kinds: dict[str, str] = {}
    for folder in sorted({_folder(name) for name in names.values()}):
        found = aws.ssm.get_parameters_by_path(path=folder, with_decryption=False)
        kinds |= dict(zip(found.names, found.types, strict=True))
    problems = [problem for setting, name in names.items() if (problem := _problem(setting, name, kinds.get(name)))]
    if problems:
        raise pulumi.RunError("secrets are missing:\n" + "\n".join(f"  {problem}" for problem in problems))


def _folder(name: str) -> str:
    return name.rpartition("/")[0] or "/"


def _problem(setting: str, name: str, kind: str | None) -> str | None:
    command = f"aws ssm put-parameter --type SecureString --name {name} --value ..."
    if kind is None:
        return f"{name} ({setting}) is not in SSM: {command}"
    return None if kind == "SecureString" else f"{name} ({setting}) is no SecureString: {command} --overwrite"


def arn(place: Place, name: str) -> str:
    return place.arn("ssm", f"parameter{name}")
