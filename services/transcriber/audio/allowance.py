"""What one stream may cost. Few bytes may stand for much silence, but not for days of it."""

from dataclasses import dataclass

from transcriber.audio.decoder import DecodeError, unsupported
from transcriber.events import Error

_FREE_SECONDS = 600
_SECONDS_PER_BYTE = 1 / 16
"""Beyond the free ones. Speech at its most frugal has ten times as many bytes, and FLAC's silence as many."""
_FREE_CPU_SECONDS = 5
_CPU_PER_SECOND = 0.25
"""CPU seconds for a second of audio; what is usual is a hundredth of it."""
_CPU_PER_BYTE = 1e-7
"""For what lies beside the audio, such as pictures."""
_MAX_HEADER_BYTES = 32 << 20
"""How far into a stream its audio may begin."""


@dataclass(slots=True)
class Spent:
    """What a stream has cost before what is decoded now: files that follow each other have one allowance."""

    received_bytes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def check_cost(received_bytes: int, seconds: float, cpu_seconds: float = 0.0) -> None:
    """Goes by what a stream has cost so far.

    Raises:
        DecodeError: it was too much for what came of it.
    """
    if seconds == 0 and received_bytes > _MAX_HEADER_BYTES:
        raise unsupported(f"There is no audio within the first {_MAX_HEADER_BYTES >> 20} MiB.")
    too_long = seconds > _FREE_SECONDS + received_bytes * _SECONDS_PER_BYTE
    cpu_allowed = _FREE_CPU_SECONDS + seconds * _CPU_PER_SECOND + received_bytes * _CPU_PER_BYTE
    if too_long or cpu_seconds > cpu_allowed:
        message = "The audio takes more effort to decode than audio does; it may be damaged."
        raise DecodeError(Error("audio_too_expensive", message, close_code=1003))
