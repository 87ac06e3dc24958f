"""Clients on libraries that are not ours, in three languages, over TLS and with a key, on real speech."""

import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from tests import lj001
from tests.clients.conftest import KEY, Secure
from tests.clients.programs import OURS, PROGRAMS, Program
from tests.stage import silence

pytestmark = pytest.mark.timeout(90)

FIRST, SECOND = lj001.passages()[:2]
SPEECH = lj001.wav(0, SECOND.end)
PAUSED = lj001.wav(0, FIRST.end) + silence(1.5)
"""Long enough that the first utterance is over."""
WAV_HEADER_BYTES = 44
WORST_WER = 0.05
RUN_SECONDS = 60
ANSWER_SECONDS = 20
"""On a busy machine. It takes a second on a quiet one."""


class Run:
    """A program that runs."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def speak(self, audio: bytes) -> None:
        """With more to come."""
        assert self._process.stdin
        self._process.stdin.write(audio)
        self._process.stdin.flush()

    def line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().decode()

    def end(self, audio: bytes) -> tuple[int, str, str]:
        """With the last of the audio. Exit code, and what is left of standard output and error."""
        output, errors = self._process.communicate(audio, timeout=RUN_SECONDS)
        return self._process.returncode, output.decode(), errors.decode()

    def ended(self) -> tuple[int, str]:
        """By itself, while there is more to come. Exit code, and what is left of standard output."""
        assert self._process.stdout
        return self._process.wait(ANSWER_SECONDS), self._process.stdout.read().decode()


@contextmanager
def running(program: Program, service: Secure, key: str = KEY) -> Generator[Run]:
    """Ended behind it, whatever happens."""
    process = program.start(service.url, key, service.authority)
    stop = threading.Timer(RUN_SECONDS, process.kill)
    stop.start()
    try:
        yield Run(process)
    finally:
        stop.cancel()
        process.kill()
        process.communicate()


def heard(program: Program, service: Secure, audio: bytes, key: str = KEY) -> tuple[int, str, str]:
    """Exit code, standard output and error of one run over all of the audio at once."""
    with running(program, service, key) as run:
        return run.end(audio)


def words(text: str) -> set[str]:
    return set(EnglishTextNormalizer()(text).split())


def test_hears_what_was_said_and_what_our_client_hears(program: Program, secure: Secure) -> None:
    code, text, errors = heard(program, secure, SPEECH)
    assert (code, errors) == (0, "")
    assert text == heard(OURS, secure, SPEECH)[1]
    normalize = EnglishTextNormalizer()
    said = normalize(f"{FIRST.text} {SECOND.text}")
    assert jiwer.wer(said, normalize(text.replace("\n", " "))) <= WORST_WER


def test_text_comes_while_there_is_more_to_send(program: Program, secure: Secure) -> None:
    with running(program, secure) as run:
        run.speak(PAUSED)
        assert words(run.line()) & words(FIRST.text)
        code, later, errors = run.end(lj001.wav(SECOND.start, SECOND.end)[WAV_HEADER_BYTES:])
        assert (code, errors) == (0, "")
        assert words(later) & words(SECOND.text)


def test_a_wrong_key_is_told(program: Program, secure: Secure) -> None:
    code, text, errors = heard(program, secure, SPEECH, "trk_wrong")
    assert (code, text) == (1, "")
    assert ("401" in errors) == program.sees_refusals
    assert errors != ""


def test_audio_that_is_none_is_told(program: Program, secure: Secure) -> None:
    code, text, errors = heard(program, secure, b"no audio at all " * 1024)
    assert (code, text) == (1, "")
    assert "unsupported_audio" in errors


def test_a_service_that_dies_is_told_though_the_microphone_goes_on(program: Program, mortal: Secure) -> None:
    with running(program, mortal) as run:
        run.speak(PAUSED)
        assert run.line()
        mortal.process.send_signal(signal.SIGKILL)
        assert run.ended()[0] == 1


def test_a_service_that_stops_says_all_that_it_has_heard(program: Program, mortal: Secure) -> None:
    with running(program, mortal) as run:
        run.speak(SPEECH)
        early = run.line()
        mortal.process.send_signal(signal.SIGTERM)
        code, later = run.ended()
        assert code == 0
        assert words(early + later) >= words(SECOND.text)


def test_every_example_is_tried() -> None:
    examples = Path(__file__).parents[2] / "examples"
    folders = {path.name for path in examples.iterdir() if path.is_dir()}
    assert {f"example-{name}" for name in folders} <= set(PROGRAMS)
