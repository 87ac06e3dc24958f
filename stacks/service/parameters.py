"""Secrets: in SSM before anything is brought up, and never read here but by the execution role of a task."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from stacks.program import Place


def require(names: Mapping[str, str]) -> None:
    """That the parameters are there and are secrets; their values stay encrypted.

    Raises:
        pulumi.RunError: with all that are missing, and how to make them.
    """
    problems = [problem for setting, name in names.items() if (problem := _problem(setting, name))]
    if problems:
        raise pulumi.RunError("secrets are missing:\n" + "\n".join(f"  {problem}" for problem in problems))


def _problem(setting: str, name: str) -> str | None:
    command = f"aws ssm put-parameter --type SecureString --name {name} --value ..."
    try:
        found = aws.ssm.get_parameter(name=name, with_decryption=False)
    except Exception as problem:
        if "ParameterNotFound" not in str(problem) and "couldn't find resource" not in str(problem):
            raise
        return f"{name} ({setting}) is not in SSM: {command}"
    return None if found.type == "SecureString" else f"{name} ({setting}) is no SecureString: {command} --overwrite"


def arn(place: Place, name: str) -> str:
    return place.arn("ssm", f"parameter{name}")
