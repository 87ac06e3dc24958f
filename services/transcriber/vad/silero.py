"""The Silero detector: one thread judges the waiting frames of all tracks together.

The model is silero-vad's ONNX file for batches, found without importing the package, which needs torch. A speaker 30 dB
below the usual level is still found, so the frames are given to it as they are.
"""

import asyncio
import importlib.util
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# From 1.29 on, onnxruntime's own builds report to its makers how they are used. Read when it is first imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from numpy.typing import NDArray

from transcriber.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE
from transcriber.vad.detector import Frames, Probability

_MODEL = "silero_vad_op18_ifless.onnx"
_CONTEXT_SAMPLES = 64
"""Of the frame before, which the model wants in front of each."""
_STATE_SHAPE = (2, 128)

_MAX_BATCH = 64
"""More frames at once cost as much each."""
_MANY_TRACKS = 4
_WINDOW_SECONDS = 0.010
"""With many tracks, frames wait this long for others: waking up costs more than judging."""

_Floats = NDArray[np.float32]

Model = Callable[[_Floats, _Floats], tuple[_Floats, _Floats]]
"""A frame of each of n tracks, [n, context + frame], and their states [2, n, 128], to probabilities [n] and states."""


def model_path(package: str = "silero_vad") -> Path:
    """Where the model is.

    Raises:
        FileNotFoundError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    for location in (spec and spec.submodule_search_locations) or ():
        path = Path(location, "data", _MODEL)
        if path.is_file():
            return path
    raise FileNotFoundError(f"{_MODEL} is missing: it comes with silero-vad 6.2.3, an extra: transcriber[server].")


def load_model(path: Path) -> Model:
    """The network, run on the caller's thread and no other."""
    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # Loading warns of unused initializers.
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rate = np.array(SAMPLE_RATE, np.int64)

    def judge(rows: _Floats, state: _Floats) -> tuple[_Floats, _Floats]:
        output, state = session.run(["output", "stateN"], {"input": rows, "state": state, "sr": rate})
        return output[:, 0], state

    return judge


@dataclass(slots=True, eq=False)
class _Waiting:
    """Frames of one track, given in one call."""

    track: "SileroTrack"
    rows: _Floats
    """Each frame after its context."""
    answer: asyncio.Future[Probability]
    ready_at: float
    """When they need not wait for others any more."""
    values: _Floats = field(init=False)
    judged: int = 0
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.values = np.empty(len(self.rows), np.float32)

    @property
    def over(self) -> bool:
        return self.judged == len(self.rows) or self.error is not None


class SileroTrack:
    """One track's state: the model's own and the end of the last frame, both silent at the start."""

    def __init__(self, detector: "SileroDetector") -> None:
        self._detector = detector
        self._context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self.state: _Floats = np.zeros(_STATE_SHAPE, np.float32)
        """Touched only by the detector's thread."""

    async def detect(self, frames: Frames) -> Probability:
        if not len(frames):
            return np.empty(0, np.float32)
        rows = np.empty((len(frames), _CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
        rows[:, _CONTEXT_SAMPLES:] = frames
        rows[0, :_CONTEXT_SAMPLES] = self._context
        rows[1:, :_CONTEXT_SAMPLES] = frames[:-1, -_CONTEXT_SAMPLES:]
        self._context = frames[-1, -_CONTEXT_SAMPLES:].copy()
        return await self._detector.judge(self, rows)


class SileroDetector:
    """All tracks of the process, judged in rounds: one waiting frame of each track per round, until none waits. Frames
    that come meanwhile join the next round. Used from one event loop."""

    def __init__(self, model: Model | None = None, *, window_seconds: float = _WINDOW_SECONDS) -> None:
        self._model = model or load_model(model_path())
        self._window_seconds = window_seconds
        self._tracks: weakref.WeakSet[SileroTrack] = weakref.WeakSet()
        self._changed = threading.Condition()
        """Guards the three below."""
        self._inbox: list[_Waiting] = []
        self._idle = False
        """The thread sleeps until there is something."""
        self._closed = False
        self._cpu_seconds = 0.0
        self._thread = threading.Thread(target=self._work, name="detector", daemon=True)
        self._thread.start()

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the thread has used."""
        return self._cpu_seconds

    def track(self) -> SileroTrack:
        track = SileroTrack(self)
        self._tracks.add(track)
        return track

    async def close(self) -> None:
        """Stop the thread; frames that still wait are not judged."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    async def judge(self, track: SileroTrack, rows: _Floats) -> Probability:
        """Probabilities of frames with their context, the next of `track`."""
        window = self._window_seconds if len(self._tracks) >= _MANY_TRACKS else 0.0
        answer: asyncio.Future[Probability] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closed:
                raise _closed()
            self._inbox.append(_Waiting(track, rows, answer, time.monotonic() + window))
            if self._idle:
                self._changed.notify()
        return await answer

    def _work(self) -> None:
        waiting: list[_Waiting] = []
        while not self._closed:
            waiting += self._arrived(sleep=not waiting)
            waiting = self._round(waiting)
            self._cpu_seconds = time.thread_time()
        waiting += self._inbox
        for item in waiting:
            item.error = _closed()
        _deliver(waiting)

    def _round(self, waiting: list[_Waiting]) -> list[_Waiting]:
        """Judge one frame of each of the first that wait; who waits then, those judged last."""
        batch, rest = waiting[:_MAX_BATCH], waiting[_MAX_BATCH:]
        if batch:
            self._judge(batch)
            _deliver([item for item in batch if item.over])
        return rest + [item for item in batch if not item.over]

    def _arrived(self, *, sleep: bool) -> list[_Waiting]:
        """What came since the last time; with `sleep`, wait for something to come and for its window to end."""
        with self._changed:
            if sleep:
                self._idle = True
                self._changed.wait_for(lambda: self._inbox or self._closed)
                self._idle = False
                while not self._closed and (left := self._inbox[0].ready_at - time.monotonic()) > 0:
                    self._changed.wait(left)
            arrived, self._inbox = self._inbox, []
            return arrived

    def _judge(self, batch: list[_Waiting]) -> None:
        rows = np.stack([item.rows[item.judged] for item in batch])
        state = np.stack([item.track.state for item in batch], axis=1)
        try:
            values, state = self._model(rows, state)
        except Exception as error:
            for item in batch:
                item.error = error
            return
        for place, item in enumerate(batch):
            item.values[item.judged] = values[place]
            item.judged += 1
            # A copy: a slice would keep the states of the whole batch alive.
            item.track.state = state[:, place].copy()


def _deliver(items: list[_Waiting]) -> None:
    """Answer from the thread: one wake-up of the event loop for all."""
    if items:
        items[0].answer.get_loop().call_soon_threadsafe(_answer, items)


def _answer(items: list[_Waiting]) -> None:
    for item in items:
        if item.answer.done():
            continue
        if item.error is None:
            item.answer.set_result(item.values)
        else:
            item.answer.set_exception(item.error)


def _closed() -> RuntimeError:
    return RuntimeError("The detector is closed.")
