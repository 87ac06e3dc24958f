"""Readers of a spool that grows: audio and commands in order, up to what is there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.test_spool import everything
from transcriber.cursors import Messages
from transcriber.events import Ended, Finalize, Options, Started
from transcriber.spool import Spool


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "spool", limit_bytes=10_000)
    yield made
    made.close()


async def test_audio_and_commands_come_back_in_the_order_in_which_they_came(spool: Spool) -> None:
    script = [Started(Options(language="de", keywords=("a", "b"))), b"one", b"two", Finalize(), b"three", Ended()]
    for item in script:
        if isinstance(item, bytes):
            spool.append_audio(item)
        else:
            spool.append_command(item)
    found = [item for item in everything(spool.inputs()) if not isinstance(item, Messages)]
    assert found == [script[0], b"onetwo", Finalize(), b"three", Ended()]


async def test_a_cursor_waits_for_what_comes(spool: Spool) -> None:
    cursor = spool.inputs()
    assert cursor.next(100) is None
    spool.append_audio(b"abc")
    assert cursor.next(2) == b"ab"
    spool.append_command(Finalize())
    assert everything(cursor) == [b"c", Finalize()] or everything(cursor) == []
    assert cursor.position == 3


async def test_a_message_run_far_ahead_is_left_for_later(spool: Spool) -> None:
    for size in (100, 200, 300):
        spool.append_audio(bytes(size))
    spool.append_command(Ended())
    cursor = spool.inputs()
    assert cursor.next(100) == Messages(0, 100, 1)
    assert cursor.next(100) == bytes(100)
    assert cursor.next(100) == Messages(100, 200, 1)
