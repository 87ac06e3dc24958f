"""Keeps the image that an environment runs for another to run: `python -m stacks.environment.promote dev`.

The registry counts promoted images apart (`release-`), so later builds do not push them out."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from stacks.contract import Stack
from stacks.ecr.lifecycle import PROMOTED
from stacks.environment import aws, command
from stacks.environment.nested import Nested

NAME = "promote"
ROOT = Path(__file__).resolve().parents[2]
DIGITS = 16


class Client(Protocol):
    """What is used of boto3's client for ECR."""

    def batch_get_image(self, **request: Any) -> Mapping[str, Any]: ...
    def put_image(self, **request: Any) -> Mapping[str, Any]: ...


class NotThere(Exception):
    """The registry does not have the image."""


def tag_of(digest: str) -> str:
    return f"{PROMOTED}{digest.removeprefix('sha256:')[:DIGITS]}"


def keep(client: Client, repository: str, digest: str) -> str:
    """Give the image its tag, if it has not got it; the tag.

    Raises:
        NotThere: there is no such image.
    """
    found = client.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
    if not found:
        raise NotThere(f"{repository} has no image {digest}")
    # An image has an entry for each of its tags.
    if tag_of(digest) not in {image["imageId"].get("imageTag") for image in found}:
        client.put_image(
            repositoryName=repository,
            imageManifest=found[0]["imageManifest"],
            imageManifestMediaType=found[0]["imageManifestMediaType"],
            imageDigest=digest,
            imageTag=tag_of(digest),
        )
    return tag_of(digest)


def settings(environment: str, digest: str) -> str:
    """What runs it, in the other environment's file."""
    return f"  transcriber:image_environment: {environment}\n  transcriber:image_digest: {digest}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=NAME, description=__doc__)
    parser.add_argument("environment", help="that runs the image")
    environment = parser.parse_args(arguments).environment
    return command.ended(NAME, lambda: _promote(environment))


def _promote(environment: str) -> int:
    digest = Nested(ROOT, Stack.SERVICE, environment).outputs().get("image_digest")
    repository = Nested(ROOT, Stack.ECR, environment).outputs().get("repository_name")
    if not digest or not repository:
        return command.say(NAME, f"{environment} is not deployed")
    try:
        tag = keep(cast("Client", aws.client(ROOT, environment, "ecr")), repository, digest)
    except (NotThere, BotoCoreError, ClientError) as problem:
        return command.say(NAME, str(problem))
    sys.stdout.write(f"{repository}:{tag} is kept. To run it elsewhere:\n{settings(environment, digest)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
