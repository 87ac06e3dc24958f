"""On what an environment's role may act: by name where the product gives names, by tag where AWS gives them."""

from typing import Any

Statement = dict[str, Any]

ENVIRONMENTS = ("dev", "prod")
TAG = "environment"
"""Of `aws:defaultTags`, in every environment's file."""
PARAMETERS = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
MADE = {
    "ec2:AllocateAddress": "elastic-ip",
    "ec2:AuthorizeSecurityGroupEgress": "security-group-rule",
    "ec2:AuthorizeSecurityGroupIngress": "security-group-rule",
    "ec2:CreateFlowLogs": "vpc-flow-log",
    "ec2:CreateInternetGateway": "internet-gateway",
    "ec2:CreateNatGateway": "natgateway",
    "ec2:CreateRouteTable": "route-table",
    "ec2:CreateSecurityGroup": "security-group",
    "ec2:CreateSubnet": "subnet",
    "ec2:CreateVpc": "vpc",
    "ec2:CreateVpcEndpoint": "vpc-endpoint",
}
"""What is new after each of EC2's actions, and has its tags from the beginning."""
BOUNDED = ("iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")
"""What could give a role more than its bounds."""
NOWHERE = ("sns:Unsubscribe",)
"""Actions that IAM knows no resource for."""


def allow(actions: list[str], resources: list[Any], condition: dict[str, Any] | None = None) -> Statement:
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def tagged(environment: str, *, request: bool = False) -> dict[str, Any]:
    """What is the environment's, or becomes so by the request."""
    return {"StringEquals": {f"aws:{'RequestTag' if request else 'ResourceTag'}/{TAG}": environment}}


def untagged(environment: str) -> dict[str, Any]:
    """What is nobody's yet, and becomes the environment's by the request."""
    return {**tagged(environment, request=True), "Null": {f"aws:ResourceTag/{TAG}": "true"}}


def in_region() -> dict[str, Any]:
    return {"StringEquals": {"aws:RequestedRegion": "${AWS::Region}"}}


def boundary_arn(environment: str) -> str:
    return f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:policy/transcriber-boundary-{environment}"


def _regional(service: str) -> str:
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:"


def arns(service: str, environment: str) -> list[str]:
    """What an environment has of a service, as its names have it."""
    own, regional = f"transcriber-{environment}", _regional(service)
    everywhere = f"arn:${{AWS::Partition}}:{service}:"
    return {
        "acm": [f"{regional}certificate/*"],
        "application-autoscaling": [f"{regional}scalable-target/*"],
        "cloudwatch": [
            f"{regional}alarm:{own}-*",
            f"{regional}alarm:TargetTracking-service/{own}/*",
            f"{everywhere}:${{AWS::AccountId}}:dashboard/{own}",
        ],
        "ec2": [f"{regional}{kind}/*" for kind in sorted(set(MADE.values()))],
        "ecr": [f"{regional}repository/{own}"],
        "ecs": [f"{regional}cluster/{own}", f"{regional}service/{own}/*", f"{regional}task-definition/{own}:*"],
        "elasticloadbalancing": [
            f"{regional}loadbalancer/app/{own}-*",
            f"{regional}listener/app/{own}-*",
            f"{regional}listener-rule/app/{own}-*",
            f"{regional}targetgroup/{own}-*",
        ],
        "iam": [f"{everywhere}:${{AWS::AccountId}}:role/{own}-*"],
        "logs": [f"{regional}log-group:/transcriber/{own}{end}" for end in ("", ":*", "/*", "-*")],
        "route53": [f"{everywhere}::hostedzone/${{HostedZone}}"],
        "s3": [f"{everywhere}::{own}-*"],
        "sns": [f"{regional}{own}-*"],
    }[service]


def everything_named() -> list[str]:
    """What all environments have of the services that are looked at by name. States are not among it."""
    return [
        "arn:${AWS::Partition}:ecr:${AWS::Region}:*:repository/transcriber-*",
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/transcriber-*",
        *(each for environment in ENVIRONMENTS for each in arns("s3", environment)),
        f"{PARAMETERS}/transcriber/*",
    ]


def statements(service: str, actions: list[str], environment: str) -> list[Statement]:
    """That let an environment's role do these things of a service, to what is its own."""
    resources = arns(service, environment)
    match service:
        case "acm":
            return _certificates(actions, resources, environment)
        case "application-autoscaling":
            new = [f"{service}:RegisterScalableTarget", f"{service}:TagResource"]
            return [
                allow(new, resources, tagged(environment, request=True)),
                allow(actions, resources, tagged(environment)),
            ]
        case "ec2":
            return _networks(actions, resources, environment)
        case "iam":
            bounds = {"ArnEquals": {"iam:PermissionsBoundary": boundary_arn(environment)}}
            free = [action for action in actions if action not in BOUNDED]
            return [allow(free, resources), allow(list(BOUNDED), resources, bounds)]
        case "route53":
            types = {"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["A", "CNAME"]}}
            return [allow(actions, resources, types)]
        case _:
            nowhere = [action for action in actions if action in NOWHERE]
            named = [action for action in actions if action not in NOWHERE]
            return [allow(named, resources), *([allow(nowhere, ["*"], in_region())] if nowhere else [])]


def _certificates(actions: list[str], resources: list[str], environment: str) -> list[Statement]:
    """IAM knows no resource for a request; a certificate that is new has no tags yet."""
    request = ["acm:RequestCertificate"]
    here = in_region()["StringEquals"] | tagged(environment, request=True)["StringEquals"]
    return [
        allow(request, ["*"], {"StringEquals": here}),
        allow(["acm:AddTagsToCertificate"], resources, untagged(environment)),
        allow([action for action in actions if action not in request], resources, tagged(environment)),
    ]


def _networks(actions: list[str], resources: list[str], environment: str) -> list[Statement]:
    """New things, tagged as they are made; what is tagged; and the group that a network brings along, without a tag."""
    made_by = sorted(action.partition(":")[2] for action in MADE)
    as_made = {"StringEquals": {f"aws:RequestTag/{TAG}": environment, "ec2:CreateAction": made_by}}
    groups = [f"{_regional('ec2')}security-group/*"]
    only_new = {"ec2:AllocateAddress", "ec2:CreateInternetGateway", "ec2:CreateVpc"}
    return [
        allow(sorted(MADE), resources, tagged(environment, request=True)),
        allow(["ec2:CreateTags"], resources, as_made),
        allow(["ec2:CreateTags"], groups, untagged(environment)),
        allow([action for action in actions if action not in only_new], resources, tagged(environment)),
    ]
