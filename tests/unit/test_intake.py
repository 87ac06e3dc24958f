"""What a session hears of its spool: all of it, in order, at the right samples."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.corpus import encoded
from tests.fakes import LevelDetector
from tests.stage import RAW, SPEECH, silence, tone, until
from transcriber.audio.decoder import Block, Decoder, ReadAt, damaged, unsupported
from transcriber.audio.formats import open_decoder
from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE, SILENCE_DBFS
from transcriber.events import (
    Clear,
    Command,
    Damaged,
    Ended,
    Finalize,
    Input,
    Options,
    Probabilities,
    Rejected,
    Stalled,
    Started,
)
from transcriber.intake import Intake
from transcriber.spool import Spool


class ScriptedDecoder:
    """A byte is a millisecond of its value in percent, on two tracks; `!` is damage, `+` damage of 1.5 s, `*` that of a
    day, `?` the end of understanding."""

    tracks = 2

    def __init__(self) -> None:
        self._rest = b""
        self.released = 0

    async def decode(self, data: bytes) -> AsyncIterator[Block]:
        self._rest += data
        while self._rest:
            byte, self._rest = self._rest[:1], self._rest[1:]
            if byte == b"?":
                raise unsupported("What is this?")
            if byte == b"!":
                raise damaged()
            if byte in b"+*":
                raise damaged(1.5 if byte == b"+" else 1e5)
            yield np.full((2, 16), byte[0] / 100, np.float32) * np.array([[1], [0]], np.float32)

    async def flush(self) -> Block:
        return np.empty((2, 0), np.float32)

    async def close(self) -> AsyncIterator[Block]:
        for block in ():
            yield block

    def release(self) -> None:
        self.released += 1


class Stream:
    """A spool and its intake."""

    def __init__(self, folder: Path, decoder: Decoder | None = None) -> None:
        self.spool = Spool(folder / "spool", limit_bytes=1 << 30)
        self.room = asyncio.Event()
        self.room.set()
        self.stall_after_seconds: float | None = None

        def decoder_for(options: Options, read_at: ReadAt) -> Decoder:
            return decoder or open_decoder(options, read_at)

        self.intake = Intake(
            self.spool,
            LevelDetector(),
            decoder_for,
            room=self.room.wait,
            stall_after=lambda: self.stall_after_seconds,
        )

    def put(self, *script: bytes | Command) -> None:
        for item in script:
            if isinstance(item, bytes):
                self.spool.append_audio(item)
            else:
                self.spool.append_command(item)

    async def inputs(self, *script: bytes | Command) -> list[Input]:
        """All that is heard of a script, which must end."""
        self.put(*script)
        async with asyncio.timeout(10):
            return [heard async for heard in self.intake.inputs()]


@pytest.fixture
def stream(tmp_path: Path) -> Iterable[Stream]:
    made = Stream(tmp_path)
    yield made
    made.spool.close()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterable[tuple[Stream, ScriptedDecoder]]:
    decoder = ScriptedDecoder()
    made = Stream(tmp_path, decoder)
    yield made, decoder
    made.spool.close()


def commands(inputs: list[Input]) -> list[Input]:
    return [heard for heard in inputs if not isinstance(heard, Probabilities)]


def judged(inputs: list[Input], track: int = 0) -> list[Probabilities]:
    return [heard for heard in inputs if isinstance(heard, Probabilities) and heard.track == track]


async def test_every_frame_is_judged_once_and_the_last_one_is_filled_up(stream: Stream) -> None:
    inputs = await stream.inputs(Started(RAW), SPEECH, Ended())
    samples = len(SPEECH) // 2
    assert commands(inputs) == [Started(RAW), Ended(at=samples)]
    batches = judged(inputs)
    assert all(a.first_sample + len(a.values) * FRAME_SAMPLES == b.first_sample for a, b in pairwise(batches))
    assert sum(len(batch.values) for batch in batches) == -(-samples // FRAME_SAMPLES)
    values = [value for batch in batches for value in batch.values]
    assert (values[0], values[32], values[63]) == (0, 1, 0), "silence, speech, silence"
    assert stream.intake.position_bytes == len(SPEECH)


async def test_levels_are_those_of_the_frames(stream: Stream) -> None:
    square = (np.tile([32767, -32768], FRAME_SAMPLES // 2)).astype("<i2").tobytes()
    (batch,) = judged(await stream.inputs(Started(RAW), square + bytes(2 * FRAME_SAMPLES), Ended()))
    assert batch.levels == pytest.approx((0.0, SILENCE_DBFS), abs=0.01)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
async def test_a_command_takes_effect_at_the_sample_that_was_last_received(stream: Stream, rate: int) -> None:
    options = Options(encoding="pcm_s16le", sample_rate=rate)
    inputs = await stream.inputs(
        Started(options), tone(1.0, rate), Finalize(), silence(0.5, rate), Clear(), tone(0.25, rate), Ended()
    )
    assert [heard.at for heard in commands(inputs) if not isinstance(heard, Started)] == pytest.approx(
        [16_000, 24_000, 28_000], abs=1
    )
    before = inputs[: inputs.index(next(heard for heard in inputs if isinstance(heard, Finalize)))]
    assert sum(len(batch.values) for batch in judged(before)) == 16_000 // FRAME_SAMPLES


async def test_what_is_said_between_two_pieces_of_a_frame_changes_no_frame(stream: Stream) -> None:
    inputs = await stream.inputs(Started(RAW), bytes(100), Finalize(), bytes(2 * FRAME_SAMPLES - 100), Ended())
    assert commands(inputs)[1] == Finalize(at=50)
    assert [(batch.first_sample, len(batch.values)) for batch in judged(inputs)] == [(0, 1)]


async def test_a_stream_that_stops_making_sense_is_rejected_where_it_does(
    scripted: tuple[Stream, ScriptedDecoder],
) -> None:
    stream, decoder = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 100 + b"?", b"2" * 100, Finalize(), Ended())
    _, rejected, finalize, ended = commands(inputs)
    assert isinstance(rejected, Rejected)
    assert (rejected.error.code, rejected.error.close_code, rejected.at) == ("unsupported_audio", 1003, 1600)
    assert (finalize, ended) == (Finalize(at=1600), Ended(at=1600))
    assert decoder.released == 1


async def test_options_that_no_decoder_understands_are_rejected_in_place_of_the_start(stream: Stream) -> None:
    inputs = await stream.inputs(Started(Options(encoding="pcm_s16le")), b"1234", Ended())
    rejected, ended = inputs
    assert isinstance(rejected, Rejected)
    assert (rejected.error.code, rejected.error.field) == ("missing_field", "sample_rate")
    assert ended == Ended()


async def test_damage_is_told_and_what_follows_is_heard(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, _ = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 100 + b"!!" + b"2" * 1000 + b"!" + b"2" * 10, Ended())
    damage = [heard.at for heard in inputs if isinstance(heard, Damaged)]
    assert damage == [1600, 17_600], "at most once a second"
    assert commands(inputs)[-1] == Ended(at=1110 * 16)


async def test_what_is_missing_is_silence_of_its_length(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, _ = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 100 + b"!+" + b"2" * 1000 + b"*" + b"2" * 10, Ended())
    damage = [heard for heard in inputs if isinstance(heard, Damaged)]
    assert damage == [Damaged(1600, 25_600), Damaged(41_600, None, 1e5)]
    assert commands(inputs)[-1] == Ended(at=2610 * 16)
    voiced = [value for batch in judged(inputs) for value in batch.values]
    assert voiced[10:45] == [0] * 35
    assert voiced[55:] == [1] * len(voiced[55:])
    assert judged(inputs, 1)[-1].first_sample == judged(inputs)[-1].first_sample


async def test_damage_is_told_before_the_command_behind_it(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, _ = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 100 + b"+", Finalize(), b"2", Ended())
    assert commands(inputs)[1:] == [Damaged(1600, 25_600), Finalize(at=25_600), Ended(at=25_616)]


async def test_what_can_not_be_understood_loses_what_is_behind_it(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, _ = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 100 + b"?" + b"2" * 100, Ended())
    (rejected,) = [heard for heard in inputs if isinstance(heard, Rejected)]
    assert (rejected.at, rejected.loses_audio) == (1600, True)


async def test_tracks_are_judged_apart(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, _ = scripted
    inputs = await stream.inputs(Started(Options()), b"2" * 320, Ended())
    assert {value for batch in judged(inputs, 0) for value in batch.values} == {1}
    assert {value for batch in judged(inputs, 1) for value in batch.values} == {0}
    assert [batch.first_sample for batch in judged(inputs, 0)] == [batch.first_sample for batch in judged(inputs, 1)]


async def test_without_room_nothing_is_decoded(stream: Stream) -> None:
    stream.room.clear()
    stream.put(Started(RAW), SPEECH)
    listening = asyncio.create_task(stream.inputs(Ended()))
    await asyncio.sleep(0.05)
    assert stream.intake.samples.end == 0
    stream.room.set()
    assert commands(await listening)[-1] == Ended(at=len(SPEECH) // 2)


async def test_a_speaker_who_sends_nothing_for_too_long_has_paused(stream: Stream) -> None:
    stream.stall_after_seconds = 0.02
    stream.put(Started(RAW), tone(0.5))
    inputs: list[Input] = []

    async def listen() -> None:
        async for heard in stream.intake.inputs():
            inputs.append(heard)
            if isinstance(heard, Stalled):
                stream.stall_after_seconds = None

    listening = asyncio.create_task(listen())
    await until(lambda: any(isinstance(heard, Stalled) for heard in inputs))
    await asyncio.sleep(0.06)
    stream.put(Ended())
    await listening
    assert commands(inputs) == [Started(RAW), Stalled(at=8_000), Ended(at=8_000)], "once, while nobody speaks"


async def test_the_decoder_is_let_go_of_when_nobody_listens_any_more(scripted: tuple[Stream, ScriptedDecoder]) -> None:
    stream, decoder = scripted
    stream.put(Started(Options()), b"2" * 100)
    inputs = stream.intake.inputs()
    assert await anext(inputs) == Started(Options())
    await inputs.aclose()
    assert decoder.released == 1


async def test_a_file_that_is_read_as_a_whole_is_decoded_from_its_beginning_to_its_end(stream: Stream) -> None:
    file = encoded("m4a", 20.0)
    stream.put(Started(Options()), file, Ended())
    shares = [
        (stream.intake.judged / (20 * SAMPLE_RATE), stream.intake.decoding_bytes / len(file))
        async for heard in stream.intake.inputs()
        if isinstance(heard, Probabilities)
    ]
    assert stream.intake.position_bytes == len(file)
    assert all(read == pytest.approx(judged, abs=0.2) for judged, read in shares[:-3])
