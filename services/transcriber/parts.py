"""What all sessions of a process share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from transcriber.audio.decoder import Decoder, ReadAt
from transcriber.endings import Endings
from transcriber.engines.engine import Engine
from transcriber.engines.scheduler import Scheduler
from transcriber.events import Options
from transcriber.metrics import Metrics
from transcriber.recorder import Recorder
from transcriber.tracing import NoTraces, Traces
from transcriber.vad.detector import Detector


@dataclass(frozen=True, slots=True)
class Parts:
    """What all runners of a process share."""

    engine: Engine
    scheduler: Scheduler
    detector: Detector
    recorder: Recorder
    decoder_for: Callable[[Options, ReadAt], Decoder]
    utterance_deadline_seconds: float = 60
    metrics: Metrics = field(default_factory=Metrics)
    traces: Traces = field(default_factory=NoTraces)
    endings: Endings = field(default_factory=Endings)
