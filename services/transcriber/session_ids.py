"""The names of sessions: UUIDs of version 7, which say when they were made, and so where their recordings lie."""

import os
import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_newest = [0]
"""The leading 60 bits of the newest id: its millisecond, and a count within it."""


def new_session_id() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7) that sorts behind all that this process has made (6.2, method 1)."""
    milliseconds = time.time_ns() // 1_000_000
    seed = int.from_bytes(os.urandom(2)) >> 5
    _newest[0] = leading = max(milliseconds << 12 | seed, _newest[0] + 1)
    value = (leading >> 12) << 80 | 0x7 << 76 | (leading & 0xFFF) << 64
    return UUID(int=value | 0x2 << 62 | int.from_bytes(os.urandom(8)) >> 2)


def made_at(session_id: str) -> str | None:
    """When it was made: UTC, ISO 8601, to the millisecond. None where it is no id, or not written as ids are."""
    try:
        parsed = UUID(session_id)
        when = _EPOCH + timedelta(milliseconds=parsed.int >> 80)
    except (ValueError, OverflowError):
        return None
    if str(parsed) != session_id or parsed.version != 7 or parsed.variant != RFC_4122:
        return None
    return when.isoformat(timespec="milliseconds")
