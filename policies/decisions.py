"""For every type of resource there is, what was decided about it: rules, or none and why. One that nothing was decided
about is refused."""

from policies import access, balancing, containers, network, storage, telemetry
from policies.rule import Resource, Rule, StackRule

RULES: tuple[Rule, ...] = (
    *network.RULES,
    *balancing.RULES,
    *containers.RULES,
    *storage.RULES,
    *access.RULES,
    *telemetry.RULES,
)
STACK_RULES: tuple[StackRule, ...] = (*network.STACK_RULES, *storage.STACK_RULES)

WITHOUT_RULE = {
    "aws:acm/certificateValidation:CertificateValidation": "waits, and makes nothing",
    "aws:appautoscaling/policy:Policy": "says how many tasks there are, within what the target allows",
    "aws:appautoscaling/target:Target": "says how many tasks there may be",
    "aws:cloudwatch/dashboard:Dashboard": "is looked at",
    "aws:ec2/eip:Eip": "is a NAT gateway's address",
    "aws:ec2/internetGateway:InternetGateway": "is a way that only public subnets have",
    "aws:ec2/natGateway:NatGateway": "is a way out alone",
    "aws:ec2/route:Route": "is made by awsx from the kind of its subnet",
    "aws:ec2/routeTable:RouteTable": "is made by awsx from the kind of its subnet",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "is made by awsx from the kind of its subnet",
    "aws:ec2/subnet:Subnet": "is made by awsx; in public ones is a load balancer alone",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "is tested with the program",
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": "has nothing that could be open",
    "aws:lb/listenerRule:ListenerRule": "is tested with the program",
    "aws:route53/record:Record": "names what is public anyway",
    "aws:sns/topic:Topic": "carries names of alarms, see CKV_AWS_26",
    "aws:sns/topicSubscription:TopicSubscription": "is confirmed by who gets it",
    "awsx:ec2:Vpc": "what it makes is looked at",
}
NO_RESOURCE = ("pulumi:", "pulumi-python:", "transcriber:")
"""What begins so is nothing in an account."""

ACCEPTED = {
    "CKV2_AWS_28": "No WAF: there is one public path, for sockets that it can't look into, behind API keys.",
    "CKV_AWS_26": "Alarms on a topic with SNS's own key are not delivered, and their texts are names of metrics.",
    "CKV_AWS_91": "Access logs are an option in dev: they cost, and hold addresses of people.",
    "CKV_AWS_130": "awsx gives public subnets public addresses; tasks are in private ones.",
    "CKV_AWS_136": "Images are no secret: ECR's own encryption is enough.",
    "CKV_AWS_145": "SSE-S3: a key of one's own costs a call for each object, and the bucket's policy already decides.",
    "CKV_AWS_158": "CloudWatch's own encryption: what people say is in no log.",
    "CKV_AWS_18": "No log of access to buckets: only the tasks' role reads them, and CloudTrail has its calls.",
    "CKV_AWS_224": "Shells are off in prod; in dev they are logged without a key of one's own.",
    "CKV_AWS_260": "Port 80 is open: it redirects.",
    "CKV_AWS_378": "Between load balancer and tasks is plain HTTP, from one security group to another.",
}
"""Rules of Checkov that do not hold here, or not everywhere, and why."""


def violations(resource: Resource) -> list[tuple[str, str]]:
    """By rule, what is wrong with a resource."""
    return [(rule.id, problem) for rule in RULES if resource.kind in rule.kinds and (problem := rule.problem(resource))]


def undecided(kind: str) -> bool:
    known = {kind for rule in (*RULES, *STACK_RULES) for kind in rule.kinds} | set(WITHOUT_RULE)
    return kind not in known and not kind.startswith(NO_RESOURCE)
