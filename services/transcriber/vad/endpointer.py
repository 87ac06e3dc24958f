"""Where utterances begin and end on one track, from speech probabilities alone: no model, no clock, no audio.

QUIET ──speech──► STARTING ──minimum speech──► SPEAKING ──silence──► QUIET
  ▲                  │ gap                        │ ▲
  └──────────────────┘                            └─┘ split: dip after 8 s, quietest point before 12 s
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from transcriber.audio.pcm import FRAME_SAMPLES, frames_of_ms, samples_of_ms
from transcriber.events import Reason

_START_GAP_FRAMES = 3
"""A longer gap in the first 96 ms of speech makes it a click."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    """What counts as speech, pause and too long."""

    speech_threshold: float = 0.5
    hysteresis: float = 0.15
    """Speech goes on while the probability is at least the threshold less this."""
    floor_dbfs: float = -65.0
    """Quieter than this is digital silence, whatever the detector says."""
    minimum_speech_ms: int = 96
    endpointing_ms: int = 600
    split_after_ms: int = 8_000
    split_before_ms: int = 12_000
    dip_ms: int = 96


@dataclass(frozen=True, slots=True)
class Began:
    """Speech began at `start`; what is before `floor` belongs to the utterance before."""

    start: int
    floor: int


@dataclass(frozen=True, slots=True)
class Finished:
    """Speech from `start` to `end`; audio up to `ceiling` is there and belongs to it."""

    start: int
    end: int
    floor: int
    ceiling: int
    reason: Reason
    ends_turn: bool
    voiced: tuple[tuple[int, int], ...]
    """Stretches of speech, in samples."""


Boundary = Began | Finished


class _State(Enum):
    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"


class Endpointer:
    """Takes frames in order, gives boundaries. Positions are samples of the track."""

    def __init__(self, endpointing: Endpointing) -> None:
        self.configure(endpointing)
        self._state = _State.QUIET
        self._floor = 0
        self._start = 0
        self._voiced: list[tuple[int, int]] = []
        self._pause: list[tuple[int, float]] = []
        """Position and level of the frames since speech was last heard."""
        self._late: list[tuple[int, float]] = []
        """Position and level of the frames at which an overlong utterance may be split."""

    def configure(self, endpointing: Endpointing) -> None:
        """Judge frames by this from now on."""
        self._endpointing = endpointing
        self._minimum_frames = frames_of_ms(endpointing.minimum_speech_ms)
        self._endpoint_frames = frames_of_ms(endpointing.endpointing_ms)
        self._dip_frames = frames_of_ms(endpointing.dip_ms)
        self._split_after = samples_of_ms(endpointing.split_after_ms)
        self._split_before = samples_of_ms(endpointing.split_before_ms)

    @property
    def speaking(self) -> bool:
        return self._state is _State.SPEAKING

    @property
    def needed_from(self) -> int | None:
        """The first sample that an utterance, begun or about to, is made of; None when there is none."""
        return None if self._state is _State.QUIET else self._start

    @property
    def floor(self) -> int:
        return self._floor

    @property
    def voiced_samples(self) -> int:
        """Samples of speech in the open utterance."""
        return sum(end - start for start, end in self._voiced) if self.speaking else 0

    def feed(self, first_sample: int, frames: Iterable[tuple[float, float]]) -> list[Boundary]:
        """Judge frames given as (probability, level in dBFS); the first begins at `first_sample`."""
        boundaries: list[Boundary] = []
        for index, (probability, level) in enumerate(frames):
            self._judge(first_sample + index * FRAME_SAMPLES, probability, level, boundaries)
        return boundaries

    def finish(self, at: int, reason: Reason) -> list[Boundary]:
        """End the open utterance at `at`, before the endpointer would."""
        boundaries: list[Boundary] = []
        if self.speaking:
            end = self._voiced[-1][1] if self._pause else max(at, self._voiced[-1][1])
            self._close(min(end, at), ceiling=at, reason=reason, boundaries=boundaries)
        self.clear(at)
        return boundaries

    def clear(self, at: int) -> None:
        """Forget what was heard before `at`."""
        self._rest(floor=max(at, self._floor))

    def _judge(self, at: int, probability: float, level: float, boundaries: list[Boundary]) -> None:
        threshold = self._endpointing.speech_threshold
        if self._state is not _State.QUIET:
            threshold -= self._endpointing.hysteresis
        voiced = probability >= threshold and level >= self._endpointing.floor_dbfs
        if self._state is _State.QUIET:
            if voiced:
                self._state, self._start = _State.STARTING, max(at, self._floor)
                self._hear(at)
                self._begin_when_enough(boundaries)
        elif self._state is _State.STARTING:
            self._judge_start(at, level, voiced, boundaries)
        else:
            self._judge_speech(at, level, voiced, boundaries)

    def _judge_start(self, at: int, level: float, voiced: bool, boundaries: list[Boundary]) -> None:
        if voiced:
            self._hear(at)
            self._begin_when_enough(boundaries)
            return
        self._pause.append((at, level))
        if len(self._pause) > _START_GAP_FRAMES:
            self._rest(floor=self._floor)

    def _begin_when_enough(self, boundaries: list[Boundary]) -> None:
        heard = sum(end - start for start, end in self._voiced)
        if heard >= (self._minimum_frames - 1) * FRAME_SAMPLES + 1:
            self._state = _State.SPEAKING
            boundaries.append(Began(self._start, self._floor))

    def _judge_speech(self, at: int, level: float, voiced: bool, boundaries: list[Boundary]) -> None:
        if voiced:
            if len(self._pause) >= self._dip_frames and at - self._start >= self._split_after:
                self._split(_quietest(self._pause), resume=at, boundaries=boundaries)
            self._hear(at)
        else:
            self._pause.append((at, level))
            if len(self._pause) >= self._endpoint_frames:
                end, ceiling = self._voiced[-1][1], at + FRAME_SAMPLES
                self._close(end, ceiling=ceiling, reason="silence", boundaries=boundaries)
                # The pause is free for the context of the next utterance.
                self._rest(floor=end)
                return
        self._late.append((at, level))
        if at + FRAME_SAMPLES - self._start >= self._split_before and len(self._pause) < self._dip_frames:
            self._split_overlong(boundaries)

    def _split_overlong(self, boundaries: list[Boundary]) -> None:
        latest = self._voiced[-1][1] - self._minimum_frames * FRAME_SAMPLES
        earliest = self._start + self._split_after
        cut = _quietest([frame for frame in self._late if earliest <= frame[0] < latest] or self._late[-1:])
        self._split(cut, resume=cut, boundaries=boundaries)

    def _split(self, cut: int, *, resume: int, boundaries: list[Boundary]) -> None:
        """End one utterance and begin the next, both bounded by `cut`, without an end of turn."""
        before = [(start, min(end, cut)) for start, end in self._voiced if start < cut]
        after = [(max(start, cut), end) for start, end in self._voiced if end > cut]
        self._voiced = before
        self._close(before[-1][1], ceiling=cut, reason="max_length", boundaries=boundaries)
        self._floor, self._start, self._voiced = cut, resume, after
        self._pause.clear()
        self._late.clear()
        boundaries.append(Began(resume, cut))

    def _close(self, end: int, *, ceiling: int, reason: Reason, boundaries: list[Boundary]) -> None:
        # The last frame of a recording may reach beyond its end.
        voiced = tuple((first, min(stop, end)) for first, stop in self._voiced)
        boundaries.append(Finished(self._start, end, self._floor, ceiling, reason, reason != "max_length", voiced))

    def _hear(self, at: int) -> None:
        """Note a frame of speech."""
        begin, end = max(at, self._floor), at + FRAME_SAMPLES
        if self._voiced and self._voiced[-1][1] == begin:
            self._voiced[-1] = (self._voiced[-1][0], end)
        else:
            self._voiced.append((begin, end))
        self._pause.clear()

    def _rest(self, *, floor: int) -> None:
        self._state = _State.QUIET
        self._floor = floor
        self._voiced = []
        self._pause.clear()
        self._late.clear()


def _quietest(frames: list[tuple[int, float]]) -> int:
    """The middle of the frame with the lowest level."""
    return min(frames, key=lambda frame: frame[1])[0] + FRAME_SAMPLES // 2
