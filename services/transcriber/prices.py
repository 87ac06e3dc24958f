"""What models cost, as OpenAI's price list had it; a list, not an offer."""

PRICED_ON = "2026-11-25"
"""The day on which the prices were looked up."""

DOLLARS_PER_MINUTE = {
    "gpt-transcribe": 0.0045,
    "gpt-4o-transcribe": 0.006,
    "gpt-4o-transcribe-diarize": 0.006,
    "gpt-4o-mini-transcribe": 0.003,
    "whisper-1": 0.006,
}
"""Of audio sent, by model. Dated versions of a model cost what it does."""


def dollars(engine: str, model: str, upstream_seconds: float) -> float | None:
    """What it cost to have so much audio transcribed; None where nobody knows."""
    if engine != "openai":
        return 0.0
    known = [name for name in DOLLARS_PER_MINUTE if model == name or model.startswith(f"{name}-20")]
    if not known:
        return None
    return round(DOLLARS_PER_MINUTE[max(known, key=len)] * upstream_seconds / 60, 6)
