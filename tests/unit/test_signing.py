"""Signatures of webhooks."""

import base64

import pytest

from transcriber.signing import read_secret, signature


def test_the_example_of_the_standard() -> None:
    """As its reference libraries test themselves."""
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert (
        signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("text", ["", "whsec_", "planted", "whsec_!!!", "whsec_cGxhbnRlZA==", "whsec_" + "A" * 120])
def test_secrets_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes") as caught:
        read_secret(text)
    assert "planted" not in str(caught.value)


def test_a_secret() -> None:
    assert read_secret("whsec_" + base64.b64encode(bytes(range(32))).decode()) == bytes(range(32))
