"""Pulumi's wire format: protobuf structs with unknown and secret values inside, as plain Python and back."""

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, struct_pb2

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands in a preview for a value that nobody can know yet."""
_SIGNATURE = "4dabf18193072939515e22adb298388d"

Inputs = dict[str, Any]
"""Properties under the names they have on the wire."""


def read(struct: struct_pb2.Struct) -> Inputs:
    """Secrets are unwrapped; whole numbers come as int, as a program wrote them."""
    plain = _plain(json_format.MessageToDict(struct))
    assert isinstance(plain, dict)
    return plain


def write(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    json_format.ParseDict(dict(values), struct)
    return struct


def _plain(value: Any) -> Any:
    match value:
        case dict() if _SIGNATURE in value:
            return _plain(value.get("value"))
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def is_known(value: Any) -> bool:
    """Whether no part of it is unknown."""
    return UNKNOWN not in json.dumps(value)


def resource_type(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def resource_name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]
