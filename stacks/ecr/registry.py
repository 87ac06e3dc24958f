"""The repository of the service's images."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.contract import Stack
from stacks.ecr import lifecycle
from stacks.ecr.readers import readers_policy
from stacks.program import Place


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    name: str
    keep_images: int
    protected: bool
    """Whether it outlives a `pulumi destroy`, as long as images are in it."""
    place: Place
    readers: Sequence[str]
    """Other accounts that run its images."""


class Registry(pulumi.ComponentResource):
    """Scans what is pushed. No tag ever moves, but the build cache's."""

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:ecr:Registry", name, None, opts)
        repository = aws.ecr.Repository(
            "images",
            name=args.name,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(
                    filter=f"{lifecycle.CACHE}*", filter_type="WILDCARD"
                )
            ],
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256"),
            ],
            force_delete=not args.protected,
            tags=contract.tags(Stack.ECR),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protected),
        )
        aws.ecr.LifecyclePolicy(
            "lifecycle",
            repository=repository.name,
            policy=pulumi.Output.json_dumps(lifecycle.rules(args.keep_images)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        if args.readers:
            aws.ecr.RepositoryPolicy(
                "readers",
                repository=repository.name,
                policy=pulumi.Output.json_dumps(readers_policy(args.place, args.readers)),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.repository = repository
        self.register_outputs({"url": repository.repository_url})
