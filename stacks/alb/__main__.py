import pulumi
import pulumi_aws as aws

from stacks import contract, program
from stacks.alb.access_logs import AccessLogs, AccessLogsArgs
from stacks.alb.certificate import Certificate, CertificateArgs
from stacks.alb.load_balancer import LoadBalancer, LoadBalancerArgs
from stacks.contract import AlbOutputs, NetworkOutputs
from stacks.timing import IDLE_SECONDS

config, place = program.config(), program.place()
network = contract.read(NetworkOutputs, config.environment)

logs = None
if config.access_logs:
    logs = AccessLogs(
        "access-logs",
        AccessLogsArgs(
            name=config.named(f"access-logs-{place.account}"),
            place=place,
            days=config.log_days,
            protected=config.protected,
        ),
    )
zone_id = aws.route53.get_zone(name=config.zone).zone_id if config.domain else None
certificate = Certificate("certificate", CertificateArgs(domain=config.domain, zone_id=zone_id)) if zone_id else None

balancer = LoadBalancer(
    "load-balancer",
    LoadBalancerArgs(
        name=config.named(),
        vpc_id=network.vpc_id,
        subnet_ids=network.public_subnet_ids,
        idle_seconds=IDLE_SECONDS,
        protected=config.protected,
        certificate_arn=certificate.arn if certificate else None,
        access_logs=logs,
    ),
)
if zone_id:
    aws.route53.Record(
        "alias",
        zone_id=zone_id,
        name=config.domain,
        type="A",
        aliases=[
            aws.route53.RecordAliasArgs(
                name=balancer.balancer.dns_name,
                zone_id=balancer.balancer.zone_id,
                evaluate_target_health=False,
            )
        ],
    )
else:
    pulumi.log.warn(
        "NO DOMAIN IS SET: what people say and their API keys cross the internet in plain text. "
        "Set transcriber:domain before anybody else uses this."
    )

contract.export(
    AlbOutputs(
        arn_suffix=balancer.balancer.arn_suffix,
        host=pulumi.Output.from_input(config.domain) if config.domain else balancer.balancer.dns_name,
        listener_arn=balancer.listener.arn,
        secure=pulumi.Output.from_input(bool(config.domain)),
        security_group_id=balancer.security_group_id,
    )
)
