"""The programs that the service builds upon: network, registry, load balancer, cluster."""

import json
from functools import cache
from typing import Any

import pulumi
import pytest

from stacks.contract import Stack
from stacks.timing import IDLE_SECONDS
from tests.stacks.recording import ACCOUNT, REGION, Program, run, settings_of

VPC = {"vpc_id": "vpc-1", "vpc_cidr": "10.0.0.0/16", "public_subnet_ids": ["a", "b"], "private_subnet_ids": ["c", "d"]}


def program(stack: Stack, environment: str = "dev", **changes: str) -> Program:
    deployed = {f"organization/transcriber-network/{environment}": VPC}
    return run(stack, environment, settings_of(environment, **changes), deployed)


@cache
def committed(stack: Stack, environment: str) -> Program:
    return program(stack, environment)


def vpc(made: Program) -> dict[str, Any]:
    return made.one("awsx:ec2:Vpc").inputs


# Network


@pytest.mark.parametrize(("setting", "strategy"), [("single", "Single"), ("per_az", "OnePerAz")])
def test_ways_out_are_as_many_as_configured(setting: str, strategy: str) -> None:
    assert vpc(program(Stack.NETWORK, nat_gateways=setting))["natGateways"] == {"strategy": strategy}


def test_without_a_way_out_services_of_aws_are_reached_inside() -> None:
    made = program(Stack.NETWORK, nat_gateways="none", engine="local")
    assert vpc(made)["natGateways"] == {"strategy": "None"}
    endpoints = made.all("aws:ec2/vpcEndpoint:VpcEndpoint")
    assert {endpoint.inputs["serviceName"].removeprefix(f"com.amazonaws.{REGION}.") for endpoint in endpoints} == {
        "ecr.api",
        "ecr.dkr",
        "logs",
        "ssm",
        "ssmmessages",
    }
    assert all(endpoint.inputs["privateDnsEnabled"] for endpoint in endpoints)
    (door,) = made.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert (door.inputs["cidrIpv4"], door.inputs["toPort"]) == ("10.0.0.0/16", 443)


def test_subnets_of_every_zone_have_blocks_of_the_plan() -> None:
    specs = {
        spec["type"]: spec["cidrBlocks"] for spec in vpc(program(Stack.NETWORK, availability_zones="3"))["subnetSpecs"]
    }
    assert specs == {
        "Public": ["10.0.192.0/22", "10.0.196.0/22", "10.0.200.0/22"],
        "Private": ["10.0.0.0/19", "10.0.32.0/19", "10.0.64.0/19"],
    }


def test_way_to_s3_lets_through_to_own_buckets_and_to_layers_of_images() -> None:
    (gateway,) = vpc(committed(Stack.NETWORK, "dev"))["vpcEndpointSpecs"]
    own, layers = json.loads(gateway["policy"])["Statement"]
    assert own["Condition"] == {"StringEquals": {"aws:ResourceAccount": ACCOUNT}}
    assert layers["Resource"] == f"arn:aws:s3:::prod-{REGION}-starport-layer-bucket/*"


def test_others_are_given_the_zones_in_use() -> None:
    made = program(Stack.NETWORK, availability_zones="3", zones_used="2")
    assert len(made.outputs["private_subnet_ids"]) == len(made.outputs["public_subnet_ids"]) == 2
    assert vpc(made)["numberOfAvailabilityZones"] == 3


def test_zones_in_use_are_not_given_up() -> None:
    deployed = {"organization/transcriber-network/dev": {**VPC, "private_subnet_ids": ["c", "d", "e"]}}
    with pytest.raises(pulumi.RunError, match="set zones_used to 2"):
        run(Stack.NETWORK, "dev", settings_of("dev"), deployed)
    fewer = run(Stack.NETWORK, "dev", settings_of("dev", availability_zones="3", zones_used="2"), deployed)
    assert len(fewer.outputs["private_subnet_ids"]) == 2


def test_addresses_in_use_are_not_changed() -> None:
    """It would be another VPC, half made when AWS refuses to delete the subnets of this one."""
    deployed = {"organization/transcriber-network/dev": {**VPC, "private_subnet_ids": ["c", "d"]}}
    with pytest.raises(pulumi.RunError, match=r"^vpc_cidr: 10\.1\.0\.0/16 would be another VPC, .* make down ENV=dev$"):
        run(Stack.NETWORK, "dev", settings_of("dev", vpc_cidr="10.1.0.0/16"), deployed)


def test_connections_are_logged_where_it_is_wanted() -> None:
    assert committed(Stack.NETWORK, "dev").all("aws:ec2/flowLog:FlowLog") == []
    log = committed(Stack.NETWORK, "prod").one("aws:ec2/flowLog:FlowLog").inputs
    assert log["trafficType"] == "ALL"


# Registry


def test_images_are_kept_by_number_and_promoted_ones_apart() -> None:
    policy = committed(Stack.ECR, "dev").one("aws:ecr/lifecyclePolicy:LifecyclePolicy").inputs["policy"]
    rules = json.loads(policy)["rules"]
    counted = {rule["selection"]["tagPrefixList"][0]: rule for rule in rules if "tagPrefixList" in rule["selection"]}
    assert counted["release-"]["rulePriority"] < counted["build-"]["rulePriority"]
    assert {rule["selection"]["countNumber"] for rule in counted.values()} == {30}
    assert not any("buildcache".startswith(prefix) for prefix in counted)


def test_other_accounts_get_images_where_they_are_named() -> None:
    kind = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    assert committed(Stack.ECR, "dev").all(kind) == []
    made = program(Stack.ECR, image_readers="210987654321,210987654322").one(kind)
    read, name = json.loads(made.inputs["policy"])["Statement"]
    assert read["Principal"] == name["Principal"]
    assert read["Principal"]["AWS"] == ["arn:aws:iam::210987654321:root", "arn:aws:iam::210987654322:root"]
    assert name["Action"] == ["ecr:PutImage"]
    roles = name["Condition"]["ArnLike"]["aws:PrincipalArn"]
    assert roles == [f"arn:aws:iam::{each}:role/transcriber-deploy-*" for each in ("210987654321", "210987654322")]


@pytest.mark.parametrize(("environment", "protected"), [("dev", False), ("prod", True)])
def test_registry_outlives_its_stack_where_it_is_protected(environment: str, protected: bool) -> None:
    repository = committed(Stack.ECR, environment).one("aws:ecr/repository:Repository")
    assert repository.protected is protected
    assert repository.inputs["forceDelete"] is not protected


# Load balancer


def test_without_a_domain_plain_http_is_said_loudly() -> None:
    made = committed(Stack.ALB, "dev")
    (listener,) = made.all("aws:lb/listener:Listener")
    assert (listener.inputs["port"], listener.inputs["protocol"]) == (80, "HTTP")
    assert listener.inputs["defaultActions"][0]["fixedResponse"]["statusCode"] == "404"
    assert made.outputs["secure"] is False
    assert any("NO DOMAIN IS SET" in warning for warning in made.warnings)


def test_with_a_domain_everything_is_over_tls() -> None:
    made = committed(Stack.ALB, "prod")
    listeners = {listener.name: listener.inputs for listener in made.all("aws:lb/listener:Listener")}
    assert listeners["http"]["defaultActions"][0]["redirect"] == {
        "port": "443",
        "protocol": "HTTPS",
        "statusCode": "HTTP_301",
    }
    assert listeners["https"]["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-")
    assert listeners["https"]["certificateArn"].startswith("arn:aws:acm:")
    assert listeners["https"]["defaultActions"][0]["fixedResponse"]["statusCode"] == "404"
    alias = made.one("aws:route53/record:Record", "alias").inputs
    assert (alias["name"], alias["type"]) == ("transcriber.example.com", "A")
    assert made.outputs["host"] == "transcriber.example.com"
    assert made.warnings == []
    asked = [arguments["name"] for token, arguments in made.calls if token == "aws:route53/getZone:getZone"]
    assert asked == ["example.com"]


def test_sockets_are_kept_while_they_are_silent_and_prod_s_balancer_is_kept() -> None:
    dev, prod = (committed(Stack.ALB, name).one("aws:lb/loadBalancer:LoadBalancer") for name in ("dev", "prod"))
    assert prod.inputs["idleTimeout"] == IDLE_SECONDS
    assert (prod.protected, prod.inputs["enableDeletionProtection"]) == (True, True)
    assert (dev.protected, dev.inputs["enableDeletionProtection"]) == (False, False)


def test_its_group_has_no_way_to_any_target() -> None:
    made = committed(Stack.ALB, "prod")
    assert made.all("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule") == []
    ports = {rule.inputs["toPort"] for rule in made.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")}
    assert ports == {80, 443}


def test_bucket_of_the_log_is_ready_before_the_load_balancer_writes() -> None:
    made = committed(Stack.ALB, "prod")
    balancer = made.one("aws:lb/loadBalancer:LoadBalancer")
    assert balancer.inputs["accessLogs"] == {"bucket": f"transcriber-prod-access-logs-{ACCOUNT}", "enabled": True}
    assert any("bucketPolicy" in urn for urn in balancer.options.dependencies)
    document = json.loads(made.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    written = next(statement for statement in document["Statement"] if statement["Effect"] == "Allow")
    assert written["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    own = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/*"
    assert written["Condition"] == {"ArnLike": {"aws:SourceArn": own}}
    encryption = made.one("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration")
    (rule,) = encryption.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256", "a load balancer takes no other"


# Cluster


def test_cluster_has_fargate_and_spot() -> None:
    made = committed(Stack.CLUSTER, "dev")
    capacity = made.one("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders").inputs
    assert capacity["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]
    assert capacity["defaultCapacityProviderStrategies"] == [{"capacityProvider": "FARGATE", "weight": 1}]
    assert made.one("aws:ecs/cluster:Cluster").inputs["name"] == "transcriber-dev"


# Names


@pytest.mark.parametrize("stack", [Stack.NETWORK, Stack.ALB, Stack.CLUSTER, Stack.ECR])
def test_two_environments_share_no_name(stack: Stack) -> None:
    def names(made: Program) -> set[str]:
        given = [each.inputs.get(key) for each in made.resources for key in ("name", "bucket", "family")]
        return {name for name in given if isinstance(name, str)}

    assert names(committed(stack, "dev")) & names(committed(stack, "prod")) == set()


@pytest.mark.parametrize("stack", list(Stack)[:4])
def test_what_can_be_tagged_says_which_stack_it_is_of(stack: Stack) -> None:
    tagged = [each for each in committed(stack, "prod").resources if "tags" in each.inputs and each.kind[:4] == "aws:"]
    assert tagged
    assert {each.inputs["tags"]["stack"] for each in tagged} == {stack.value}
