"""What roles may do at most that an environment's deploying role makes: whatever their policies say, they reach what
is the environment's, and no rights."""

from bootstrap import scopes
from bootstrap.scopes import PARAMETERS, Statement, allow

SHELL = tuple(
    f"ssmmessages:{action}"
    for action in ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
)


def boundary(environment: str) -> list[Statement]:
    own, bucket = f"transcriber-{environment}", f"arn:${{AWS::Partition}}:s3:::transcriber-{environment}-*"
    tasks = f"arn:${{AWS::Partition}}:ecs:${{AWS::Region}}:${{AWS::AccountId}}:task/{own}/*"
    images = "arn:${AWS::Partition}:ecr:${AWS::Region}:*:repository/transcriber-*"
    return [
        # They have no resources of their own.
        allow(["ecr:GetAuthorizationToken", "logs:DescribeLogGroups", *SHELL], ["*"]),
        allow(["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [images]),
        allow(
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], scopes.arns("logs", environment)
        ),
        allow(["ssm:GetParameters"], [f"{PARAMETERS}/transcriber/{environment}/*"]),
        allow(["kms:Decrypt"], ["*"], {"StringEquals": {"kms:ViaService": "ssm.${AWS::Region}.amazonaws.com"}}),
        allow(
            [
                *("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject"),
                *("s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"),
                *("s3:ListMultipartUploadParts", "s3:PutObject"),
            ],
            [bucket],
        ),
        allow(["ecs:UpdateTaskProtection"], [tasks]),
    ]
