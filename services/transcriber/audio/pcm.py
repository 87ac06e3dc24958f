"""The one inner form of audio: 16 kHz float32 samples in [-1, 1], and how long things are in it."""

SAMPLE_RATE = 16_000
"""Hz, of every track after decoding."""

FRAME_SAMPLES = 512
"""The detector's window: 32 ms."""

FRAME_MS = FRAME_SAMPLES * 1000 // SAMPLE_RATE

SILENCE_DBFS = -100.0
"""The level given to audio without any energy."""


def seconds(samples: int) -> float:
    """Length of `samples` in seconds, to the millisecond."""
    return round(samples / SAMPLE_RATE, 3)


def samples_of_ms(milliseconds: float) -> int:
    """Samples in `milliseconds`, rounded down."""
    return int(milliseconds * SAMPLE_RATE / 1000)


def frames_of_ms(milliseconds: float) -> int:
    """Whole frames that last at least `milliseconds`."""
    return -(-int(milliseconds) // FRAME_MS)
