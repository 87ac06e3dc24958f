"""The template as an account has it: its roles, and what their policies say there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

TEMPLATE = Path(__file__).with_name("template.yaml")
Document = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Knows the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    return {name: loader.construct_scalar(node)}


cast("Any", _Loader).add_multi_constructor("!", _function)


@cache
def template() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.load(TEMPLATE.read_text(), _Loader))  # noqa: S506 - extends SafeLoader


@dataclass(frozen=True, kw_only=True)
class Place:
    """An account that the template is applied to."""

    account: str = "123456789012"
    region: str = "us-east-1"
    partition: str = "aws"
    hosted_zone: str = "*"

    def values(self) -> dict[str, str]:
        """What `!Sub` puts in."""
        arn = f"arn:{self.partition}"
        keys = {
            f"StateKey{name}.Arn": f"{arn}:kms:{self.region}:{self.account}:key/{name.lower()}"
            for name in ("Dev", "Prod")
        }
        return {
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "HostedZone": self.hosted_zone,
            "StateBucket.Arn": f"{arn}:s3:::transcriber-state-{self.account}-{self.region}",
            **keys,
        }


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Properties of all of a type, by name."""
    found: dict[str, dict[str, Any]] = template()["Resources"]
    return {name: each["Properties"] for name, each in found.items() if each["Type"] == kind}


def policies(place: Place) -> dict[str, Document]:
    """The documents of managed policies, by the name of the resource."""
    values = place.values()
    found = resources("AWS::IAM::ManagedPolicy")
    return {name: _filled(each["PolicyDocument"], values) for name, each in found.items()}


def boundary(place: Place, environment: str) -> tuple[str, Document]:
    """Its ARN and document."""
    name = f"{environment.capitalize()}Boundary"
    called = resources("AWS::IAM::ManagedPolicy")[name]["ManagedPolicyName"]
    return f"arn:{place.partition}:iam::{place.account}:policy/{called}", policies(place)[name]


def roles() -> dict[str, list[str]]:
    """Which policies each role has, by its name in the account."""
    return {
        str(role["RoleName"]): [str(each["Ref"]) for each in role["ManagedPolicyArns"]]
        for role in resources("AWS::IAM::Role").values()
    }


def documents(role: str, place: Place) -> dict[str, Document]:
    """Those of a role."""
    every = policies(place)
    return {name: every[name] for name in roles()[role]}


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if list(given) == ["Fn::Sub"]:
            return _text(given["Fn::Sub"], values)
        return {key: _filled(each, values) for key, each in given.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in cast("list[Any]", value)]
    return value


def _text(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text, text
    return text
