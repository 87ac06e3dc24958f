"""What models cost."""

import pytest

from transcriber.prices import dollars


@pytest.mark.parametrize(
    ("engine", "model", "seconds", "expected"),
    [
        ("openai", "gpt-transcribe", 60, 0.0045),
        ("openai", "whisper-1", 90, 0.009),
        ("openai", "gpt-4o-mini-transcribe-2025-12-15", 60, 0.003),
        ("openai", "gpt-4o-transcribe-diarize", 60, 0.006),
        ("openai", "somebodys-own", 60, None),
        ("openai", "whisper-10", 60, None),
        ("local", "tiny.en", 60, 0.0),
        ("openai", "gpt-transcribe", 0, 0.0),
    ],
)
def test_audio_has_its_price(engine: str, model: str, seconds: float, expected: float | None) -> None:
    assert dollars(engine, model, seconds) == expected
