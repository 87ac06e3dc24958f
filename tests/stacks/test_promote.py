"""An image is kept for another environment."""

from collections.abc import Mapping
from typing import Any

import pytest

from stacks.ecr.lifecycle import rules
from stacks.environment.promote import NotThere, keep, settings, tag_of
from tests.stacks.recording import DIGEST, config_of

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


class Ecr:
    """A registry with one image, as ECR's API shows it."""

    def __init__(self, *tags: str) -> None:
        self.tags = list(tags)
        self.put: list[dict[str, Any]] = []

    def batch_get_image(self, **request: Any) -> Mapping[str, Any]:
        if request["imageIds"] != [{"imageDigest": DIGEST}]:
            return {"images": [], "failures": [{"failureCode": "ImageNotFound"}]}
        found = {"imageManifest": "{}", "imageManifestMediaType": MEDIA_TYPE}
        return {"images": [{**found, "imageId": {"imageDigest": DIGEST, "imageTag": tag}} for tag in self.tags]}

    def put_image(self, **request: Any) -> Mapping[str, Any]:
        assert request["imageTag"] not in self.tags, "its tags don't move"
        self.put.append(request)
        self.tags.append(request["imageTag"])
        return {}


def test_image_gets_a_tag_that_is_counted_apart() -> None:
    registry = Ecr("build-0123456789abcdef")
    assert keep(registry, "transcriber-dev", DIGEST) == tag_of(DIGEST)
    (put,) = registry.put
    assert (put["imageDigest"], put["imageManifest"], put["imageManifestMediaType"]) == (DIGEST, "{}", MEDIA_TYPE)
    counted = [rule["selection"].get("tagPrefixList") for rule in rules(5)["rules"]]
    assert any(put["imageTag"].startswith(prefix) for prefix in counted[0])


def test_image_that_is_kept_already_is_left_alone() -> None:
    registry = Ecr("build-0123456789abcdef", tag_of(DIGEST))
    assert keep(registry, "transcriber-dev", DIGEST) == tag_of(DIGEST)
    assert registry.put == []


def test_image_that_is_gone_is_told() -> None:
    with pytest.raises(NotThere, match="transcriber-dev has no image sha256:gone"):
        keep(Ecr(), "transcriber-dev", "sha256:gone")


def test_settings_that_are_printed_run_it() -> None:
    lines = dict(line.strip().removeprefix("transcriber:").split(": ") for line in settings("dev", DIGEST).splitlines())
    config = config_of("prod", **lines)
    assert (config.images, config.image_digest) == ("dev", DIGEST)
