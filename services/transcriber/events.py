"""The vocabulary of a session: what it hears (inputs), orders (effects) and tells (events).

Sample positions count from the first sample of the session, at 16 kHz, on every track alike; `at` is the position at
which a command takes effect. Times in events are seconds on the same clock. Everything here is immutable; inputs that
are written to the spool as commands, and all events, go through `notation`.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from transcriber.transcript import Times, Word

Reason = Literal["silence", "max_length", "finalize", "commit", "end"]
"""Why an utterance ended."""

Record = Literal["none", "text", "audio+text"]
"""What is kept of a session, from least to most."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a client asks of its session."""

    encoding: str | None = None
    """How samples are coded; None lets the bytes show their container."""
    sample_rate: int | None = None
    channels: int | None = None
    separate_channels: bool = False
    """Whether each channel is a track of its own."""
    language: str | None = None
    """ISO 639-1; None means: the engine's default, or detection where the model can."""
    prompt: str | None = None
    keywords: tuple[str, ...] = ()
    model: str | None = None
    translate: bool = False
    """Answer in English whatever is spoken."""
    interim_results: bool = False
    endpointing_ms: int = 600
    speech_threshold: float = 0.5
    record: Record = "audio+text"
    resume: bool = False

    def within(self, most: Record) -> "Options":
        """The same, but that no more than `most` is kept."""
        order: tuple[Record, ...] = get_args(Record)
        return replace(self, record=order[min(order.index(self.record), order.index(most))])


@dataclass(frozen=True, slots=True)
class Error:
    """What went wrong, for the client: `code` is stable, `message` says what to do about it."""

    code: str
    message: str
    field: str | None = None
    close_code: int | None = None
    """The WebSocket close code when the session can't go on; None when it can."""


# Inputs: what a session hears. Those with `at` are commands: written to the spool with their byte position.


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection begins the session's life; `status` is the first thing told."""

    status: "Status"


@dataclass(frozen=True, slots=True)
class Started:
    options: Options
    at: int = 0


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Speech probabilities and levels (dBFS) of successive frames of one track."""

    track: int
    first_sample: int
    values: tuple[float, ...]
    levels: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stalled:
    """No audio came for so long on the wall clock that the speaker must have paused."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Finalize:
    """The client wants what was said so far as a final, now."""

    reason: Literal["finalize", "commit"] = "finalize"
    at: int = 0


@dataclass(frozen=True, slots=True)
class Clear:
    """The client takes back what it sent and was not yet made final."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Options that change from here on, by name."""

    changes: dict[str, Any]
    at: int = 0


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Nothing that is said from here on may be kept, until `ResumeRecording`."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class ResumeRecording:
    at: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something that came was wrong; if it `loses_audio`, what comes from here on gets no text."""

    error: Error
    at: int = 0
    loses_audio: bool = False


@dataclass(frozen=True, slots=True)
class Damaged:
    """A stretch of audio is missing at `at`; up to `end`, with silence between, if it is known how long it is. That it
    is `disbelieved_seconds` long, as the stream says, is not believed."""

    at: int
    end: int | None = None
    disbelieved_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What an engine hears in an utterance. `words` is None where the engine gives no times."""

    utterance: int
    text: str
    words: tuple[Word, ...] | None
    final: bool
    language: str | None = None
    times: Times | None = None
    end: int | None = None  # Where the audio it was made from ends; of interest for partials.


@dataclass(frozen=True, slots=True)
class EngineFailed:
    utterance: int
    error: Error


@dataclass(frozen=True, slots=True)
class Stored:
    """The recorder has finished, or not in time: what `complete` says of it."""

    full_transcription: str | None
    storage: "Storage"
    received_bytes: int
    received_messages: int
    duration: float


@dataclass(frozen=True, slots=True)
class Draining:
    """The process is about to end."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """No audio comes any more: the client said so."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Disconnected:
    """No audio comes any more: the client is gone."""

    at: int = 0


Recording = PauseRecording | ResumeRecording
Command = Started | Stalled | Finalize | Clear | Reconfigure | Recording | Rejected | Draining | Ended | Disconnected
Input = Command | Opened | Probabilities | Damaged | Hypothesis | EngineFailed | Stored


# Effects: what a session orders.


@dataclass(frozen=True, slots=True)
class OpenUtterance:
    """Speech has begun at `start`; audio before `floor` belongs to the utterance before."""

    utterance: int
    track: int
    start: int
    floor: int


@dataclass(frozen=True, slots=True)
class CloseUtterance:
    """An utterance is whole: transcribe it. Audio from `ceiling` on belongs to the utterance after."""

    utterance: int
    track: int
    start: int
    end: int
    floor: int
    ceiling: int
    options: Options = Options()
    """Those that held where it begins."""


@dataclass(frozen=True, slots=True)
class DropUtterance:
    utterance: int


@dataclass(frozen=True, slots=True)
class Tell:
    event: "Event"


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str


Effect = OpenUtterance | CloseUtterance | DropUtterance | Tell | Close


# Events: what a client is told. All but Partial, Ack and Suspended are numbered and kept in the spool.


@dataclass(frozen=True, slots=True)
class Status:
    session_id: str
    started_at: str
    """UTC, ISO 8601."""
    engine: str
    model: str
    options: Options
    max_session_seconds: float
    version: str
    resume_token: str | None = None
    received_bytes: int = 0
    """What a client that came back need not send again."""
    owner: str = ""
    """Whose session it is; not told. Empty where there are no keys."""

    @property
    def shown(self) -> "Status":
        """What a client sees of it: a token is for those who asked to resume."""
        return self if self.options.resume else replace(self, resume_token=None)


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    turn: int
    channel: int
    start: float


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    turn: int
    channel: int
    end: float


@dataclass(frozen=True, slots=True)
class Partial:
    """The newest guess at an open utterance; the first `stable_words` words will not change."""

    utterance: int
    turn: int
    channel: int
    start: float
    end: float
    text: str
    stable_words: int


@dataclass(frozen=True, slots=True)
class Transcription:
    """The final text of one utterance."""

    utterance: int
    turn: int
    channel: int
    text: str
    start: float
    end: float
    reason: Reason
    ends_turn: bool
    language: str | None
    words: tuple[Word, ...]
    times: Times
    chunk_range: tuple[int, int] | None = None  # First and last message, from 1, that it comes from; the runner knows.
    heard_at: str | None = None
    """When it began on the wall clock, UTC, ISO 8601, if its audio came as it was spoken; the runner knows."""


@dataclass(frozen=True, slots=True)
class TranscriptionLate:
    """The text of an utterance that was told as failed before."""

    utterance: int
    turn: int
    channel: int
    text: str
    start: float
    end: float
    language: str | None
    words: tuple[Word, ...]
    times: Times


@dataclass(frozen=True, slots=True)
class Ack:
    """So many received bytes are safe in the store."""

    received_bytes: int


@dataclass(frozen=True, slots=True)
class RecordingPaused:
    """Nothing that is said from `at` on is kept."""

    at: float


@dataclass(frozen=True, slots=True)
class RecordingResumed:
    at: float


@dataclass(frozen=True, slots=True)
class Warned:
    """`at` and `end` say where in the audio, if it is about a place or a stretch; `cause` is the code of an error."""

    code: str
    message: str
    at: float | None = None
    end: float | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An error, told. With `utterance`: that stretch of speech has no text. With a close code: the last event."""

    error: Error
    utterance: int | None = None
    turn: int | None = None
    channel: int | None = None
    start: float | None = None
    end: float | None = None
    chunk_range: tuple[int, int] | None = None
    heard_at: str | None = None


@dataclass(frozen=True, slots=True)
class Suspended:
    """The connection ends, the session does not: it may be resumed."""

    resume_token: str
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Storage:
    """`state` is stored, pending, failed or none; `locations` names each kept file by kind."""

    state: Literal["stored", "pending", "failed", "none"]
    locations: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Complete:
    full_transcription: str | None
    """None when it is too long to travel: it is where `storage` says."""
    received_bytes: int
    total_chunks: int
    duration: float  # Seconds of audio,
    speech: float  # and of it in utterances.
    utterances: int
    storage: Storage


Event = (
    Status
    | SpeechStarted
    | SpeechStopped
    | Partial
    | Transcription
    | TranscriptionLate
    | Ack
    | RecordingPaused
    | RecordingResumed
    | Warned
    | Failed
    | Suspended
    | Complete
)
