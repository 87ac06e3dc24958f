"""The rules that hold for every resource: each met by the committed programs, and broken by a wrong one."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import parliament
import pytest
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies import access, balancing, containers, network, storage, telemetry
from policies.decisions import ACCEPTED, RULES, STACK_RULES, WITHOUT_RULE, undecided, violations
from policies.pack import UNDECIDED, policies
from policies.protection import protected
from policies.rule import Resource, statements
from tests.stacks.recording import ROOT, Program, run_all, settings_of

VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "prod, before it is taken down": ("prod", {"protected": "false"}),
    "dev, all options": (
        "dev",
        {
            "access_logs": "true",
            "alarm_email": "who@example.com",
            "availability_zones": "3",
            "domain": "dev.example.com",
            "engine": "local",
            "flow_logs": "true",
            "image_readers": "210987654321,210987654322",
            "nat_gateways": "none",
            "secrets_key_arn": "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
            "spot": "overflow",
        },
    ),
}


@cache
def recorded(variant: str) -> list[Resource]:
    environment, changes = VARIANTS[variant]
    settings = settings_of(environment, **changes)
    programs = run_all(environment, settings)
    is_protected = settings["transcriber:protected"] == "true"
    return [
        Resource(resource.kind, resource.name, is_protected, resource.inputs)
        for program in programs.values()
        for resource in program.resources
    ]


@pytest.mark.parametrize("variant", VARIANTS)
def test_committed_programs_break_no_rule(variant: str) -> None:
    resources = recorded(variant)
    broken = {(each.kind, each.name): found for each in resources if (found := violations(each))}
    assert broken == {}
    missing = {rule.id: found for rule in STACK_RULES if (found := rule.problems(resources))}
    assert missing == {}


@pytest.mark.parametrize("variant", VARIANTS)
def test_something_was_decided_about_every_type(variant: str) -> None:
    assert [each.kind for each in recorded(variant) if undecided(each.kind)] == []


def test_a_type_that_nobody_decided_about_is_refused() -> None:
    assert undecided("aws:rds/instance:Instance")
    assert UNDECIDED in {policy.name for policy in policies()}


def test_rules_have_ids_of_their_own() -> None:
    ids = [rule.id for rule in (*RULES, *STACK_RULES)]
    assert len(set(ids)) == len(ids)
    partly = {"CKV_AWS_91"}
    assert set(ids) & set(ACCEPTED) == partly, "a rule that does not hold everywhere says where"
    assert [policy.name for policy in policies()] == [*ids, UNDECIDED]


def test_decisions_are_about_types_that_there_are() -> None:
    made = {each.kind for variant in VARIANTS for each in recorded(variant)}
    by_awsx = {
        "aws:ec2/eip:Eip",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/route:Route",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/subnet:Subnet",
        network.VPC,
    }
    ruled = {kind for rule in (*RULES, *STACK_RULES) for kind in rule.kinds}
    assert (ruled | set(WITHOUT_RULE)) - made - by_awsx == set()
    assert ruled & set(WITHOUT_RULE) == set()


# A wrong program for every rule: the first resource of the type, with one input changed


def _container(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(props: dict[str, Any]) -> dict[str, Any]:
        container = {**json.loads(props["containerDefinitions"])[0], **changes}
        return {**props, "containerDefinitions": json.dumps([container])}

    return change


def _with(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda props: {**props, **changes}


def _policy(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::a/*"], **changes}
    return _with(policy=json.dumps({"Statement": [statement]}))


def _trust(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    statement = {"Effect": "Allow", "Principal": {"Service": "a"}, "Action": "sts:AssumeRole", **changes}
    return _with(assumeRolePolicy=json.dumps({"Statement": [statement]}))


EVERYONE = "*"
OPEN = {"cidrIpv4": "0.0.0.0/0", "fromPort": 22, "toPort": 22}
FORWARD = [{"type": "forward", "targetGroupArn": "arn"}]

WRONG: list[tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("CKV2_AWS_12", network.DEFAULT_GROUP, _with(ingress=[{"protocol": "-1"}])),
    ("CKV_AWS_23", network.GROUP, _with(description="")),
    ("TRANSCRIBER_RULES_APART", network.GROUP, _with(egress=[{"protocol": "-1"}])),
    ("CKV_AWS_24", network.INGRESS, _with(**OPEN)),
    ("CKV_AWS_382", network.EGRESS, _with(ipProtocol="-1")),
    ("TRANSCRIBER_ENDPOINT_POLICY", network.ENDPOINT, _with(vpcEndpointType="Gateway")),
    ("CKV_AWS_131", balancing.BALANCER, _with(dropInvalidHeaderFields=False)),
    ("CKV_AWS_328", balancing.BALANCER, _with(desyncMitigationMode="monitor")),
    ("CKV_AWS_150", balancing.BALANCER, _with(enableDeletionProtection=False)),
    ("CKV_AWS_91", balancing.BALANCER, _with(accessLogs=None)),
    ("CKV_AWS_103", balancing.LISTENER, _with(protocol="HTTPS", sslPolicy="ELBSecurityPolicy-2016-08")),
    ("CKV2_AWS_20", balancing.LISTENER, _with(protocol="HTTP", defaultActions=[{"type": "fixed-response"}])),
    ("TRANSCRIBER_DEFAULT_404", balancing.LISTENER, _with(protocol="HTTPS", defaultActions=FORWARD)),
    ("CKV2_AWS_71", balancing.CERTIFICATE, _with(domainName="*.example.com")),
    ("CKV_AWS_261", balancing.TARGETS, _with(healthCheck={})),
    ("CKV_AWS_163", containers.REPOSITORY, _with(imageScanningConfiguration={"scanOnPush": False})),
    ("CKV_AWS_32", containers.REPOSITORY_POLICY, _policy(Principal="*")),
    ("CKV_AWS_32", containers.REPOSITORY_POLICY, _policy(Principal={"AWS": "*"})),
    ("CKV_AWS_51", containers.REPOSITORY, _with(imageTagMutability="MUTABLE")),
    ("CKV_AWS_51", containers.REPOSITORY, _with(imageTagMutabilityExclusionFilters=[{"filter": "*"}])),
    ("TRANSCRIBER_TAG", containers.IMAGE, _with(tags=["registry/repository:latest"])),
    ("TRANSCRIBER_TAG", containers.IMAGE, _with(tags=[])),
    ("CKV_AWS_65", containers.CLUSTER, _with(settings=[])),
    ("CKV_AWS_223", containers.CLUSTER, _with(configuration=None)),
    ("CKV_AWS_336", containers.TASK, _container(readonlyRootFilesystem=False)),
    ("CKV_AWS_334", containers.TASK, _container(privileged=True)),
    ("CKV_AWS_334", containers.TASK, _container(linuxParameters={"capabilities": {"add": ["SYS_PTRACE"]}})),
    ("TRANSCRIBER_NON_ROOT", containers.TASK, _container(user="0:0")),
    ("TRANSCRIBER_NON_ROOT", containers.TASK, _container(user="")),
    ("TRANSCRIBER_DIGEST", containers.TASK, _container(image="registry/repository:build-1")),
    ("CKV_SECRET_6", containers.TASK, _container(environment=[{"name": "OPENAI_API_KEY", "value": "x"}])),
    ("CKV_AWS_249", containers.TASK, lambda props: {**props, "taskRoleArn": props["executionRoleArn"]}),
    ("CKV_AWS_333", containers.SERVICE, _with(networkConfiguration={"assignPublicIp": True})),
    ("CKV_AWS_332", containers.SERVICE, _with(platformVersion="1.3.0")),
    ("TRANSCRIBER_ROLLBACK", containers.SERVICE, _with(deploymentCircuitBreaker={"enable": True, "rollback": False})),
    ("CKV_AWS_53", storage.ACCESS, _with(blockPublicAcls=False)),
    ("CKV_AWS_19", storage.ENCRYPTION, _with(rules=[{}])),
    ("CKV_AWS_300", storage.LIFECYCLE, _with(rules=[{"status": "Enabled"}])),
    ("CKV2_AWS_65", storage.OWNERSHIP, _with(rule={"objectOwnership": "ObjectWriter"})),
    ("CKV_AWS_379", storage.POLICY, _policy(Principal={"Service": "a"})),
    ("CKV_AWS_70", storage.POLICY, _policy(Principal=EVERYONE)),
    ("CKV_AWS_21", storage.VERSIONING, _with(versioningConfiguration={"status": "Suspended"})),
    ("CKV_AWS_290", access.ROLE_POLICY, _policy(Action="s3:*")),
    ("CKV_AWS_355", access.ROLE_POLICY, _policy(Resource="*")),
    ("CKV_AWS_60", access.ROLE, _trust(Principal=EVERYONE)),
    ("CKV_AWS_60", access.ROLE, _trust(Principal={"AWS": "arn:aws:iam::1:root"})),
    ("TRANSCRIBER_DEPUTY", access.ROLE, _trust()),
    ("CKV_AWS_169", access.TOPIC_POLICY, _policy(Principal={"AWS": "*"})),
    ("CKV_AWS_66", telemetry.LOGS, _with(retentionInDays=None)),
    ("CKV_AWS_338", telemetry.LOGS, _with(retentionInDays=30)),
    ("CKV_AWS_319", telemetry.ALARM, _with(alarmActions=[])),
    ("CKV_AWS_319", telemetry.ALARM, _with(actionsEnabled=False)),
]


def _right(kind: str) -> Resource:
    """One that the committed programs make, in the environment that most is asked of."""
    found = [each for variant in (*VARIANTS, "prod") for each in recorded(variant) if each.kind == kind]
    return Resource(kind, found[-1].name, True, found[-1].props)


@pytest.mark.parametrize(("rule", "kind", "change"), WRONG, ids=[f"{rule}-{n}" for n, (rule, _, _) in enumerate(WRONG)])
def test_rule_refuses_what_is_wrong_and_nothing_else(rule: str, kind: str, change: Callable[..., Any]) -> None:
    right = _right(kind)
    wrong = Resource(kind, right.name, right.protected, change(right.props))
    assert violations(right) == []
    assert rule in {broken for broken, _ in violations(wrong)}


def test_every_rule_has_a_wrong_program() -> None:
    assert {rule for rule, _, _ in WRONG} == {rule.id for rule in RULES}


@pytest.mark.parametrize("rule", STACK_RULES, ids=lambda rule: rule.id)
def test_rule_refuses_what_is_missing(rule: Any) -> None:
    vpc = Resource(network.VPC, "network", True, {})
    bucket = Resource(storage.BUCKET, "recordings", True, {})
    assert len(rule.problems([vpc, bucket])) == 1


@pytest.mark.parametrize(
    ("settings", "is_protected"),
    [
        ('{"config": {"transcriber:protected": "false"}}', False),
        ('{"config": {"transcriber:protected": false}}', False),
        ('{"config": {"transcriber:protected": "true"}}', True),
        ('{"config": {}}', True),
        ("", True),
        (None, True),
    ],
)
def test_an_environment_is_protected_unless_its_settings_say_that_it_is_not(
    tmp_path: Path, settings: str | None, is_protected: bool
) -> None:
    if settings is not None:
        (tmp_path / "Pulumi.west.yaml").write_text(settings)
    assert protected("west", tmp_path) is is_protected


# What Pulumi is told by the pack


def _urn(environment: str, kind: str) -> str:
    return f"urn:pulumi:{environment}::transcriber-alb::{kind}::it"


def _told(name: str, environment: str, kind: str, props: dict[str, Any]) -> list[str]:
    """What one policy of the pack reports of one resource."""
    policy = next(policy for policy in policies() if policy.name == name)
    told: list[str] = []

    def report(message: str, _: str | None = None) -> None:
        told.append(message)

    options = PolicyResourceOptions(False, [], [], None, PolicyCustomTimeouts(0, 0, 0), [])
    urn = _urn(environment, kind)
    if isinstance(policy, StackValidationPolicy):
        resource = PolicyResource(kind, props, urn, "it", options, None, None, [], {})
        policy.validate(StackValidationArgs([resource]), report)
    else:
        assert isinstance(policy, ResourceValidationPolicy)
        policy.validate(ResourceValidationArgs(kind, props, urn, "it", options, None), report)
    return told


@pytest.mark.parametrize(
    ("environment", "told"), [("dev", []), ("prod", ["it: enableDeletionProtection is False and not True"])]
)
def test_pack_asks_more_of_an_environment_that_is_protected(environment: str, told: list[str]) -> None:
    assert _told("CKV_AWS_150", environment, balancing.BALANCER, {"enableDeletionProtection": False}) == told


@pytest.mark.parametrize(
    ("rule", "kind", "told"),
    [
        ("CKV2_AWS_11", network.VPC, ["it has no flow log"]),
        ("CKV2_AWS_6", storage.BUCKET, ["it has no public access block"]),
        (UNDECIDED, "aws:rds/instance:Instance", ["it: nothing was decided about aws:rds/instance:Instance"]),
        (UNDECIDED, storage.BUCKET, []),
    ],
)
def test_pack_reports_what_is_missing_or_undecided(rule: str, kind: str, told: list[str]) -> None:
    assert _told(rule, "prod", kind, {}) == told


def test_protected_alone_are_bound_to_what_costs() -> None:
    balancer = _right(balancing.BALANCER)
    changed = {**balancer.props, "accessLogs": None, "enableDeletionProtection": False}
    assert violations(Resource(balancer.kind, "it", False, changed)) == []


# Every policy document, by a linter that knows the actions and resources of AWS


def _documents(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource.kind == containers.REPOSITORY_POLICY:
        # It is about its repository, without naming it.
        document = json.loads(resource.props["policy"])
        about = {"Resource": "arn:aws:ecr:us-east-1:123456789012:repository/transcriber-dev"}
        yield "policy", json.dumps({**document, "Statement": [{**each, **about} for each in document["Statement"]]})
        return
    for name in ("policy", "assumeRolePolicy"):
        text = resource.props.get(name)
        if isinstance(text, str) and "Statement" in text:
            yield name, text
    for endpoint in resource.props.get("vpcEndpointSpecs") or ():
        yield "endpoint", endpoint["policy"]


def _findings(document: str, kind: str) -> list[str]:
    policy = parliament.analyze_policy_string(document, ignore_private_auditors=True)
    found = [parliament.enhance_finding(finding) for finding in policy.findings]
    told = [f"{finding.issue}: {finding.detail}" for finding in found if finding.severity != "MUTED"]
    # A role is itself what its trust policy is about; the endpoint's is bound to buckets of this account.
    expected = {"assumeRolePolicy": "MALFORMED: Statement contains neither", "endpoint": "RESOURCE_STAR"}
    return [each for each in told if not each.startswith(expected.get(kind, "-"))]


@pytest.mark.parametrize("variant", VARIANTS)
def test_policy_documents_are_sound(variant: str) -> None:
    documents = [(each, name, text) for each in recorded(variant) for name, text in _documents(each)]
    assert len(documents) >= 5
    found = {(each.kind, each.name, name): wrong for each, name, text in documents if (wrong := _findings(text, name))}
    assert found == {}


def test_a_misspelt_action_is_found() -> None:
    document = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:GetObjekt"], "Resource": ["*"]}]}
    )
    assert _findings(document, "policy") != []


def test_statements_have_lists() -> None:
    document = json.dumps({"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*"}]})
    assert statements(document) == [{"Effect": "Allow", "Action": ["a:b"], "Resource": ["*"]}]


def test_programs_are_recorded_with_their_inputs() -> None:
    program: Mapping[Any, Program] = run_all("dev", settings_of("dev"))
    assert all(isinstance(each.inputs, dict) for one in program.values() for each in one.resources)


def test_numbers_of_rules_are_documented() -> None:
    text = " ".join((ROOT / "docs/infrastructure.md").read_text().split())
    types = {kind for rule in (*RULES, *STACK_RULES) for kind in rule.kinds}
    assert f"There are {len(RULES)} rules about a resource, {len(STACK_RULES)} about what stands beside what" in text
    assert f"{len(types)} types have rules, {len(WITHOUT_RULE)} have none" in text


def test_what_is_accepted_is_documented_with_its_reason() -> None:
    text = (ROOT / "docs/infrastructure.md").read_text()
    assert re.findall(r"^\| `(CKV\w+)` \| (.*) \|$", text, re.MULTILINE) == list(ACCEPTED.items())
