"""Tokens: what was signed is what is read, and nothing else is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.api_keys import KeyLimits
from transcriber.tokens import Ticket, TokenInvalid, sign, verify

SECRET = b"a secret of thirty-two characters"
TICKET = Ticket("0123456789ab", 1_800_000_000, KeyLimits(session_seconds=60, languages=("en",), record="none"))
TOKEN = sign(TICKET, SECRET)


def test_what_is_signed_is_read() -> None:
    assert verify(TOKEN, SECRET) == TICKET
    assert re.fullmatch(r"trt_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", TOKEN)
    assert len(TOKEN) < 300


def test_every_ticket_is_another_one() -> None:
    assert len({Ticket("k", 1).id for _ in range(100)}) == 100


def test_another_secret_reads_nothing() -> None:
    with pytest.raises(TokenInvalid):
        verify(TOKEN, b"another secret")


@given(st.integers(0, len(TOKEN) - 1), st.characters())
def test_a_changed_character_spoils_it(position: int, character: str) -> None:
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(TokenInvalid):
            verify(changed, SECRET)


@given(st.text() | st.text(alphabet="trt_.ab="))
def test_any_text_is_no_token(text: str) -> None:
    for candidate in (text, f"trt_{text}", TOKEN + text if text else "", TOKEN.partition(".")[0] + text):
        with pytest.raises(TokenInvalid):
            verify(candidate, SECRET)
