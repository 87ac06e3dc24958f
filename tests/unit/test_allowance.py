"""What is too much."""

import pytest

from transcriber.audio.allowance import check_cost
from transcriber.audio.decoder import DecodeError


@pytest.mark.parametrize(
    ("received_bytes", "seconds", "cpu_seconds"),
    [(0, 0, 0), (100, 500, 1), (16_000, 1_500, 2), (3_000_000, 3_600, 60), (1 << 30, 3_600, 100), (32 << 20, 0, 1)],
)
def test_audio_is_allowed(received_bytes: int, seconds: float, cpu_seconds: float) -> None:
    check_cost(received_bytes, seconds, cpu_seconds)


@pytest.mark.parametrize(
    ("received_bytes", "seconds", "cpu_seconds"), [(1_000, 700, 0), (16_000, 86_400, 0), (100, 1, 6), (1 << 20, 0, 6)]
)
def test_bombs_are_not(received_bytes: int, seconds: float, cpu_seconds: float) -> None:
    with pytest.raises(DecodeError) as caught:
        check_cost(received_bytes, seconds, cpu_seconds)
    assert (caught.value.error.code, caught.value.error.close_code) == ("audio_too_expensive", 1003)


def test_a_header_ends_somewhere() -> None:
    with pytest.raises(DecodeError, match="no audio within the first 32 MiB"):
        check_cost((32 << 20) + 1, 0)
