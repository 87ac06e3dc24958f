"""All fuzz targets, by name."""

from collections.abc import Mapping

from tests.fuzz import answers, messages, streams
from tests.fuzz.target import Target

TARGETS: Mapping[str, Target] = {
    target.name: target for target in (*messages.TARGETS, *streams.TARGETS, *answers.TARGETS)
}
