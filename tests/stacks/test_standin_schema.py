"""The SDK's own source says what there is; every type with rules is in it, and rules name properties that it has."""

import pytest

from .standin import schema
from .standin.catalogue import KINDS


@pytest.mark.parametrize("token", KINDS)
def test_what_has_rules_is_in_the_sdk(token: str) -> None:
    declared = schema.resource_type(token)
    assert declared is not None
    kind = KINDS[token]
    assert kind.replaces <= set(declared.inputs)
    assert kind.named is None or kind.named.property in declared.inputs
    assert set(kind.actions) == {"create", "read", "update", "delete"}


@pytest.mark.parametrize("token", ["aws:ec2/vpc:Gone", "gcp:compute/network:Network", ""])
def test_what_is_not_in_the_sdk_is_nothing(token: str) -> None:
    assert schema.resource_type(token) is None


def test_required_optional_and_computed() -> None:
    subnet = schema.resource_type("aws:ec2/subnet:Subnet")
    assert subnet is not None
    assert [name for name, property_ in subnet.inputs.items() if property_.required] == ["vpcId"]
    assert {"arn", "ownerId", "tagsAll"} <= set(subnet.outputs)
    assert "vpcId" not in subnet.outputs


@pytest.mark.parametrize(
    ("token", "name", "kind"),
    [
        ("ec2/subnet:Subnet", "cidrBlock", "str"),
        ("ec2/subnet:Subnet", "mapPublicIpOnLaunch", "bool"),
        ("ec2/subnet:Subnet", "tags", "map"),
        ("ecs/service:Service", "desiredCount", "int"),
        ("ecs/service:Service", "loadBalancers", "list"),
        ("ecs/service:Service", "networkConfiguration", "object"),
        ("iam/role:Role", "assumeRolePolicy", "any"),
    ],
)
def test_kinds_of_properties(token: str, name: str, kind: str) -> None:
    declared = schema.resource_type(f"aws:{token}")
    assert declared is not None
    assert declared.inputs[name].kind == kind


def test_mistakes_are_found_at_any_depth() -> None:
    service = schema.resource_type("aws:ecs/service:Service")
    assert service is not None
    given = {
        "loadBalancers": [{"containerName": "app"}],
        "networkConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "no"},
        "desiredcount": 1,
    }
    assert dict(service.problems(given)) == {
        "loadBalancers[0].containerPort": "Missing required property 'containerPort'",
        "networkConfiguration.assignPublicIp": "expected bool, got str",
        "desiredcount": "'desiredcount' is no property of it",
    }
