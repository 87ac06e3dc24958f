from stacks import contract, program
from stacks.cluster.fargate import FargateCluster, FargateClusterArgs
from stacks.contract import ClusterOutputs

config = program.config()

fargate = FargateCluster(
    "fargate",
    FargateClusterArgs(name=config.named(), insights=config.container_insights, log_days=config.log_days),
)

contract.export(
    ClusterOutputs(
        cluster_arn=fargate.cluster.arn,
        cluster_name=fargate.cluster.name,
        exec_log_group_arn=fargate.exec_log.arn,
    )
)
