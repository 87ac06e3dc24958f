"""Who may do what: starting a task, and being one."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract, iam
from stacks.contract import Stack
from stacks.program import Place


@dataclass(frozen=True, kw_only=True)
class RolesArgs:
    name: str
    place: Place
    cluster_name: pulumi.Input[str]
    repository_arn: iam.Arn
    log_group_arn: iam.Arn
    exec_log_group_arn: iam.Arn | None
    """Where shells are logged, if they can be opened."""
    bucket_arn: iam.Arn
    parameter_arns: Sequence[str]
    secrets_key_arn: str
    permissions_boundary: str | None
    """The ARN of the policy that bounds both."""


class Roles(pulumi.ComponentResource):
    """`granted` is what must be there before a task starts."""

    def __init__(self, name: str, args: RolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:service:Roles", name, None, opts)
        self._boundary = args.permissions_boundary
        self._trust = iam.trust(
            "ecs-tasks.amazonaws.com", account=args.place.account, source_arn=args.place.arn("ecs", "*")
        )
        execution, may_start = self._role(
            f"{args.name}-execution",
            "Starts tasks: pulls the image, reads secrets, writes logs",
            execution_policy(args),
        )
        task, may_run = self._role(
            f"{args.name}-task", "Is a task: stores recordings, protects itself while sessions run", task_policy(args)
        )
        self.execution_arn, self.task_arn = execution.arn, task.arn
        self.granted: list[pulumi.Resource] = [may_start, may_run]
        self.register_outputs({"execution": self.execution_arn, "task": self.task_arn})

    def _role(self, name: str, description: str, policy: iam.Document) -> tuple[aws.iam.Role, aws.iam.RolePolicy]:
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            description=description,
            assume_role_policy=pulumi.Output.json_dumps(self._trust),
            permissions_boundary=self._boundary,
            tags=contract.tags(Stack.SERVICE),
            opts=child,
        )
        permission = aws.iam.RolePolicy(name, role=role.id, policy=pulumi.Output.json_dumps(policy), opts=child)
        return role, permission


def execution_policy(args: RolesArgs) -> iam.Document:
    key = [iam.allow(["kms:Decrypt"], [args.secrets_key_arn])] if args.secrets_key_arn else []
    return iam.document(
        # Has no resource of its own.
        iam.allow(["ecr:GetAuthorizationToken"], ["*"]),
        iam.allow(
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [args.repository_arn],
        ),
        iam.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [_streams(args.log_group_arn)]),
        iam.allow(["ssm:GetParameters"], args.parameter_arns),
        *key,
    )


def task_policy(args: RolesArgs) -> iam.Document:
    place = args.place
    own_tasks = pulumi.Output.concat(place.arn("ecs", "task/"), args.cluster_name, "/*")
    return iam.document(
        iam.allow(["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"], [args.bucket_arn]),
        iam.allow(
            [
                *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject"),
                *("s3:ListMultipartUploadParts", "s3:PutObject"),
            ],
            [pulumi.Output.concat(args.bucket_arn, "/*")],
        ),
        iam.allow(["ecs:UpdateTaskProtection"], [own_tasks]),
        *(_exec_statements(args.exec_log_group_arn) if args.exec_log_group_arn is not None else []),
    )


def _exec_statements(log_group_arn: iam.Arn) -> list[iam.Document]:
    channels = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    return [
        # These have no resources of their own.
        iam.allow([f"ssmmessages:{action}" for action in channels], ["*"]),
        iam.allow(["logs:DescribeLogGroups"], ["*"]),
        iam.allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [_streams(log_group_arn)]),
    ]


def _streams(log_group_arn: iam.Arn) -> pulumi.Output[str]:
    return pulumi.Output.concat(log_group_arn, ":*")
