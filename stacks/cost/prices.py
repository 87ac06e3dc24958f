"""Every price that is counted with, in dollars, and where it was read: lists, not offers, before taxes and free tiers.

AWS changes few of these in a year. To bring them up to date, compare each with its source, then set LOOKED_UP."""

from dataclasses import dataclass

REGION = "us-east-1"
LOOKED_UP = "2026-11-25"
"""The day on which the sources were read. They are third parties that quote AWS's list, but for those of AWS itself."""

FARGATE_PAGE = "https://www.vantage.sh/blog/fargate-pricing"
SPOT_PAGE = "https://fortem.dev/fargate-spot/"
BALANCER_PAGE = "https://handbook.vantage.sh/aws/services/elb-pricing"
NETWORK_PAGE = "https://www.factualminds.com/blog/amazon-vpc-pricing-endpoints-peering-transit-gateway/"
NAT_PAGE = "https://basavytix.com/blog/aws-nat-gateway-pricing"
CLOUDWATCH_PAGE = "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/"
INSIGHTS_PAGE = "https://fortem.dev/blog/ecs-fargate-monitoring/"
TRANSFER_PAGE = "https://www.egresscost.com/nat-gateway"
S3_PAGE = "https://aws.amazon.com/s3/pricing/"
ECR_PAGE = "https://cloudburn.io/blog/amazon-ecr-pricing"
OPENAI_PAGE = "https://platform.openai.com/docs/models/gpt-transcribe"


@dataclass(frozen=True, slots=True)
class Price:
    """`exact` is False where no source has the very number: `about` says what it is made of."""

    dollars: float
    unit: str
    source: str
    exact: bool = True
    about: str = ""


FARGATE_VCPU = {
    "ARM64": Price(0.03238, "vCPU-hour", FARGATE_PAGE),
    "X86_64": Price(0.04048, "vCPU-hour", FARGATE_PAGE),
}
FARGATE_GB = {
    "ARM64": Price(0.00356, "GB-hour", FARGATE_PAGE),
    "X86_64": Price(0.004445, "GB-hour", FARGATE_PAGE),
}
FARGATE_DISK = Price(0.000111, "GB-hour", FARGATE_PAGE, about="beyond the 20 GB that each task has")
SPOT_SHARE = Price(
    0.4, "of the list price", SPOT_PAGE, exact=False, about="50 to 70 % off, as supply and demand have it: 60 % here"
)

BALANCER = Price(0.0225, "hour", BALANCER_PAGE)
BALANCER_UNIT = Price(0.008, "LCU-hour", BALANCER_PAGE)
GB_A_UNIT, CONNECTIONS_A_UNIT = 1.0, 3000
"""What a capacity unit is of: the larger of gigabytes in an hour and connections that are open counts."""
NAT_GATEWAY = Price(0.045, "hour", NAT_PAGE)
NAT_DATA = Price(0.045, "GB", NAT_PAGE)
ADDRESS = Price(0.005, "hour", NETWORK_PAGE)
ENDPOINT = Price(0.01, "hour in a zone", NETWORK_PAGE)
BETWEEN_ZONES = Price(0.02, "GB", NETWORK_PAGE, about="a cent for each of the two zones")
TO_INTERNET = Price(0.09, "GB", TRANSFER_PAGE, about="the first 100 GB of an account's month are free")

METRIC = Price(0.30, "metric and month", CLOUDWATCH_PAGE)
INSIGHTS_METRIC = {
    "enabled": Price(0.30, "metric and month", CLOUDWATCH_PAGE),
    "enhanced": Price(0.07, "metric and month", INSIGHTS_PAGE),
}
ALARM = Price(0.10, "month", CLOUDWATCH_PAGE)
DASHBOARD = Price(3.0, "month", CLOUDWATCH_PAGE)
LOG_DATA = Price(0.50, "GB", CLOUDWATCH_PAGE)

STORE_MONTH = Price(0.023, "GB and month", S3_PAGE)
STORE_WRITE = Price(0.005 / 1000, "request", S3_PAGE)
IMAGES_MONTH = Price(0.10, "GB and month", ECR_PAGE)

ENGINE_MINUTE = {
    "gpt-transcribe": Price(0.0045, "minute of audio", OPENAI_PAGE),
    "gpt-4o-transcribe": Price(0.006, "minute of audio", OPENAI_PAGE),
    "gpt-4o-transcribe-diarize": Price(0.006, "minute of audio", OPENAI_PAGE),
    "gpt-4o-mini-transcribe": Price(0.003, "minute of audio", OPENAI_PAGE),
    "whisper-1": Price(0.006, "minute of audio", OPENAI_PAGE),
}
"""By model; the service counts with the same."""
DEFAULT_MODEL = "gpt-transcribe"
