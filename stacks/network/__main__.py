import pulumi

from stacks import contract, program
from stacks.contract import NetworkOutputs
from stacks.network.endpoints import Endpoints, EndpointsArgs
from stacks.network.flow_logs import FlowLogs, FlowLogsArgs
from stacks.network.vpc import Vpc, VpcArgs
from stacks.network.zones import refuse_loss

config, place = program.config(), program.place()
refuse_loss(config.environment, config.availability_zones, config.vpc_cidr)
name = config.named()

vpc = Vpc(
    "network",
    VpcArgs(
        name=name,
        place=place,
        cidr=config.vpc_cidr,
        zones=config.availability_zones,
        nat_gateways=config.nat_gateways,
    ),
)
private = vpc.private_subnet_ids.apply(lambda ids: list(ids)[: config.zones])
if config.nat_gateways == "none":
    Endpoints(
        "endpoints",
        EndpointsArgs(name=name, place=place, vpc_id=vpc.id, vpc_cidr=config.vpc_cidr, subnet_ids=private),
    )
if config.flow_logs:
    FlowLogs(
        "flow-logs",
        FlowLogsArgs(
            name=config.named("flow-logs"),
            place=place,
            vpc_id=vpc.id,
            days=config.log_days,
            permissions_boundary=place.policy(config.permissions_boundary),
        ),
    )

contract.export(
    NetworkOutputs(
        vpc_id=vpc.id,
        vpc_cidr=pulumi.Output.from_input(config.vpc_cidr),
        public_subnet_ids=vpc.public_subnet_ids.apply(lambda ids: list(ids)[: config.zones]),
        private_subnet_ids=private,
    )
)
