"""Images in the registry that all environments run from: `image.py resolve IMAGE` prints a digest, `image.py name
DIGEST TAG` gives the image one more name, `image.py tags DIGEST` prints those that it has. IMAGE is a digest, a version
such as 1.2.3, a commit or a tag of the registry.

Needs AWS_REGION and, where the registry is another account's, REGISTRY_ACCOUNT."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

REPOSITORY = "transcriber-dev"
COMMIT_DIGITS = 12
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"v?(\d+\.\d+\.\d+(?:[-.][0-9A-Za-z.-]+)?)")
_COMMIT = re.compile(r"[0-9a-f]{12,40}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


class Refused(Exception):
    """What AWS, or this script, does not do; in words."""


def image_id(image: str) -> str:
    """As the registry's API wants it.

    Raises:
        Refused: it is nothing that an image is called.
    """
    if _DIGEST.fullmatch(image):
        return f"imageDigest={image}"
    if version := _VERSION.fullmatch(image):
        return f"imageTag=release-{version[1]}"
    if _COMMIT.fullmatch(image):
        return f"imageTag={commit_tag(image)}"
    if _TAG.fullmatch(image):
        return f"imageTag={image}"
    raise Refused(f"{image!r} is neither a digest, a version, a commit nor a tag")


def commit_tag(commit: str) -> str:
    return f"commit-{commit[:COMMIT_DIGITS]}"


def resolve(image: str) -> str:
    """Its digest.

    Raises:
        Refused: the registry has no such image.
    """
    found = _ecr("describe-images", "--image-ids", image_id(image))["imageDetails"]
    return str(found[0]["imageDigest"])


def tags(digest: str) -> list[str]:
    """All of its names; none if the registry does not have it any more."""
    try:
        found = _ecr("describe-images", "--image-ids", image_id(digest))["imageDetails"]
    except Refused as refused:
        if "ImageNotFoundException" not in str(refused):
            raise
        return []
    return [str(tag) for each in found for tag in each.get("imageTags", ())]


def name(digest: str, tag: str) -> None:
    """Give it the tag, which no other image may have; nothing if it has it.

    Raises:
        Refused: it is not there, or the tag is another image's.
    """
    (found,) = _ecr("batch-get-image", "--image-ids", image_id(digest))["images"] or [None]
    if found is None:
        raise Refused(f"the registry has no {digest}")
    options = ["--image-digest", digest, "--image-tag", tag, "--image-manifest", found["imageManifest"]]
    if kind := found.get("imageManifestMediaType"):
        options += ["--image-manifest-media-type", kind]
    try:
        _ecr("put-image", *options)
    except Refused as refused:
        if "ImageAlreadyExistsException" not in str(refused):
            raise


def _ecr(command: str, *arguments: str) -> dict[str, Any]:
    account = os.environ.get("REGISTRY_ACCOUNT", "")
    where = ["--repository-name", REPOSITORY, *(["--registry-id", account] if account else [])]
    asked = ["aws", "ecr", command, *where, *arguments, "--output", "json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr.strip())
    return json.loads(done.stdout)


def main(arguments: Sequence[str]) -> int:
    try:
        match arguments:
            case ["resolve", image]:
                sys.stdout.write(f"{resolve(image)}\n")
            case ["name", digest, tag]:
                name(digest, tag)
            case ["tags", digest]:
                sys.stdout.write("".join(f"{tag}\n" for tag in tags(digest)))
            case _:
                return _say("usage: image.py resolve IMAGE | name DIGEST TAG | tags DIGEST")
    except Refused as refused:
        return _say(str(refused))
    return 0


def _say(problem: str) -> int:
    sys.stderr.write(f"image: {problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
