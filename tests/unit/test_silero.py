"""The Silero detector: what it makes of sounds, and how it batches the frames of many tracks."""

import asyncio
import os
import subprocess
import sys
import threading
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.vad.silero import SileroDetector, load_model, model_path

CLIP = Path(__file__).parents[2] / "demo" / "lj001.wav"
Floats = NDArray[np.float32]


def frames_of(samples: NDArray[np.floating]) -> Floats:
    whole = len(samples) // FRAME_SAMPLES * FRAME_SAMPLES
    return samples[:whole].astype(np.float32).reshape(-1, FRAME_SAMPLES)


def speech(seconds: float) -> Floats:
    with wave.open(str(CLIP)) as clip:
        samples = np.frombuffer(clip.readframes(int(seconds * clip.getframerate())), np.int16)
        step = clip.getframerate() / SAMPLE_RATE
    positions = np.arange(0, len(samples) - 1, step)
    return frames_of(np.interp(positions, np.arange(len(samples)), samples) / 32768)


@pytest.fixture(scope="module")
def clip() -> Floats:
    return speech(20)


@pytest.fixture
async def detector() -> AsyncIterator[SileroDetector]:
    detector = SileroDetector()
    yield detector
    await detector.close()


class Recorder:
    """A model that notes what it is given, waits when told to, and fails on frames of minus one."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.called = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def __call__(self, rows: Floats, state: Floats) -> tuple[Floats, Floats]:
        self.batches.append(len(rows))
        self.called.set()
        assert self.go.wait(5)
        if rows.min() < 0:
            raise ValueError("no frame of mine")
        return rows[:, -1], state + 1

    async def hold(self, detector: SileroDetector) -> "asyncio.Task[Floats]":
        """Keep the detector's thread busy with one frame until `go` is set."""
        self.go.clear()
        held = asyncio.create_task(detector.track().detect(plain(1)))
        await asyncio.to_thread(self.called.wait, 5)
        return held


def plain(count: int, value: float = 0.5) -> Floats:
    return np.full((count, FRAME_SAMPLES), value, np.float32)


def detector_threads() -> int:
    return sum(thread.name == "detector" for thread in threading.enumerate())


def level(samples: NDArray[np.floating], dbfs: float) -> NDArray[np.floating]:
    return samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20)


def noise(kind: str, seconds: float = 6) -> NDArray[np.floating]:
    count = int(seconds * SAMPLE_RATE)
    random = np.random.default_rng(7)
    match kind:
        case "white":
            return random.standard_normal(count)
        case "pink":
            spectrum = np.fft.rfft(random.standard_normal(count))
            return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)))
        case _:
            time = np.arange(count) / SAMPLE_RATE
            return np.sum([np.sin(2 * np.pi * 50 * n * time) / n for n in (1, 2, 3, 5, 7)], axis=0)


@pytest.mark.parametrize("package", ["no_such_package", "numpy", "this"])
def test_without_its_model_it_says_what_to_install(package: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"silero-vad .* transcriber\[server\]"):
        model_path(package)


async def test_speech_thirty_decibels_quieter_is_speech(detector: SileroDetector, clip: Floats) -> None:
    usual = await detector.track().detect(clip)
    quiet = await detector.track().detect(clip * np.float32(10 ** (-30 / 20)))

    assert 0.6 < np.mean(usual > 0.5) < 0.95
    assert np.mean(quiet[usual > 0.5] > 0.5) > 0.93
    assert np.mean(quiet[usual <= 0.5] > 0.5) < 0.15


@pytest.mark.parametrize("dbfs", [-60, -45, -25])
@pytest.mark.parametrize("kind", ["white", "pink", "hum"])
async def test_noise_is_not_speech(detector: SileroDetector, kind: str, dbfs: float) -> None:
    probabilities = await detector.track().detect(frames_of(level(noise(kind), dbfs)))

    assert probabilities.max() < 0.35


async def test_digital_silence_is_not_speech_even_after_speech(detector: SileroDetector, clip: Floats) -> None:
    track = detector.track()
    await track.detect(clip[:200])

    probabilities = await track.detect(plain(100, 0.0))

    assert probabilities[10:].max() < 0.35


async def test_a_track_does_not_depend_on_those_judged_with_it(detector: SileroDetector, clip: Floats) -> None:
    parts = [clip[start : start + length] for start, length in zip(range(0, 500, 5), range(1, 101), strict=True)]
    alone = [await detector.track().detect(part) for part in parts[::9]]

    together = await asyncio.gather(*(detector.track().detect(part) for part in parts))

    for one, other in zip(alone, together[::9], strict=True):
        np.testing.assert_array_equal(one, other)


async def test_the_model_sees_the_end_of_the_frame_before(clip: Floats) -> None:
    model = load_model(model_path())
    state, context = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
    expected: list[float] = []
    for frame in clip[:40]:
        values, state = model(np.concatenate([context, frame])[None], state)
        expected.append(float(values[0]))
        context = frame[-64:]
    detector = SileroDetector(model)

    track = detector.track()
    found = np.concatenate([await track.detect(clip[:7]), await track.detect(clip[7:40])])
    await detector.close()

    np.testing.assert_array_equal(found, np.array(expected, np.float32))


async def test_frames_may_be_reused_by_who_gave_them() -> None:
    model = Recorder()
    detector = SileroDetector(model)
    held = await model.hold(detector)
    frames = plain(3)
    task = asyncio.create_task(detector.track().detect(frames))
    await asyncio.sleep(0)
    frames[:] = 0.25
    model.go.set()

    assert list(await task) == [0.5] * 3
    await held
    await detector.close()


async def test_each_round_takes_one_frame_of_every_track_at_most_64_at_once() -> None:
    model = Recorder()
    detector = SileroDetector(model)
    held = await model.hold(detector)
    tasks = [asyncio.create_task(detector.track().detect(plain(2))) for _ in range(70)]
    await asyncio.sleep(0)
    model.go.set()
    await asyncio.gather(held, *tasks)
    await detector.close()

    assert model.batches == [1, 64, 64, 12]


async def test_a_long_run_of_frames_does_not_hold_up_other_tracks() -> None:
    model = Recorder()
    detector = SileroDetector(model)
    held = await model.hold(detector)
    long = asyncio.create_task(detector.track().detect(plain(3000)))
    await asyncio.sleep(0)
    model.go.set()
    for _ in range(3):
        await detector.track().detect(plain(1))
        assert not long.done()

    assert len(await long) == 3000
    await held
    await detector.close()


async def test_few_tracks_are_judged_at_once_many_wait_for_each_other() -> None:
    model = Recorder()
    detector = SileroDetector(model, window_seconds=0.3)
    loop = asyncio.get_running_loop()
    tracks = [detector.track() for _ in range(3)]
    began = loop.time()
    await asyncio.gather(*(track.detect(plain(1)) for track in tracks))
    assert loop.time() - began < 0.25

    tracks.append(detector.track())
    began, model.batches = loop.time(), []
    await asyncio.gather(*(track.detect(plain(1)) for track in tracks))
    assert loop.time() - began >= 0.3
    assert model.batches == [4]

    del tracks[1:]
    began = loop.time()
    await tracks[0].detect(plain(1))
    assert loop.time() - began < 0.25
    await detector.close()


async def test_states_are_kept_apart_from_the_batch_they_came_from(clip: Floats) -> None:
    detector = SileroDetector()
    tracks = [detector.track() for _ in range(2)]
    await asyncio.gather(*(track.detect(clip[:2]) for track in tracks))
    await detector.close()

    assert all(track.state.base is None and track.state.shape == (2, 128) for track in tracks)


async def test_a_failure_is_told_to_those_in_the_batch_and_is_not_the_end() -> None:
    detector = SileroDetector(Recorder())
    track = detector.track()

    with pytest.raises(ValueError, match="no frame of mine"):
        await track.detect(plain(1, -1))

    assert list(await detector.track().detect(plain(2))) == [0.5, 0.5]
    await detector.close()


async def test_who_stops_waiting_disturbs_nobody() -> None:
    model = Recorder()
    detector = SileroDetector(model)
    held = await model.hold(detector)
    leaving = asyncio.create_task(detector.track().detect(plain(2)))
    staying = asyncio.create_task(detector.track().detect(plain(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    model.go.set()

    assert len(await staying) == 2
    await held
    await detector.close()


async def test_closing_ends_the_thread_and_who_waits() -> None:
    model = Recorder()
    before = detector_threads()
    detector = SileroDetector(model)
    held = await model.hold(detector)
    waiting = asyncio.create_task(detector.track().detect(plain(1)))
    halfway = asyncio.create_task(detector.track().detect(plain(2000)))
    await asyncio.sleep(0)
    closing = asyncio.create_task(detector.close())
    await asyncio.sleep(0)
    model.go.set()
    await closing

    assert list(await held) == [0.5]
    for task in (waiting, halfway):
        with pytest.raises(RuntimeError, match="closed"):
            await task
    with pytest.raises(RuntimeError, match="closed"):
        await detector.track().detect(plain(1))
    assert detector_threads() == before


async def test_its_thread_counts_the_time_it_computes(detector: SileroDetector, clip: Floats) -> None:
    await detector.track().detect(clip)
    used = detector.cpu_seconds
    await asyncio.sleep(0.03)

    assert 0.01 < used < 5
    assert detector.cpu_seconds - used < 0.01


def test_nobody_is_told_how_it_is_used(tmp_path: Path) -> None:
    """What onnxruntime would report, it first keeps in the user's folder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "XDG_CACHE_HOME")} | {
        "HOME": str(tmp_path)
    }
    statement = "from transcriber.vad.silero import load_model, model_path; load_model(model_path())"
    subprocess.run((sys.executable, "-c", statement), env=environment, check=True, timeout=50)
    assert list(tmp_path.rglob("*")) == []
