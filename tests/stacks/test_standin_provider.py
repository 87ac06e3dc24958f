"""The stand-in as Pulumi's engine speaks to it: over gRPC, in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc

from .cloud import NUMBER, Cloud, environment
from .engine import ROOT
from .standin import wire
from .standin.faults import Faults
from .standin.refusal import Refused
from .standin.work import DEFAULTS

VPC, GROUP, ROLE = "aws:ec2/vpc:Vpc", "aws:lb/targetGroup:TargetGroup", "aws:iam/role:Role"
SEED = b"a seed"


class Plugin:
    def __init__(self, port: int) -> None:
        self.stub = provider_pb2_grpc.ResourceProviderStub(grpc.insecure_channel(f"127.0.0.1:{port}"))

    def configure(self, **config: Any) -> Any:
        return self.stub.Configure(pb.ConfigureRequest(args=wire.write({"region": "us-east-1"} | config)))

    def check(self, kind: str, name: str = "it", /, *, old: dict[str, Any] | None = None, **inputs: Any) -> Any:
        urn = _urn(kind, name)
        olds = wire.write(old) if old is not None else None
        return self.stub.Check(pb.CheckRequest(urn=urn, olds=olds, news=wire.write(inputs), randomSeed=SEED))

    def create(self, kind: str, name: str = "it", /, *, preview: bool = False, **inputs: Any) -> Any:
        checked = wire.read(self.check(kind, name, **inputs).inputs)
        request = pb.CreateRequest(urn=_urn(kind, name), properties=wire.write(checked), preview=preview)
        return self.stub.Create(request)

    def diff(self, kind: str, old: dict[str, Any], new: dict[str, Any], ignore: list[str] | None = None) -> Any:
        return self.stub.Diff(
            pb.DiffRequest(urn=_urn(kind), old_inputs=wire.write(old), news=wire.write(new), ignoreChanges=ignore)
        )

    def read(self, kind: str, identity: str) -> Any:
        return self.stub.Read(pb.ReadRequest(id=identity, urn=_urn(kind)))


def _urn(kind: str, name: str = "it") -> str:
    return f"urn:pulumi:dev::project::component$other${kind}::{name}"


@contextmanager
def plugin(folder: Path, **environment: str) -> Iterator[Plugin]:
    settings = {"STANDIN_DIR": str(folder), "PATH": os.environ["PATH"], **environment}
    command = [sys.executable, "-m", "tests.stacks.standin", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Plugin(int(process.stdout.readline()))
        finally:
            process.terminate()


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Plugin]:
    with plugin(tmp_path) as running:
        running.configure()
        yield running


def test_a_resource_lives_from_create_to_delete(configured: Plugin) -> None:
    made = configured.create(VPC, cidrBlock="10.0.0.0/16")
    read = configured.read(VPC, made.id)
    assert wire.read(read.properties) == wire.read(made.properties)
    assert wire.read(read.inputs)["cidrBlock"] == "10.0.0.0/16"
    news = wire.write({"cidrBlock": "10.0.0.0/16", "tags": {"Name": "new"}})
    updated = configured.stub.Update(
        pb.UpdateRequest(id=made.id, urn=_urn(VPC), olds=made.properties, news=news, old_inputs=read.inputs)
    )
    assert wire.read(updated.properties)["tagsAll"] == {"Name": "new"}
    configured.stub.Delete(pb.DeleteRequest(id=made.id, urn=_urn(VPC), properties=made.properties))
    assert configured.read(VPC, made.id).id == ""


def test_reading_tells_what_somebody_changed(configured: Plugin, tmp_path: Path) -> None:
    made = configured.create(VPC, cidrBlock="10.0.0.0/16", enableDnsHostnames=True)
    with Cloud.at(tmp_path).work.ledger.open() as account:
        account.resources[0].inputs["enableDnsHostnames"] = False
    read = configured.read(VPC, made.id)
    assert wire.read(read.properties)["enableDnsHostnames"] is False
    assert wire.read(read.inputs)["enableDnsHostnames"] is False


def test_a_preview_makes_nothing_and_leaves_open_what_aws_decides(configured: Plugin, tmp_path: Path) -> None:
    planned = configured.create(VPC, preview=True, cidrBlock="10.0.0.0/16")
    properties = wire.read(planned.properties)
    assert (planned.id, properties["arn"], properties["cidrBlock"]) == ("", wire.UNKNOWN, "10.0.0.0/16")
    with Cloud.at(tmp_path).work.ledger.open() as account:
        assert account.resources == []


def test_names_have_seven_digits_that_stay(configured: Plugin) -> None:
    checked = wire.read(configured.check(ROLE, "worker", assumeRolePolicy=_TRUST).inputs)
    assert checked[DEFAULTS] == ["name"]
    name, _, digits = checked["name"].rpartition("-")
    assert (name, len(digits)) == ("worker", 7)
    again = configured.check(ROLE, "worker", old={**checked, "name": "worker-0000000"}, assumeRolePolicy=_TRUST)
    assert wire.read(again.inputs)["name"] == "worker-0000000"
    given = configured.check(ROLE, "worker", old=checked, name="mine", assumeRolePolicy=_TRUST)
    assert wire.read(given.inputs)["name"] == "mine"
    assert DEFAULTS not in wire.read(given.inputs)


@pytest.mark.parametrize(
    ("kind", "inputs", "reason"),
    [
        ("aws:ec2/instance:Instance", {}, "not known here"),
        ("aws:ec2/vpn:Vpn", {}, "not known here"),
        ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "Missing required property 'vpcId'"),
        (VPC, {"cidrBlok": "10.0.0.0/16"}, "'cidrBlok' is no property"),
        (VPC, {"cidrBlock": 10}, "expected str, got int"),
        (VPC, {"enableDnsSupport": "yes"}, "expected bool, got str"),
        (VPC, {"tags": ["a"]}, "expected an object, got list"),
        (GROUP, {"port": 80, "healthCheck": {"intervall": 5}}, "'intervall' is no property"),
        (
            "aws:ecs/service:Service",
            {"loadBalancers": [{"containerName": "a"}]},
            "Missing required property 'containerPort'",
        ),
        (VPC, {"cidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"),
    ],
)
def test_checks_say_what_is_wrong(configured: Plugin, kind: str, inputs: dict[str, Any], reason: str) -> None:
    failures = configured.check(kind, **inputs).failures
    assert [reason in failure.reason for failure in failures].count(True) == 1, failures


def test_what_is_unknown_yet_is_no_mistake(configured: Plugin) -> None:
    assert not configured.check("aws:ec2/subnet:Subnet", vpcId=wire.UNKNOWN, cidrBlock=wire.UNKNOWN).failures


def test_a_difference_knows_what_it_costs(configured: Plugin) -> None:
    old = {"port": 80, "name": "a", "tags": {"a": "b"}}
    tagged = configured.diff(GROUP, old, old | {"tags": {"a": "c"}})
    assert (list(tagged.diffs), list(tagged.replaces)) == (["tags"], [])
    moved = configured.diff(GROUP, old, old | {"port": 81})
    assert (list(moved.replaces), moved.deleteBeforeReplace) == (["port"], True)
    automatic = {DEFAULTS: ["name"]}
    assert not configured.diff(GROUP, old | automatic, old | automatic | {"port": 81}).deleteBeforeReplace
    assert configured.diff(GROUP, old, old | {"port": 81}, ["port"]).changes == pb.DiffResponse.DIFF_NONE


def test_what_means_the_same_is_no_difference(configured: Plugin) -> None:
    role = {"assumeRolePolicy": '{"a": 1}'}
    assert configured.diff(ROLE, role, {"assumeRolePolicy": '{ "a":1 }'}).changes == pb.DiffResponse.DIFF_NONE
    nets = {"subnets": ["a", "b"]}
    kind = "aws:lb/loadBalancer:LoadBalancer"
    assert configured.diff(kind, nets, {"subnets": ["b", "a"]}).changes == pb.DiffResponse.DIFF_NONE


def test_default_tags_reach_everything_that_has_tags(tmp_path: Path) -> None:
    with plugin(tmp_path) as running:
        running.configure(defaultTags=json.dumps({"tags": {"environment": "dev", "a": "1"}}))
        made = wire.read(running.create(VPC, cidrBlock="10.0.0.0/16", tags={"a": "2"}).properties)
    assert made["tagsAll"] == {"environment": "dev", "a": "2"}


def test_refusals_are_errors_with_their_code(configured: Plugin, tmp_path: Path) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        configured.create("aws:ec2/subnet:Subnet", "inner", vpcId="vpc-0123456789abcdef0", cidrBlock="10.0.0.0/24")
    assert failed.value.details() == (
        "creating inner: api error InvalidVpcID.NotFound: The ID 'vpc-0123456789abcdef0' does not exist"
    )
    assert Cloud.at(tmp_path).work.ledger.events()[-1]["code"] == "InvalidVpcID.NotFound"


@pytest.mark.parametrize(
    ("region", "problem"), [("us-east1", "invalid AWS Region: us-east1"), ("", "Missing region information")]
)
def test_a_region_is_needed(tmp_path: Path, region: str, problem: str) -> None:
    with plugin(tmp_path) as running:
        answer = running.stub.CheckConfig(pb.CheckRequest(news=wire.write({"region": region})))
    assert [failure.reason for failure in answer.failures] == [problem]


def test_another_account_than_allowed_is_refused(tmp_path: Path) -> None:
    with plugin(tmp_path) as running:
        running.configure(allowedAccountIds=json.dumps([NUMBER]))
        with pytest.raises(grpc.RpcError) as failed:
            running.configure(allowedAccountIds=json.dumps(["000000000000"]))
    assert failed.value.details() == f"AWS account ID not allowed: {NUMBER}"


def test_secrets_are_left_to_the_engine(configured: Plugin) -> None:
    assert configured.configure().acceptSecrets is False


def test_the_call_that_is_to_fail_fails_and_no_other(tmp_path: Path) -> None:
    failures = json.dumps({f"{VPC} create 2": "ThrottlingException"})
    with plugin(tmp_path, STANDIN_FAILURES=failures) as running:
        running.configure()
        running.create(VPC, cidrBlock="10.0.0.0/16")
        with pytest.raises(grpc.RpcError, match="ThrottlingException"):
            running.create(VPC, cidrBlock="10.1.0.0/16")
        running.create(VPC, cidrBlock="10.1.0.0/16")


def test_a_failure_that_is_asked_for_is_told_as_one(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    cloud.work.faults = Faults.of({"STANDIN_FAILURES": json.dumps({f"{VPC} create 1": "ThrottlingException"})})
    with pytest.raises(Refused, match="ThrottlingException"):
        cloud.make(VPC.removeprefix("aws:"), cidrBlock="10.0.0.0/16")


def test_what_takes_long_is_there_from_the_beginning(tmp_path: Path) -> None:
    with plugin(tmp_path, STANDIN_DELAYS=json.dumps({VPC: 1})) as running:
        running.configure()
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(running.create, VPC, cidrBlock="10.0.0.0/16")
            ledger = Cloud.at(tmp_path).work.ledger
            while not ledger.events():
                time.sleep(0.02)
            running.stub.Cancel(empty_pb2.Empty())
            with ledger.open() as account:
                (vpc,) = account.of(VPC)
            assert not waiting.done()
            assert waiting.result().id == vpc.id


def test_two_processes_share_an_account(tmp_path: Path) -> None:
    with plugin(tmp_path) as first, plugin(tmp_path) as second, ThreadPoolExecutor(8) as pool:
        first.configure()
        second.configure()
        made = list(
            pool.map(
                lambda index: (first, second)[index % 2].create(ROLE, f"r{index}", assumeRolePolicy=_TRUST).id,
                range(24),
            )
        )
    with Cloud.at(tmp_path).work.ledger.open() as account:
        assert sorted(resource.id for resource in account.resources) == sorted(made)
        assert account.calls[f"{ROLE} create"] == 24


_TRUST = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    }
)


def test_a_deployment_that_fails_leaves_a_resource_that_the_engine_knows(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    env = environment(cloud)
    cloud.remove(env.log_group)
    with plugin(tmp_path) as running:
        running.configure()
        with pytest.raises(grpc.RpcError) as failed:
            running.create("aws:ecs/service:Service", "app", **env.service)
    trailing = dict(failed.value.trailing_metadata())
    detail = pb.ErrorResourceInitFailed()
    status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details[0].Unpack(detail)
    assert "tfSTABLE" in detail.reasons[0]
    assert cloud.work.read("aws:ecs/service:Service", detail.id, "") is not None


# Functions


def _ask(tmp_path: Path, function: str, **args: Any) -> dict[str, Any]:
    return Cloud.at(tmp_path).work.invoke(f"aws:{function}", args)


def test_a_parameter_keeps_its_value_from_who_does_not_decrypt(tmp_path: Path) -> None:
    Cloud.at(tmp_path).outside("parameters", "/app/key", {"type": "SecureString", "value": "very secret"})
    shown = _ask(tmp_path, "ssm/getParameter:getParameter", name="/app/key", withDecryption=False)
    assert shown["arn"] == f"arn:aws:ssm:us-east-1:{NUMBER}:parameter/app/key"
    assert shown["value"] != "very secret"
    assert _ask(tmp_path, "ssm/getParameter:getParameter", name="/app/key")["value"] == "very secret"


def test_parameters_of_a_folder_are_listed_and_keep_their_values(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    for name in ("/app/key", "/app/other", "/app/inner/key", "/apple/key"):
        cloud.outside("parameters", name, {"type": "SecureString", "value": "very secret"})
    listed = _ask(tmp_path, "ssm/getParametersByPath:getParametersByPath", path="/app/", withDecryption=False)
    assert listed["names"] == ["/app/key", "/app/other"]
    assert "very secret" not in listed["values"]
    assert _ask(tmp_path, "ssm/getParametersByPath:getParametersByPath", path="/gone")["names"] == []


@pytest.mark.parametrize(
    ("function", "args", "code"),
    [
        ("ssm/getParameter:getParameter", {"name": "/gone"}, "ParameterNotFound"),
        ("route53/getZone:getZone", {"name": "gone.org"}, "NoSuchHostedZone"),
        ("ecr/getImage:getImage", {"repositoryName": "gone", "imageTag": "a"}, "RepositoryNotFoundException"),
        ("ec2/getPrefixList:getPrefixList", {"name": "com.amazonaws.us-east-1.ssm"}, "InvalidPrefixListID.NotFound"),
        ("ecr/getRepository:getRepository", {"name": "gone"}, "RepositoryNotFoundException"),
        ("ecs/getService:getService", {"serviceName": "gone", "clusterArn": "gone"}, "ServiceNotFoundException"),
        ("ec2/getAmi:getAmi", {}, "InvalidAction"),
    ],
)
def test_functions_refuse(tmp_path: Path, function: str, args: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        _ask(tmp_path, function, **args)
    assert refused.value.code == code


def test_what_somebody_deleted_cannot_be_changed(tmp_path: Path) -> None:
    cloud = Cloud.at(tmp_path)
    group = cloud.make("ec2/securityGroup:SecurityGroup", vpcId=cloud.make("ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id)
    cloud.remove(group)
    with pytest.raises(Refused, match="ResourceNotFoundException"):
        cloud.change(group, tags={"a": "b"})


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    Cloud.at(tmp_path).make("ecr/repository:Repository", name="mine")
    with pytest.raises(Refused, match="ImageNotFoundException"):
        _ask(tmp_path, "ecr/getImage:getImage", repositoryName="mine", imageTag="a")
    assert _ask(tmp_path, "ecr/getImages:getImages", repositoryName="mine")["imageIds"] == []


def test_zones_are_those_of_the_region(tmp_path: Path) -> None:
    assert _ask(tmp_path, "index/getAvailabilityZones:getAvailabilityZones")["names"] == [
        f"us-east-1{zone}" for zone in "abc"
    ]


def test_a_hosted_zone_is_found_by_name(tmp_path: Path) -> None:
    Cloud.at(tmp_path).outside("zones", "Z0123456789ABCDEFGHIJ", "example.org")
    assert _ask(tmp_path, "route53/getZone:getZone", name="example.org.")["zoneId"] == "Z0123456789ABCDEFGHIJ"


def test_a_document_is_written_as_iam_reads_it(tmp_path: Path) -> None:
    statement = {
        "actions": ["s3:GetObject"],
        "resources": ["*"],
        "principals": [{"type": "Service", "identifiers": ["ecs.amazonaws.com"]}],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["true"]}],
    }
    written = json.loads(_ask(tmp_path, "iam/getPolicyDocument:getPolicyDocument", statements=[statement])["json"])
    assert written["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": ["*"],
            "Principal": {"Service": ["ecs.amazonaws.com"]},
            "Condition": {"Bool": {"aws:SecureTransport": ["true"]}},
        }
    ]
