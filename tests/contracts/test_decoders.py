"""What every decoder promises: the same samples however bytes are cut, none lost at the end, exact counts."""

import io
import wave
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.corpus import WAVS, broadcast_wav, coded_samples, values, wav_of
from tests.decoding import cut, decoded, fed, opened, taken
from tests.wavs import chunk, fmt, riff, speechlike
from transcriber.audio.coding import ENCODINGS, TABLES
from transcriber.audio.decoder import Decoder
from transcriber.events import Options

CUTS = [1, 7, 640, 4096, 0]
"""Bytes at a time; 0: all at once."""

TOLERANCE = 2 / 32768
"""Against one soxr call on the whole; full scale is 1."""


HELD_BYTES = 20
"""The most that a decoder may hold until it knows what they are, and a frame cut in two."""


@dataclass(frozen=True)
class Case:
    """A stream, and the samples it holds at its own rate, mixed down."""

    options: Options
    stream: bytes
    rate: int
    mono: NDArray[np.float64]

    @property
    def expected(self) -> NDArray[np.float64]:
        return self.mono if self.rate == 16_000 else soxr.resample(self.mono, self.rate, 16_000, "HQ")

    @property
    def frame_bytes(self) -> int:
        return len(self.stream) // len(self.mono)

    @property
    def other_bytes(self) -> int:
        """All in the stream that is not audio."""
        return len(self.stream) - self.frame_bytes * len(self.mono)

    def least_samples(self, received_bytes: int) -> int:
        """How many samples so many bytes must have given, at 16 kHz."""
        frames = (received_bytes - self.other_bytes - HELD_BYTES) // self.frame_bytes
        return max(0, frames * 16_000 // self.rate)

    def open(self) -> Decoder:
        return opened(self.stream, self.options)


def standard_wav(rate: int, channels: int) -> bytes:
    """As the standard library writes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(speechlike(rate, 0.7, channels).astype("<i2").tobytes())
    return file.getvalue()


def wav_case(rate: int, channels: int, change: Callable[[bytes], bytes] = bytes) -> Case:
    stream = standard_wav(rate, channels)
    with wave.open(io.BytesIO(stream)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").reshape(-1, channels)
    return Case(Options(), change(stream), rate, samples.mean(axis=1) / 32768)


def raw_case(encoding: str, rate: int, channels: int = 1) -> Case:
    options = Options(encoding=encoding, sample_rate=rate, channels=channels)
    if encoding == "pcm_s16le":
        samples = speechlike(rate, 0.7, channels)
        return Case(options, samples.astype("<i2").tobytes(), rate, samples.mean(axis=1) / 32768)
    codes = np.random.default_rng(5).integers(0, 256, (round(rate * 0.7), channels), np.uint8)
    samples = TABLES["mulaw" if encoding == "mulaw" else "alaw"][codes]
    return Case(options, codes.tobytes(), rate, samples.mean(axis=1) / 32768)


def without_sizes(stream: bytes) -> bytes:
    return stream[:4] + bytes(4) + stream[8:40] + bytes(4) + stream[44:]


def with_chunks(stream: bytes) -> bytes:
    extra = chunk(b"LIST", b"INFO" + bytes(9))
    return riff(extra, stream[12:36], extra, stream[36:], extra)


def telephone_wav() -> Case:
    codes = np.random.default_rng(6).integers(0, 256, 5_601, np.uint8)
    stream = riff(fmt(8_000, tag=7, bits=8, extensible=True), chunk(b"fact", bytes(4)), chunk(b"data", codes.tobytes()))
    return Case(Options(encoding="wav"), stream, 8_000, TABLES["mulaw"][codes] / 32768)


def coded_case(encoding: str) -> Case:
    data = coded_samples(encoding, 5_000, 2)
    return Case(Options(encoding=encoding, sample_rate=16_000, channels=2), data, 16_000, values(encoding, data, 2))


def coded_wav_case(name: str, channels: int, *, extensible: bool) -> Case:
    stream = wav_of(name, 16_000, 0.2, channels, extensible=extensible)
    samples = values(WAVS[name][2], stream[stream.index(b"data") + 8 :], channels)
    return Case(Options(), stream, 16_000, samples)


def broadcast_case() -> Case:
    stream = broadcast_wav()
    return Case(Options(), stream, 48_000, values("pcm_s24le", stream[stream.index(b"data") + 8 :], 2))


CASES = {
    "wav 16000": wav_case(16_000, 1),
    "wav 16000 stereo": wav_case(16_000, 2),
    "wav 8000": wav_case(8_000, 1),
    "wav 44100 stereo": wav_case(44_100, 2),
    "wav 48000 without sizes": wav_case(48_000, 1, without_sizes),
    "wav 22050 with chunks": wav_case(22_050, 1, with_chunks),
    "wav µ-law": telephone_wav(),
    "pcm 16000": raw_case("pcm_s16le", 16_000),
    "pcm 48000 stereo": raw_case("pcm_s16le", 48_000, 2),
    "pcm 1000": raw_case("pcm_s16le", 1_000),
    "pcm 192000": raw_case("pcm_s16le", 192_000),
    "pcm 24000, 3 channels": raw_case("pcm_s16le", 24_000, 3),
    "µ-law 8000": raw_case("mulaw", 8_000),
    "A-law 8000 stereo": raw_case("alaw", 8_000, 2),
    **{f"raw {encoding}": coded_case(encoding) for encoding in ENCODINGS},
    **{f"wav {name}": coded_wav_case(name, 1 + index, extensible=False) for index, name in enumerate(WAVS)},
    **{f"wav {name}, extensible": coded_wav_case(name, 2, extensible=True) for name in WAVS},
    "wav RF64 with bext": broadcast_case(),
}
BRIEF = [name for name, case in CASES.items() if len(case.stream) < 50_000]


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


async def test_samples_are_right(case: Case) -> None:
    samples, _ = await decoded(case.open(), [case.stream])
    assert samples.shape == (1, round(len(case.mono) * 16_000 / case.rate))
    np.testing.assert_allclose(samples[0], case.expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("size", CUTS)
async def test_cuts_change_nothing(case: Case, size: int) -> None:
    # Byte by byte the beginning shows all that the rest would: the header, and a few blocks of the resampler.
    stream = case.stream[:8_000] if size == 1 else case.stream
    expected, _ = await decoded(case.open(), [stream])
    np.testing.assert_array_equal((await decoded(case.open(), cut(stream, size)))[0], expected)


@settings(max_examples=30)
@given(data=st.data(), name=st.sampled_from(BRIEF))
async def test_random_cuts_change_nothing(data: st.DataObject, name: str) -> None:
    case = CASES[name]
    edges = data.draw(st.lists(st.integers(0, len(case.stream)) | st.integers(0, 100), max_size=30))
    expected, _ = await decoded(case.open(), [case.stream])
    np.testing.assert_array_equal((await decoded(case.open(), cut(case.stream, edges)))[0], expected)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
async def test_what_came_is_kept_when_the_rest_never_comes(case: Case, share: float) -> None:
    stream = case.stream[: int(len(case.stream) * share)]
    samples, _ = await decoded(case.open(), cut(stream, 4096))
    assert case.least_samples(len(stream)) <= samples.shape[1] <= len(case.expected)
    # Near the cut the resampler hears silence coming: what lies before its reach is the same.
    same = max(0, samples.shape[1] - 1_000)
    np.testing.assert_allclose(samples[0, :same], case.expected[:same], atol=TOLERANCE, rtol=0)


@settings(max_examples=30)
@given(data=st.data(), name=st.sampled_from(BRIEF))
async def test_flushing_keeps_the_count_exact(data: st.DataObject, name: str) -> None:
    case = CASES[name]
    edges = data.draw(st.lists(st.integers(0, len(case.stream)), max_size=8))
    decoder = case.open()
    total = 0
    for piece in cut(case.stream, edges):
        total += length(await fed(decoder, piece)) + (await decoder.flush()).shape[1]
    assert total + length(await taken(decoder.close)) == len(case.expected)


def length(made: tuple[list[NDArray[np.float32]], int]) -> int:
    return sum(block.shape[1] for block in made[0])


async def test_a_flush_makes_all_that_came_ready(case: Case) -> None:
    decoder = case.open()
    half = len(case.stream) // 2
    ready = length(await fed(decoder, case.stream[:half])) + (await decoder.flush()).shape[1]
    assert ready >= case.least_samples(half)
    rest = length(await fed(decoder, case.stream[half:])) + length(await taken(decoder.close))
    assert ready + rest == len(case.expected)


async def test_no_bytes_are_no_samples(case: Case) -> None:
    decoder = case.open()
    assert await fed(decoder, b"") == ([], 0)
    assert (await decoder.flush()).shape == (1, 0)
    assert await taken(decoder.close) == ([], 0)
