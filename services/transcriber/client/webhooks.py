"""For servers that get the service's webhooks: whether one is genuine, and new (Standard Webhooks)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

TOLERANCE_SECONDS = 300


class WebhookInvalid(Exception):
    """It is not from the service, or from long ago: answer 400 and do nothing."""


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance_seconds: float = TOLERANCE_SECONDS
) -> dict[str, Any]:
    """What a webhook says. `secret` is the service's WEBHOOK_SECRET, `headers` are by name in lower case.

    One that was recorded can be sent again while its time is within the tolerance, and the service sends one again
    whose answer got lost: keep the `webhook-id`s of that time, and do nothing for one that was there before.

    Raises:
        WebhookInvalid: signature, time or form are wrong.
    """
    try:
        message_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        shown = headers["webhook-signature"].encode().split()
        signed = f"{message_id}.{timestamp}.".encode() + body
        age = time.time() - timestamp
    except (KeyError, ValueError, OverflowError):
        raise WebhookInvalid("headers are missing or no webhook's") from None
    if abs(age) > tolerance_seconds:
        raise WebhookInvalid("it is too old, or from the future")
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(one, expected.encode()) for one in shown):
        raise WebhookInvalid("the signature is wrong")
    try:
        return json.loads(body)
    except ValueError:
        raise WebhookInvalid("the body is not JSON") from None
