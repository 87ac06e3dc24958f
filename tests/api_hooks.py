"""For schemathesis: how a piece of an upload is sent."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/partial-upload")
def partial_upload(context: Any, value: Any) -> bytes:
    """As it is."""
    return value if isinstance(value, bytes) else str(value).encode()
