"""Fuzz targets for what comes from other programs: answers of engines, settings, spools left behind."""

import json
import math
import tempfile
from dataclasses import fields
from pathlib import Path

from tests.fuzz.structures import json_lines
from tests.fuzz.target import Target, joined, numbered
from transcriber.engines import openai_answers
from transcriber.engines.openai_api import retry_after_seconds
from transcriber.events import Ended, Finalize, Options, SpeechStarted, Started, Status, Transcription
from transcriber.settings import Settings, SettingsError
from transcriber.spool import Spool, SpoolDamaged
from transcriber.transcript import Word

_SECONDS = 4.0


def check_transcription(data: bytes) -> None:
    """An answer of the transcription API is refused, or its words are those of the text and lie in the audio."""
    for language in (None, "en", "ja"):
        try:
            heard = openai_answers.read(data, seconds=_SECONDS, language=language)
        except ValueError:
            return
        assert heard.text == heard.text.strip()
        moments = [moment for word in heard.words or () for moment in (word.start, word.end)]
        assert moments == sorted(moments)
        assert all(0 <= moment <= _SECONDS for moment in moments)
        heard.text.encode()


def _transcriptions() -> dict[str, bytes]:
    words = [{"word": word, "start": at, "end": at + 0.5} for at, word in enumerate(("Hello", "again"))]
    segment = {"text": "Hello, again.", "start": 0.0, "end": 2.0, "no_speech_prob": 0.1, "compression_ratio": 1.1}
    doubted = segment | {"avg_logprob": -2.0, "no_speech_prob": 0.9, "text": "Thank you."}
    token = {"token": "Hello", "logprob": -0.1, "bytes": [72]}
    answers = (
        {"text": "Hello, again."},
        {"text": "Hello, again.", "language": "english", "words": words, "segments": [segment, doubted]},
        {"text": "Hello, again.", "logprobs": [token] * 3, "languages": [{"code": "en"}]},
        {"text": "again and again " * 12},
        {"text": "おはよう", "words": [{"word": "おは", "start": 0, "end": 1}, {"word": "よう", "start": 1, "end": 2}]},
    )
    return numbered([json.dumps(answer).encode() for answer in answers])


def check_retry_after(data: bytes) -> None:
    """Two headers come to a number of seconds."""
    seconds, _, milliseconds = data.decode("latin1").partition("\n")
    asked = retry_after_seconds({"retry-after": seconds, "retry-after-ms": milliseconds})
    assert asked >= 0
    assert math.isfinite(asked)


def _retry_after() -> dict[str, bytes]:
    return numbered([b"3", b"1.5\n250", b"Wed, 21 Oct 2099 07:28:00 GMT", b"21 Oct 99 07:28 +9999\n1e3", b"nan\ninf"])


_NAMES = [known.name.upper() for known in fields(Settings)]
_PLANTED = "planted"
"""Part of many values, and of no message."""


def check_settings(data: bytes) -> None:
    """An environment is taken, or every mistake in it named without its value."""
    pairs = [line.partition("=") for line in data.decode("utf-8", "surrogateescape").split("\n")]
    environment = {name: value for name, _, value in pairs if name}
    try:
        settings = Settings.from_environment(environment)
    except SettingsError as wrong:
        problems = wrong.problems
        assert all(problem.split(":")[0] in _NAMES for problem in problems)
        assert not any(_PLANTED in problem for problem in problems)
    else:
        assert settings.engine_name in ("openai", "local")
        for known in fields(Settings):
            if limits := known.metadata["limits"]:
                assert limits["minimum"] <= getattr(settings, known.name) <= limits["maximum"]


def _settings() -> dict[str, bytes]:
    defaults = [f"{known.name.upper()}={known.default}" for known in fields(Settings) if known.default]
    return numbered([joined(*defaults), joined("ENGINE=openai", f"OPENAI_API_KEY={_PLANTED}", f"PORT={_PLANTED}")])


def check_spool(data: bytes) -> None:
    """Lines left by another process are read, or the spool is said to be damaged; then it can be gone on with."""
    lines = data.splitlines(keepends=True)
    commands = [line for line in lines if b'"byte"' in line]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "audio-000000000000000").write_bytes(bytes(4096))
        (Path(folder) / "commands").write_bytes(b"".join(commands))
        (Path(folder) / "events").write_bytes(b"".join(line for line in lines if line not in commands))
        try:
            spool = Spool(Path(folder), limit_bytes=1 << 20)
        except SpoolDamaged:
            return
        try:
            _read(spool)
        except SpoolDamaged:
            return
        finally:
            spool.close()


def _read(spool: Spool) -> None:
    heard = 0
    inputs, events = spool.inputs(), spool.events()
    while (piece := inputs.next(1000)) is not None:
        heard += len(piece) if isinstance(piece, bytes) else 0
    assert heard == spool.received_bytes
    while events.next() is not None:
        pass
    spool.append_command(Ended())
    assert inputs.next(1000) == Ended()
    number = spool.append_event(SpeechStarted(1, 0, 0.0))
    assert events.next() == (number, SpeechStarted(1, 0, 0.0))


def _spools() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), limit_bytes=1 << 20)
        spool.append_command(Started(Options(language="de", keywords=("a", "b"))))
        spool.append_event(Status("id", "2026-01-02T03:04:05Z", "local", "tiny", Options(), 60.0, "1"))
        for size in (320, 320, 640):
            spool.append_audio(bytes(size))
        spool.append_command(Finalize())
        words = (Word("Hello", 0.0, 0.5, 0.9),)
        spool.append_event(Transcription(1, 1, 0, "Hello", 0.0, 0.5, "silence", True, "en", words, "model", (1, 3)))
        spool.append_command(Ended())
        spool.close()
        logs = [(Path(folder) / name).read_bytes() for name in ("commands", "events")]
    return {"whole": b"".join(logs), "torn": b"".join(logs)[:-20]}


TARGETS = (
    Target("engine answers", check_transcription, _transcriptions, json_lines, max_bytes=16 << 10),
    Target("Retry-After", check_retry_after, _retry_after, max_bytes=200),
    Target("settings", check_settings, _settings),
    Target("spool", check_spool, _spools, json_lines),
)
