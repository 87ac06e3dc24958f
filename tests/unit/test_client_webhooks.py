"""Whether a webhook is genuine, and new."""

import json
import time

import pytest

from transcriber.client.webhooks import WebhookInvalid, verify_webhook
from transcriber.signing import read_secret, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "session.ended", "data": {}}).encode()


def headers(at: float | None = None, body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    moment = int(time.time() if at is None else at)
    made = signature(read_secret(secret), "msg_1", moment, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(moment), "webhook-signature": made}


def test_one_that_is_genuine() -> None:
    assert verify_webhook(SECRET, headers(), BODY) == json.loads(BODY)


def test_one_of_several_signatures_is_enough() -> None:
    several = headers()
    several["webhook-signature"] = f"v1,AAAA v2,xyz {several['webhook-signature']}"
    assert verify_webhook(SECRET, several, BODY)["type"] == "session.ended"


@pytest.mark.parametrize("age", [301, -301, 1e9])
def test_one_from_another_time(age: float) -> None:
    with pytest.raises(WebhookInvalid, match="old"):
        verify_webhook(SECRET, headers(time.time() - age), BODY)


def test_others() -> None:
    good = headers()
    other = "whsec_" + "A" * 32
    for shown, body in (
        (headers(secret=other), BODY),
        (good, BODY + b" "),
        ({**good, "webhook-id": "msg_2"}, BODY),
        ({**good, "webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}, BODY),
        ({**good, "webhook-timestamp": "soon"}, BODY),
        ({**good, "webhook-timestamp": "9" * 400}, BODY),
        ({**good, "webhook-id": "\ud800"}, BODY),
        ({**good, "webhook-signature": "v1,\ud800"}, BODY),
        ({**good, "webhook-signature": ""}, BODY),
        ({}, BODY),
        (headers(body=b"no json"), b"no json"),
    ):
        with pytest.raises(WebhookInvalid):
            verify_webhook(SECRET, shown, body)
    with pytest.raises(WebhookInvalid):
        verify_webhook("whsec_?", good, BODY)
