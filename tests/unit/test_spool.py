"""The spool's logs and cursors."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.full_disk import files_limited
from transcriber.cursors import InputCursor, Messages
from transcriber.events import (
    Ack,
    Close,
    Command,
    Ended,
    Finalize,
    Partial,
    PauseRecording,
    ResumeRecording,
    SpeechStarted,
)
from transcriber.pieces import LetGo
from transcriber.records import SpoolDamaged
from transcriber.spool import Quota, Spool, SpoolFull, make_root


@pytest.fixture
async def spool(tmp_path: Path) -> Iterator[Spool]:  # type: ignore[misc]
    made = Spool(tmp_path / "spool", limit_bytes=10_000)
    yield made
    made.close()


def everything(cursor: InputCursor, limit_bytes: int = 1 << 16) -> list[bytes | Messages | Command]:
    return list(itertools.takewhile(lambda item: item is not None, iter(lambda: cursor.next(limit_bytes), None)))  # type: ignore[arg-type]


async def test_message_sizes_are_runs(spool: Spool) -> None:
    for size in (4, 4, 4, 2, 4):
        spool.append_audio(bytes(size))
    assert spool.open_run == Messages(14, 4, 1)
    spool.append_command(Ended())
    runs = [item for item in everything(spool.inputs()) if isinstance(item, Messages)]
    assert runs == [Messages(0, 4, 3), Messages(12, 2, 1), Messages(14, 4, 1)]
    assert spool.messages == 5


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(min_size=1, max_size=50), st.none()), max_size=60), st.integers(1, 64))
def test_no_byte_and_no_command_is_lost_or_moved(
    tmp_path_factory: pytest.TempPathFactory, script: list[bytes | None], limit: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), limit_bytes=1 << 20)
    cursor, found, expected = spool.inputs(), list[object](), b""
    positions: list[int] = []
    for item in script:
        if item is None:
            spool.append_command(Finalize())
            positions.append(len(expected))
        else:
            spool.append_audio(item)
            expected += item
        found += everything(cursor, limit)
    assert b"".join(item for item in found if isinstance(item, bytes)) == expected
    seen, at = 0, list[int]()
    for item in found:
        if isinstance(item, bytes):
            seen += len(item)
        elif isinstance(item, Finalize):
            at.append(seen)
    assert at == positions
    runs = [item for item in (*found, spool.open_run) if isinstance(item, Messages)]
    assert sum(run.count for run in runs) == spool.messages
    assert sum(run.count * run.size for run in runs) == len(expected)
    spool.close()


async def test_the_limit_refuses_audio_and_keeps_what_is_there(spool: Spool) -> None:
    spool.append_audio(bytes(9_000))
    with pytest.raises(SpoolFull):
        spool.append_audio(bytes(9_000))
    assert spool.received_bytes == 9_000


async def test_events_are_numbered_and_read_from_anywhere(spool: Spool) -> None:
    events = [SpeechStarted(turn, 0, 0.5) for turn in (1, 2, 3)]
    assert [spool.append_event(event) for event in events] == [1, 2, 3]
    cursor = spool.events(after=1)
    assert [cursor.next(), cursor.next(), cursor.next()] == [(2, events[1]), (3, events[2]), None]
    spool.append_event(events[0])
    assert cursor.next() == (4, events[0])


async def test_of_partials_and_acks_the_newest_is_told(spool: Spool) -> None:
    def partial(utterance: int, text: str) -> Partial:
        return Partial(utterance, 1, 0, 0.0, 1.0, text, 0)

    for offer in (partial(1, "a"), partial(1, "b"), partial(2, "c"), Ack(1), Ack(2)):
        spool.offer(offer)
    assert spool.take_offers() == [partial(1, "b"), partial(2, "c"), Ack(2)]
    assert spool.take_offers() == []


async def test_appending_rings_the_bells(spool: Spool) -> None:
    for act, bell in (
        (lambda: spool.append_audio(b"a"), spool.incoming),
        (lambda: spool.append_command(Ended()), spool.incoming),
        (lambda: spool.append_event(SpeechStarted(1, 0, 0)), spool.outgoing),
        (lambda: spool.offer(Ack(1)), spool.outgoing),
        (lambda: spool.shut(Close(1000, "complete")), spool.outgoing),
    ):
        bell.clear()
        act()
        assert bell.is_set()


async def test_what_was_spooled_is_there_after_the_process_ended(tmp_path: Path) -> None:
    first = Spool(tmp_path, limit_bytes=1000)
    first.append_audio(b"audio")
    first.append_command(Finalize())
    first.append_event(SpeechStarted(1, 0, 0.0))
    first.close()
    with (tmp_path / "events").open("ab") as torn:
        torn.write(b'{"kind":"Spee')
    second = Spool(tmp_path, limit_bytes=1000)
    assert (second.messages, second.received_bytes, second.events_told) == (1, 5, 1)
    assert second.append_event(SpeechStarted(2, 0, 0.0)) == 2
    assert everything(second.inputs()) == [Messages(0, 5, 1), b"audio", Finalize()]
    cursor = second.events()
    assert [cursor.next(), cursor.next()] == [(1, SpeechStarted(1, 0, 0.0)), (2, SpeechStarted(2, 0, 0.0))]
    second.close()


async def test_a_deleted_spool_can_be_read_to_its_end(spool: Spool) -> None:
    spool.append_event(SpeechStarted(1, 0, 0.0))
    spool.delete()
    assert not spool.directory.exists()
    assert spool.events().next() == (1, SpeechStarted(1, 0, 0.0))


async def test_a_full_disk_takes_no_audio_and_loses_no_command_and_no_event(spool: Spool) -> None:
    commands, events = spool.inputs(), spool.events()
    spool.append_audio(b"audio")
    spool.append_event(SpeechStarted(1, 0, 0.0))
    with files_limited(8):
        with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
            spool.append_audio(b"more audio")
        spool.append_command(Ended())
        assert spool.append_event(SpeechStarted(2, 0, 0.0)) == 2
    spool.append_event(SpeechStarted(3, 0, 0.0))
    assert everything(commands) == [b"audio", Ended()] or everything(spool.inputs())[-2:] == [b"audio", Ended()]
    assert [events.next() for _ in range(4)] == [*((turn, SpeechStarted(turn, 0, 0.0)) for turn in (1, 2, 3)), None]
    assert [number for number, _ in iter(spool.events().next, None)] == [1, 2, 3]
    assert spool.received_bytes == 5


async def test_a_sealed_spool_takes_no_audio(spool: Spool) -> None:
    spool.append_audio(b"audio")
    spool.seal()
    spool.append_audio(b"more")
    assert (spool.received_bytes, spool.messages) == (5, 1)
    assert spool.read_audio(0, 100) == b"audio"


async def test_audio_that_is_let_go_of_is_fetched_when_it_is_needed(tmp_path: Path) -> None:
    quota = Quota(1000)
    spool = Spool(tmp_path, limit_bytes=1000, quota=quota, piece_bytes=10)
    audio = bytes(range(45))
    spool.append_audio(audio)
    assert spool.grown.is_set()
    assert [spool.whole_piece(start) for start in (0, 10, 40)] == [(0, 10), (10, 20), None]
    before = quota.used_bytes
    spool.release_audio(35)
    assert quota.used_bytes == before - 20, "the first piece and what is not safe stay"
    assert (spool.received_bytes, spool.has_audio(15)) == (45, False)
    with pytest.raises(LetGo):
        spool.read_audio(5, 10)
    fetched: list[tuple[int, int]] = []

    async def fetch(start: int, end: int) -> bytes:
        fetched.append((start, end))
        return audio[start:end]

    spool.fetch = fetch
    cursor, found = spool.inputs(), b""
    while cursor.position < 45:
        await spool.have_audio(cursor.position)
        piece = cursor.next(100)
        found += piece if isinstance(piece, bytes) else b""
    assert found == audio
    assert fetched == [(10, 20), (20, 30)]
    assert quota.used_bytes == before
    spool.close()


async def test_what_was_received_in_a_pause_is_not_let_go_of(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=1000, piece_bytes=10)
    spool.append_audio(bytes(25))
    spool.append_command(PauseRecording())
    spool.append_audio(bytes(1))
    spool.append_command(ResumeRecording())
    spool.append_audio(bytes(30))
    spool.release_audio(50)
    assert [spool.has_audio(start) for start in (0, 10, 20, 30, 40, 50)] == [True, False, True, False, False, True]
    spool.close()
    again = Spool(tmp_path, limit_bytes=1000, piece_bytes=10)
    assert again.pauses.ranges == [(25, 26)]
    assert again.received_bytes == 56
    again.close()


async def test_small_files_beside_the_logs_count_and_stay(tmp_path: Path) -> None:
    quota = Quota(100)
    spool = Spool(tmp_path, limit_bytes=1000, quota=quota)
    spool.put_beside("gap-1", bytes(60))
    with pytest.raises(OSError):  # noqa: PT011 - whatever the system says
        spool.put_beside("gap-2", bytes(60))
    assert quota.used_bytes == spool.size == 60
    spool.close()
    spool = Spool(tmp_path, limit_bytes=1000, quota=Quota(100))
    assert (spool.read_beside("gap-1"), spool.size) == (bytes(60), 60)
    spool.drop_beside("gap-1")
    assert spool.size == 0
    spool.close()


async def test_no_ack_comes_behind_the_last_event(spool: Spool) -> None:
    spool.offer(Ack(5))
    spool.shut(Close(1000, "complete"))
    assert spool.take_offers() == []


async def test_a_spool_is_full_whatever_filled_it(spool: Spool) -> None:
    assert not spool.full
    while spool.size < 10_000:
        spool.append_command(Finalize())
    assert spool.full
    with pytest.raises(SpoolFull):
        spool.append_audio(b"a")


LEFT = st.sampled_from(
    [
        b'{"byte":0,"kind":"Finalize","reason":"finalize","at":0}',
        b'{"byte":0,"kind":"Messages","size":3,"count":2}',
        b'{"kind":"SpeechStarted","turn":1,"channel":0,"start":0.5}',
        b'{"byte":-1,"kind":"Ended","at":0}',
        b'{"byte":9999,"kind":"Ended","at":0}',
        b'{"byte":"0","kind":"Ended","at":0}',
        b'{"byte":0,"kind":"Messages","size":3,"count":"2"}',
        b'{"byte":0,"kind":["Ended"]}',
        b'{"byte":0,"kind":"Started","options":5}',
        b"{}",
        b"",
    ]
)


@settings(max_examples=60)
@given(st.lists(LEFT, max_size=4), st.lists(LEFT | st.binary(max_size=20), max_size=4))
def test_whatever_is_left_is_read_or_said_to_be_damaged(
    tmp_path_factory: pytest.TempPathFactory, commands: list[bytes], events: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    (folder / "audio-000000000000000").write_bytes(b"audio")
    (folder / "commands").write_bytes(b"".join(line + b"\n" for line in commands) + b'{"torn')
    (folder / "events").write_bytes(b"\n".join(events))
    try:
        spool = Spool(folder, limit_bytes=1 << 20)
    except SpoolDamaged:
        return
    with contextlib.closing(spool):
        cursor = spool.inputs()
        heard = everything(cursor)
        assert b"".join(item for item in heard if isinstance(item, bytes)) == b"audio"
        assert len(heard) == len(commands) + 1
        spool.append_command(Ended())
        assert cursor.next(100) == Ended()
        with contextlib.suppress(SpoolDamaged):
            assert all(number > 0 for number, _ in iter(spool.events().next, None))


@pytest.mark.parametrize("line", [b'{"byte":9999,"kind":"Ended","at":0}', b'{"byte":0,"kind":"Other"}', b"{}"])
async def test_commands_that_can_not_be_are_damage(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "commands").write_bytes(line + b"\n")
    with pytest.raises(SpoolDamaged):
        Spool(tmp_path, limit_bytes=10_000)
    assert (tmp_path / "commands").read_bytes() == line + b"\n"


def test_a_folder_of_spools_that_can_not_be_is_told(tmp_path: Path) -> None:
    make_root(tmp_path / "deep" / "spool")
    make_root(tmp_path / "deep" / "spool")
    assert (tmp_path / "deep" / "spool").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^the spool .*/file/spool can't be used by user \d+: Not a directory$"):
        make_root(tmp_path / "file" / "spool")
