"""The image that tasks run: built and pushed here, or an earlier one by its digest."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from stacks import contract
from stacks.config import Config
from stacks.contract import EcrOutputs
from stacks.ecr.lifecycle import CACHE
from stacks.service.container import TARGETS
from stacks.service.inputs import tag

CONTEXT = "../.."
"""From the program's folder. Relative, for it is part of the state: another machine must find no difference."""
PLATFORMS = {"arm64": docker_build.Platform.LINUX_ARM64, "x86_64": docker_build.Platform.LINUX_AMD64}
SOURCE_DATE_EPOCH = "315532800"
"""The time that everything in the image has, so that the same inputs give the same digest."""


@dataclass(frozen=True, kw_only=True)
class Image:
    digest: pulumi.Output[str]
    reference: pulumi.Output[str]
    """Repository and digest."""


def images(config: Config) -> EcrOutputs:
    """The registry: the environment's own, or another's by its name, for that one's state is not read from here."""
    if config.images == config.environment:
        return contract.read(EcrOutputs, config.environment)
    name = f"{contract.PRODUCT}-{config.images}"
    found = aws.ecr.get_repository_output(name=name, registry_id=config.image_account or None)
    return EcrOutputs(
        registry_id=found.registry_id,
        repository_arn=found.arn,
        repository_name=found.name,
        repository_url=found.repository_url,
    )


def image(config: Config, registry: EcrOutputs) -> Image:
    """A new one, unless the configuration names one that must be there."""
    digest = _existing(config.image_digest, registry) if config.image_digest else _built(config, registry)
    return Image(digest=digest, reference=pulumi.Output.concat(registry.repository_url, "@", digest))


def _existing(digest: str, registry: EcrOutputs) -> pulumi.Output[str]:
    """Asked for by name, so that a preview already fails when the registry does not have it any more."""
    found = aws.ecr.get_image_output(
        registry_id=registry.registry_id, repository_name=registry.repository_name, image_digest=digest
    )
    return found.image_digest


def build_options(config: Config) -> dict[str, str]:
    """Arguments of the build, by name."""
    options = {"SOURCE_DATE_EPOCH": SOURCE_DATE_EPOCH}
    return {**options, "BASE": config.base_image} if config.base_image else options


def _built(config: Config, registry: EcrOutputs) -> pulumi.Output[str]:
    arguments, target = build_options(config), TARGETS[config.engine]
    name = tag(Path(CONTEXT), {**arguments, "target": target, "platform": config.architecture})
    token = aws.ecr.get_authorization_token_output(registry_id=registry.registry_id)
    cache = pulumi.Output.concat(registry.repository_url, ":", CACHE)
    built = docker_build.Image(
        "image",
        context=docker_build.BuildContextArgs(location=CONTEXT),
        dockerfile=docker_build.DockerfileArgs(location=f"{CONTEXT}/Dockerfile"),
        target=target,
        build_args=arguments,
        platforms=[PLATFORMS[config.architecture]],
        tags=[pulumi.Output.concat(registry.repository_url, ":", name)],
        cache_from=[docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=cache))],
        cache_to=[
            docker_build.CacheToArgs(
                registry=docker_build.CacheToRegistryArgs(
                    ref=cache, mode=docker_build.CacheMode.MAX, image_manifest=True, oci_media_types=True
                )
            )
        ],
        registries=[
            docker_build.RegistryArgs(
                address=registry.repository_url,
                username=token.user_name,
                password=pulumi.Output.secret(token.password),
            )
        ],
        push=True,
        build_on_preview=False,
        # Deleted from the state, by a rollback or a teardown, it stays in the registry: tasks may run it.
        opts=pulumi.ResourceOptions(retain_on_delete=True),
    )
    return built.digest.apply(_or_unknown)


def _or_unknown(digest: str) -> str:
    """Before the image is built, a preview has an empty one."""
    return digest or cast("str", pulumi.UNKNOWN)
