"""How webhooks are signed: Standard Webhooks (standardwebhooks.com), by a secret that both sides have."""

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


def read_secret(text: str) -> bytes:
    """`whsec_` and 24 to 64 bytes in base64. Raises ValueError, which repeats nothing."""
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if not text.startswith(SECRET_PREFIX) or not 24 <= len(secret) <= 64:
        raise ValueError("must be whsec_ and 24 to 64 random bytes in base64")
    return secret


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """What stands in `webhook-signature`."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
