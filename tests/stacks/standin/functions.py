"""The functions that programs call: what is already there, and documents."""

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .account import Account
from .asking import Asked
from .images import Registry
from .refusal import Refused
from .services import identity, vpc
from .services.ecr import REPOSITORY
from .services.ecs import SERVICE
from .wire import Inputs

CANONICAL_ELB_ACCOUNT = "127311923021"
"""Elastic Load Balancing's own in us-east-1."""


@dataclass(frozen=True)
class Question:
    account: Account
    args: Inputs
    registry: Registry | None
    caller: str
    """The ARN of whoever asks."""


def _zones(question: Question) -> Inputs:
    account = question.account
    ids = [f"use1-az{index + 1}" for index in range(len(account.zones()))]
    return {"id": account.region, "names": account.zones(), "zoneIds": ids, "groupNames": [f"{account.region}-zg-1"]}


def _caller(question: Question) -> Inputs:
    number = question.account.number
    return {"accountId": number, "arn": question.caller, "id": number, "userId": identity.unique_id("AIDA")}


def _region(question: Question) -> Inputs:
    region = question.args.get("region") or question.account.region
    endpoint = f"ec2.{region}.amazonaws.com"
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": "US East (N. Virginia)",
        "endpoint": endpoint,
    }


def _partition(_: Question) -> Inputs:
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _token(question: Question) -> Inputs:
    account = question.account
    host = question.registry.host if question.registry else f"{account.number}.dkr.ecr.{account.region}.amazonaws.com"
    password = base64.b64encode(f"token of {account.number}".encode()).decode()
    token = base64.b64encode(f"AWS:{password}".encode()).decode()
    return {
        "id": account.region,
        "authorizationToken": token,
        "userName": "AWS",
        "password": password,
        "proxyEndpoint": f"https://{host}",
        "expiresAt": "2036-01-01T00:00:00Z",
    }


def _repository(question: Question) -> str:
    name = str(question.args["repositoryName"])
    if question.account.find(REPOSITORY, name) is None:
        raise Refused(
            "RepositoryNotFoundException", f"The repository with name '{name}' does not exist in the registry"
        )
    return name


def _registry(question: Question) -> Inputs:
    name, account = question.args["name"], question.account
    found = account.find(REPOSITORY, name)
    if found is None or question.args.get("registryId") not in (None, account.number):
        raise Refused("RepositoryNotFoundException", f"couldn't find resource: {name}")
    known = ("arn", "name", "registryId", "repositoryUrl", "imageTagMutability")
    return {"id": name, **{property_: found[property_] for property_ in known}}


def _image(question: Question) -> Inputs:
    name = _repository(question)
    wanted = question.args.get("imageDigest") or question.args.get("imageTag")
    image = question.registry.image(name, wanted) if question.registry and wanted else None
    if image is None or question.registry is None:
        raise Refused(
            "ImageNotFoundException",
            f"The image with imageId {{{wanted}}} does not exist within the repository '{name}'",
        )
    tags = sorted(tag for tag, digest in question.registry.tags(name).items() if digest == image.digest)
    where = f"{question.registry.host}/{name}@{image.digest}"
    size = {"imagePushedAt": 1_767_225_600, "imageSizeInBytes": 80_000_000}
    return {"id": image.digest, "imageDigest": image.digest, "imageTags": tags, "imageUri": where, **size}


def _images(question: Question) -> Inputs:
    name = _repository(question)
    tags = question.registry.tags(name) if question.registry else {}
    found = [{"imageTag": tag, "imageDigest": digest} for tag, digest in sorted(tags.items())]
    return {"id": question.account.region, "imageIds": found}


def _parameter(question: Question) -> Inputs:
    """The value of a SecureString leaves only for who asks for it."""
    name = question.args["name"]
    found = question.account.made_outside("parameters", name)
    if not found:
        raise Refused("ParameterNotFound", f"couldn't find resource: {name}")
    secure = found["type"] == "SecureString"
    shown = not secure or question.args.get("withDecryption", True)
    value = found["value"] if shown else base64.b64encode(b"encrypted").decode()
    arn = question.account.arn("ssm", f"parameter{name}" if name.startswith("/") else f"parameter/{name}")
    insecure = {} if secure else {"insecureValue": value}
    return {"id": name, "arn": arn, "type": found["type"], "version": 1, "value": value, **insecure}


def _parameters(question: Question) -> Inputs:
    """Those right in a folder: what is not there is no error."""
    folder = question.args["path"].rstrip("/")
    names = [
        name for name in sorted(question.account.outside.get("parameters", {})) if name.rpartition("/")[0] == folder
    ]
    asked = [Question(question.account, {**question.args, "name": name}, None, question.caller) for name in names]
    found = [_parameter(one) for one in asked]
    return {
        "id": folder,
        "names": names,
        "arns": [one["arn"] for one in found],
        "types": [one["type"] for one in found],
        "values": [one["value"] for one in found],
    }


def _zone(question: Question) -> Inputs:
    wanted = (question.args.get("zoneId"), (question.args.get("name") or "").rstrip("."))
    zones: dict[str, Any] = question.account.outside.get("zones", {})
    for zone, name in zones.items():
        if zone == wanted[0] or name == wanted[1]:
            arn = f"arn:aws:route53:::hostedzone/{zone}"
            return {"id": zone, "zoneId": zone, "name": name, "arn": arn, "nameServers": [], "privateZone": False}
    raise Refused("NoSuchHostedZone", f"no matching Route 53 Hosted Zone found: {wanted[0] or wanted[1]}")


def _service(question: Question) -> Inputs:
    """Events are the newest deployment's: why its tasks stopped, and how it ended."""
    name, cluster = question.args["serviceName"], str(question.args["clusterArn"])
    for found in question.account.of(SERVICE):
        if found["name"] == name and str(found["cluster"]).rsplit("/", 1)[-1] == cluster.rsplit("/", 1)[-1]:
            last = question.account.deployments[found.arn][-1]
            messages = [
                f"(service {name}) deployment {last['status']}",
                *(f"(service {name}) {text}" for text in last["reasons"]),
            ]
            events = [
                {"id": str(uuid.uuid4()), "createdAt": "2026-01-01T00:00:00Z", "message": text} for text in messages
            ]
            known = {"desiredCount": found["desiredCount"], "taskDefinition": found["taskDefinition"]}
            return {"id": found.arn, "arn": found.arn, "status": "ACTIVE", "events": events, **known}
    raise Refused("ServiceNotFoundException", f"couldn't find resource: {name}")


def _prefix_list(question: Question) -> Inputs:
    name = question.args.get("name") or ""
    identity_ = (
        vpc.PREFIX_LISTS.get(name.rsplit(".", 1)[-1]) or question.args.get("prefixListId") or question.args.get("id")
    )
    if not identity_:
        raise Refused("InvalidPrefixListID.NotFound", f"no matching EC2 Prefix List found: {name}")
    blocks = ["52.216.0.0/15", "54.231.0.0/16"]
    entries = [{"cidr": block, "description": ""} for block in blocks]
    arn = f"arn:aws:ec2:{question.account.region}:aws:prefix-list/{identity_}"
    return {
        "id": identity_,
        "prefixListId": identity_,
        "name": name,
        "arn": arn,
        "cidrBlocks": blocks,
        "entries": entries,
    }


def _balancer_account(_: Question) -> Inputs:
    return {"id": CANONICAL_ELB_ACCOUNT, "arn": f"arn:aws:iam::{CANONICAL_ELB_ACCOUNT}:root"}


def _document(question: Question) -> Inputs:
    statements = [_statement(statement) for statement in question.args.get("statements") or []]
    text = json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
    return {"id": str(abs(hash(text)) % 10**10), "json": text, "minifiedJson": json.dumps(json.loads(text))}


def _statement(given: Inputs) -> Inputs:
    conditions: dict[str, dict[str, Any]] = {}
    for condition in given.get("conditions") or []:
        conditions.setdefault(condition["test"], {})[condition["variable"]] = condition["values"]
    principals: dict[str, list[str]] = {}
    for principal in given.get("principals") or []:
        principals.setdefault(principal["type"], []).extend(principal["identifiers"])
    statement = {
        "Sid": given.get("sid"),
        "Effect": given.get("effect", "Allow"),
        "Action": given.get("actions"),
        "Resource": given.get("resources"),
        "Principal": principals,
        "Condition": conditions,
    }
    return {name: value for name, value in statement.items() if value}


@dataclass(frozen=True)
class Function:
    """`actions` are what IAM asks permission for, on what `on` makes of the arguments; none asks nobody."""

    answer: Callable[[Question], Inputs]
    actions: tuple[str, ...] = ()
    on: Callable[[Account, Inputs], str] = lambda _account, _args: "*"

    def asks(self, account: Account, args: Inputs) -> Iterator[Asked]:
        for action in self.actions:
            yield Asked(action, self.on(account, args), {"aws:RequestedRegion": account.region})


def _repository_arn(account: Account, args: Inputs) -> str:
    return account.arn("ecr", f"repository/{args['repositoryName']}")


def _hosted_zone(_: Account, args: Inputs) -> str:
    return f"arn:aws:route53:::hostedzone/{args.get('zoneId') or '*'}"


FUNCTIONS: dict[str, Function] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": Function(_zones, ("ec2:DescribeAvailabilityZones",)),
    "aws:index/getCallerIdentity:getCallerIdentity": Function(_caller),
    "aws:index/getRegion:getRegion": Function(_region),
    "aws:index/getPartition:getPartition": Function(_partition),
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": Function(_token, ("ecr:GetAuthorizationToken",)),
    "aws:ecr/getImage:getImage": Function(_image, ("ecr:DescribeImages",), _repository_arn),
    "aws:ecr/getRepository:getRepository": Function(
        _registry,
        ("ecr:DescribeRepositories", "ecr:ListTagsForResource"),
        lambda account, args: account.arn("ecr", f"repository/{args['name']}"),
    ),
    "aws:ecr/getImages:getImages": Function(_images, ("ecr:ListImages",), _repository_arn),
    "aws:ecs/getService:getService": Function(_service, ("ecs:DescribeServices",)),
    "aws:ssm/getParameter:getParameter": Function(
        _parameter, ("ssm:GetParameter",), lambda account, args: account.arn("ssm", f"parameter{args['name']}")
    ),
    "aws:ssm/getParametersByPath:getParametersByPath": Function(
        _parameters, ("ssm:GetParametersByPath",), lambda account, args: account.arn("ssm", f"parameter{args['path']}")
    ),
    "aws:route53/getZone:getZone": Function(
        _zone, ("route53:ListHostedZones", "route53:GetHostedZone", "route53:ListTagsForResource"), _hosted_zone
    ),
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": Function(_prefix_list, ("ec2:DescribeManagedPrefixLists",)),
    "aws:ec2/getPrefixList:getPrefixList": Function(_prefix_list, ("ec2:DescribePrefixLists",)),
    "aws:elb/getServiceAccount:getServiceAccount": Function(_balancer_account),
    "aws:iam/getPolicyDocument:getPolicyDocument": Function(_document),
}
