"""What AWS takes for tags: how many, how long, of which characters. Every service has codes of its own."""

import re
from collections.abc import Mapping
from typing import Any

from .refusal import Refused
from .wire import is_known

MOST, LONGEST_KEY, LONGEST_VALUE = 50, 128, 256
_CHARACTERS = re.compile(r"[\w\s.:/=+\-@]*")
_CODES = {
    "acm": ("InvalidTagException", "TooManyTagsException"),
    "application-autoscaling": ("ValidationException", "TooManyTagsException"),
    "cloudwatch": ("ValidationError", "ValidationError"),
    "ec2": ("InvalidParameterValue", "TagLimitExceeded"),
    "ecr": ("InvalidTagParameterException", "TooManyTagsException"),
    "ecs": ("InvalidParameterException", "InvalidParameterException"),
    "elasticloadbalancing": ("ValidationError", "TooManyTags"),
    "iam": ("ValidationError", "LimitExceeded"),
    "kms": ("TagException", "TagException"),
    "logs": ("InvalidParameterException", "InvalidParameterException"),
    "s3": ("InvalidTag", "InvalidTag"),
    "sns": ("InvalidParameter", "TagLimitExceeded"),
}
"""By the service's name in IAM: of a tag that is wrong, of one too many."""


def check(service: str, tags: Any) -> None:
    """Raises Refused. What is unknown yet is let through."""
    if not isinstance(tags, Mapping):
        return
    wrong, too_many = _CODES[service]
    if len(tags) > MOST:
        raise Refused(too_many, f"{len(tags)} tags are more than {MOST}")
    for key, value in tags.items():
        if problem := _problem(service, key, value):
            raise Refused(wrong, problem)


def _problem(service: str, key: str, value: Any) -> str | None:
    if key.lower().startswith("aws:"):
        return f"Tag keys starting with 'aws:' are reserved for internal use: {key}"
    if not 1 <= len(key) <= LONGEST_KEY:
        return f"The tag key '{key}' has not 1 to {LONGEST_KEY} characters"
    if not is_known(value):
        return None
    if len(str(value)) > LONGEST_VALUE:
        return f"The value of tag '{key}' has more than {LONGEST_VALUE} characters"
    # EC2 alone takes any.
    if service != "ec2" and not (_CHARACTERS.fullmatch(key) and _CHARACTERS.fullmatch(str(value))):
        return f"The tag '{key}' has characters other than letters, digits, spaces and _ . : / = + - @"
    return None
