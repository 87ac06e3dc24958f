"""A cloud that only writes down what programs ask of it, so that whole programs run without Pulumi's engine or AWS."""

import logging
import os
import runpy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, settings
from pulumi.runtime.proto import resource_pb2

from stacks.config import Config, parse
from stacks.contract import NEEDS, Stack

ROOT = Path(__file__).parent.parent.parent
ACCOUNT, REGION = "123456789012", "us-east-1"
DIGEST = "sha256:" + "5" * 64
ZONES = "abcdef"
PARAMETERS = {
    f"/transcriber/{environment}/{name}": "SecureString"
    for environment in ("dev", "prod")
    for name in ("api-keys", "openai-api-key", "token-secret")
} | {"/transcriber/dev/plain": "String"}
"""What SSM has, by name."""


@dataclass(frozen=True)
class Resource:
    """What a program registered: inputs by their names on the wire, and how the engine shall treat it."""

    kind: str
    name: str
    inputs: dict[str, Any]
    options: resource_pb2.RegisterResourceRequest

    @property
    def protected(self) -> bool:
        return self.options.protect

    @property
    def retained(self) -> bool:
        return self.options.retainOnDelete


@dataclass
class Program:
    """A program that has run."""

    resources: list[Resource]
    outputs: dict[str, Any]
    calls: list[tuple[str, dict[str, Any]]]
    warnings: list[str] = field(default_factory=list)

    def all(self, kind: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.kind == kind]

    def one(self, kind: str, name: str = "") -> Resource:
        found = [resource for resource in self.all(kind) if not name or resource.name == name]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]


class Cloud(mocks.Mocks):
    """Answers as AWS would where a program goes on with the answer."""

    def __init__(self, deployed: Mapping[str, Mapping[str, Any]], missing: frozenset[str] = frozenset()) -> None:
        self._deployed = deployed
        self._missing = missing
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.inputs: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            name = args.inputs["name"]
            return name, {"name": name, "outputs": dict(self._deployed.get(name, {})), "secretOutputNames": []}
        self.inputs[f"{args.typ} {args.name}"] = args.inputs
        return made(args.typ, args.name, args.inputs)

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        self.calls.append((args.token, dict(args.args)))
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"name": args.args["name"], "outputs": dict(self._deployed.get(args.args["name"], {}))}
        if args.token == "aws:ssm/getParametersByPath:getParametersByPath":
            names = [name for name in PARAMETERS if name not in self._missing and name.startswith(args.args["path"])]
            return {**args.args, "names": names, "types": [PARAMETERS[name] for name in names]}
        return {**args.args, **ANSWERS[args.token](args.args)}


ANSWERS = {
    "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {"accountId": ACCOUNT},
    "aws:index/getRegion:getRegion": lambda _: {"region": REGION},
    "aws:index/getPartition:getPartition": lambda _: {"partition": "aws"},
    "aws:route53/getZone:getZone": lambda _: {"zoneId": "Z0123456789ABCDEFGHIJ"},
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": lambda _: {"userName": "AWS", "password": "a-password"},
    "aws:ecr/getRepository:getRepository": lambda asked: {
        "arn": f"arn:aws:ecr:{REGION}:{asked.get('registryId') or ACCOUNT}:repository/{asked['name']}",
        "registryId": asked.get("registryId") or ACCOUNT,
        "repositoryUrl": f"{asked.get('registryId') or ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{asked['name']}",
    },
    "aws:ecr/getImage:getImage": lambda asked: {"imageDigest": asked["imageDigest"]},
    "aws:ecs/getService:getService": lambda asked: {
        "taskDefinition": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/task:1",
        "events": [{"createdAt": "2026-01-01T00:00:00Z", "id": "1", "message": "has reached a steady state."}],
    },
}


def made(kind: str, name: str, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Id and state of a new resource."""
    if kind == "awsx:ec2:Vpc":
        zones = int(inputs["numberOfAvailabilityZones"])
        return name, {
            "vpcId": "vpc-0123456789abcdef0",
            "publicSubnetIds": [f"subnet-public-{zone}" for zone in ZONES[:zones]],
            "privateSubnetIds": [f"subnet-private-{zone}" for zone in ZONES[:zones]],
        }
    if kind == "docker-build:index:Image":
        return name, {**inputs, "digest": DIGEST, "ref": f"{inputs['tags'][0]}@{DIGEST}"}
    if kind.startswith("transcriber:"):
        return name, {}
    service, what = kind.split(":")[1].split("/")
    known = inputs.get("name") or inputs.get("bucket") or inputs.get("family") or name
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{what}/{known}"
    return f"{what}-{name}", {"name": known, **inputs, **_told(what, str(known), arn)}


def _told(what: str, known: str, arn: str) -> dict[str, Any]:
    """What AWS adds to a resource."""
    told: dict[str, dict[str, Any]] = {
        "bucket": {"arn": f"arn:aws:s3:::{known}"},
        "logGroup": {"arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{known}"},
        "role": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{known}"},
        "topic": {"arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:{known}"},
        "cluster": {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{known}"},
        "taskDefinition": {"arn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/task:1"},
        "repository": {
            "registryId": ACCOUNT,
            "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{known}",
        },
        "loadBalancer": {
            "arnSuffix": f"app/{known}/0123456789abcdef",
            "dnsName": f"{known}-1234567890.{REGION}.elb.amazonaws.com",
            "zoneId": "Z35SXDOTRQ7X7K",
        },
        "targetGroup": {"arnSuffix": f"targetgroup/{known}/0123456789abcdef"},
        "certificate": {
            "domainValidationOptions": [
                {
                    "domainName": known,
                    "resourceRecordName": f"_1234.{known}.",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "_5678.acm-validations.aws.",
                }
            ]
        },
        "record": {"fqdn": known},
    }
    return {"arn": arn, **told.get(what, {})}


class Monitor(mocks.MockMonitor):
    """Keeps the whole request, with the options that a mock is not told."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.requests: list[resource_pb2.RegisterResourceRequest] = []

    def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: N802 - of gRPC
        self.requests.append(request)
        return super().RegisterResource(request)


class Warnings(logging.Handler):
    """What a program warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def settings_of(environment: str, **changes: str) -> dict[str, str]:
    """The committed configuration of an environment, as a program is given it; an empty change takes a key away."""
    committed = yaml.safe_load((ROOT / f"Pulumi.{environment}.yaml").read_text())["config"]
    values = {key: _text(value) for key, value in committed.items()}
    values |= {f"transcriber:{key}": value for key, value in changes.items()}
    return {key: value for key, value in values.items() if value != ""}


def config_of(environment: str, **changes: str) -> Config:
    """The same, parsed."""
    values = settings_of(environment, **changes)
    own = {key.removeprefix("transcriber:"): value for key, value in values.items() if key.startswith("transcriber:")}
    return parse(environment, own)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def run(
    stack: Stack,
    environment: str,
    config: Mapping[str, str],
    deployed: Mapping[str, Mapping[str, Any]],
    *,
    preview: bool = False,
    cloud: Cloud | None = None,
) -> Program:
    """Run one stack's program. `deployed` are the outputs of other stacks, by their whole names."""
    cloud, log, warnings = cloud or Cloud(deployed), logging.Logger("pulumi"), Warnings()
    log.addHandler(warnings)
    monitor = Monitor(cloud)
    settings.set_root_resource(None)
    mocks.set_mocks(
        cloud,
        project=stack.project,
        stack=environment,
        preview=preview,
        monitor=monitor,
        logger=log,
        organization="organization",
    )
    pulumi.runtime.set_all_config(dict(config))
    before = Path.cwd()
    os.chdir(ROOT / "stacks" / stack)
    try:
        outputs = _execute(ROOT / "stacks" / stack / "__main__.py")
    finally:
        os.chdir(before)
    return Program(
        [
            Resource(request.type, request.name, cloud.inputs.get(f"{request.type} {request.name}", {}), request)
            for request in monitor.requests
            if request.type != "pulumi:pulumi:Stack"
        ],
        outputs,
        cloud.calls,
        warnings.lines,
    )


def _execute(program: Path) -> dict[str, Any]:
    outputs: dict[str, Any] = {}

    @pulumi.runtime.test
    def execute() -> pulumi.Output[Any]:
        runpy.run_path(str(program), run_name="__main__")
        root = settings.get_root_resource()
        assert root is not None
        exported: dict[str, pulumi.Output[Any]] = root.outputs
        return pulumi.Output.all(**exported).apply(outputs.update)

    execute()
    return outputs


def run_all(environment: str, config: Mapping[str, str]) -> dict[Stack, Program]:
    """All five in order, each given what those before it exported."""
    deployed: dict[str, dict[str, Any]] = {}
    programs: dict[Stack, Program] = {}
    for stack in Stack:
        assert all(need in programs for need in NEEDS[stack])
        programs[stack] = run(stack, environment, config, deployed)
        deployed[f"organization/{stack.project}/{environment}"] = programs[stack].outputs
    return programs
