import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.native_server import ENGINE_FAILED, told
from transcriber.client import Complete, Event, Partial, Status
from transcriber.client.display import Display, cells, clock, fitting_tail, printable, status_line
from transcriber.client.events import parse


class Terminal(io.StringIO):
    """A terminal of one line at a time: what a user sees after each change of it."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """The lines as they are at the end, without colours."""
        lines = self.getvalue().split("\n")
        return [re.sub(r"\x1b\[\d?m", "", line.rsplit("\r\x1b[K", 1)[-1]) for line in lines]


def event(kind: str, **fields: Any) -> Event:
    return parse(json.dumps(told(kind, **fields)))


def partial(text: str, stable_words: int = 0, utterance: int = 1) -> Partial:
    made = event("partial", text=text, stable_words=stable_words, utterance=utterance)
    assert isinstance(made, Partial)
    return made


@pytest.fixture(autouse=True)
def _capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def test_where_channels_are_apart_a_final_says_whose_it_is() -> None:
    out = io.StringIO()
    display = Display(out, io.StringIO())
    status = event("status")
    assert isinstance(status, Status)
    display.show(replace(status, options={"separate_channels": True}))
    display.show(event("transcription", text="Hello.", channel=1))
    assert out.getvalue() == "Channel 2: Hello.\n"


def test_a_pipe_gets_finals_and_nothing_else() -> None:
    out, err = io.StringIO(), io.StringIO()
    display = Display(out, err)
    complete = event("complete")
    assert isinstance(complete, Complete)
    for shown in (
        *(event("status"), event("speech_started"), partial("hel"), event("transcription", text="Hello.")),
        *(
            event("speech_stopped"),
            event("transcription", text=" "),
            event("transcription", text="Über\nuns."),
            complete,
        ),
    ):
        display.show(shown)
        display.progress(0.5)
    display.close(complete)
    assert (out.getvalue(), err.getvalue()) == ("Hello.\nÜber uns.\n", "")


def test_json_is_a_message_a_line_as_received() -> None:
    out, err = io.StringIO(), io.StringIO()
    messages = [told("status"), told("partial", text="hé"), told("transcription"), told("error", fatal=True)]
    display = Display(out, err, as_json=True)
    for message in [*messages, {"type": "of_the_future", "x": [1]}]:
        display.show(parse(json.dumps(message)))
    lines = out.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [*messages, {"type": "of_the_future", "x": [1]}]
    assert '"text":"hé"' in lines[1]
    assert err.getvalue() == ""


def test_a_partial_is_replaced_by_the_next_and_then_by_the_final() -> None:
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.show(partial("print"))
    assert terminal.screen == ["print"]
    display.show(partial("Printing in"))
    assert terminal.screen == ["Printing in"]
    display.show(event("transcription", text="Printing, in", start=1.0, end=62.25))
    assert terminal.screen == ["[0:01.0 – 1:02.2] Printing, in", ""]


def test_a_partial_waits_for_its_final_while_the_next_is_spoken() -> None:
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.show(partial("one"))
    display.show(partial("two", utterance=2))
    assert terminal.screen == ["one two"]
    display.show(event("transcription", text="One."))
    assert terminal.screen == ["[0:00.0 – 0:01.0] One.", "two"]


def test_a_gap_ends_its_partial() -> None:
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.show(partial("one"))
    display.show(event("error", **ENGINE_FAILED, message="No engine."))
    assert terminal.screen == ["transcriber: engine_failed: 0:00.0 – 0:01.0 has no text: No engine.", ""]


def test_the_bar_stays_below_the_finals() -> None:
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.progress(0.25)
    display.show(event("transcription", text="Hello."))
    display.progress(0.5)
    assert terminal.screen == ["[0:00.0 – 0:01.0] Hello.", "██████████░░░░░░░░░░  50%"]
    display.close()
    assert terminal.screen == ["[0:00.0 – 0:01.0] Hello.", ""]


def test_with_text_in_a_pipe_the_bar_is_on_the_terminal() -> None:
    out, terminal = io.StringIO(), Terminal()
    display = Display(out, terminal)
    display.progress(2.0)
    display.show(event("transcription", text="Hello."))
    assert out.getvalue() == "Hello.\n"
    assert terminal.screen == ["████████████████████ 100%"]


def test_with_errors_in_a_file_partials_are_on_the_terminal() -> None:
    terminal, err = Terminal(), io.StringIO()
    Display(terminal, err).show(partial("hel"))
    assert (terminal.screen, err.getvalue()) == (["hel"], "")


def test_what_has_not_changed_is_not_drawn_again() -> None:
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.progress(0.501)
    before = terminal.getvalue()
    display.progress(0.502)
    assert terminal.getvalue() == before


def test_a_terminal_that_cannot_move_gets_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    display = Display(terminal, terminal)
    display.show(partial("hel"))
    display.progress(0.5)
    display.show(event("transcription", text="Hello."))
    assert terminal.getvalue() == "Hello.\n"


def test_warnings_and_errors_are_one_line_each_apart_from_the_text() -> None:
    out, err = io.StringIO(), io.StringIO()
    display = Display(out, err)
    display.show(event("warning", message="Look\nhere."))
    display.show(event("error", code="unknown_field"))
    display.show(event("error", fatal=True))  # raised by the session, and said by whoever catches it
    assert err.getvalue().splitlines() == [
        "transcriber: something_odd: Look here.",
        "transcriber: unknown_field: Declare it.",
    ]
    assert out.getvalue() == ""


def test_the_summary_says_where_things_lie() -> None:
    storage = {"state": "pending", "locations": {"audio": "/a.wav", "text": "/t.txt"}}
    complete = event("complete", storage=storage)
    assert isinstance(complete, Complete)
    out, err = io.StringIO(), io.StringIO()
    Display(out, err, summary=True).close(complete)
    assert err.getvalue().splitlines() == [
        *("2.0 s of audio, 1.0 s of speech", "storage: pending"),
        *("audio: /a.wav", "text: /t.txt"),
    ]


@pytest.mark.parametrize("width", [1, 2, 10, 25, 26, 27, 30, 80])
@pytest.mark.parametrize(
    "text", ["", "word " * 40, "日本語のテキスト" * 9, "e\u0301" * 90], ids=["empty", "words", "wide", "combining"]
)
@pytest.mark.parametrize("progress", [None, 0.0, 1.0])
def test_no_line_is_as_wide_as_the_terminal(width: int, text: str, progress: float | None) -> None:
    line = status_line(width, progress, [partial("before"), partial(text, stable_words=2)])
    assert cells(re.sub(r"\x1b\[\d?m", "", line)) < width or width == 1


def test_the_newest_words_are_those_that_are_shown() -> None:
    assert fitting_tail("one two three", 13) == "one two three"
    assert fitting_tail("one two three", 8) == "…o three"
    assert fitting_tail("日本語", 5) == "…本語"
    assert fitting_tail("日本語", 4) == "…語"
    assert fitting_tail("abc", 1) == "…"
    assert fitting_tail("abc", 0) == ""


def test_stable_words_stand_out() -> None:
    dim, plain = "\x1b[2m", "\x1b[0m"
    assert status_line(80, None, [partial("one two three", 2)]) == f"one two {dim}three{plain}"
    assert status_line(80, None, [partial("one two", 2)]) == f"one two{dim}{plain}"
    assert status_line(80, None, [partial("one"), partial("two", 0)]) == f"one {dim}two{plain}"
    assert status_line(9, None, [partial("one two three", 2)]) == f"…o {dim}three{plain}"


def test_no_text_moves_the_cursor_or_breaks_the_line() -> None:
    assert printable("a\x1b[2Jb\r\n\x9bc\u2028d\te") == "a [2Jb c d e"
    assert printable("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e", "joiners are part of words"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00.0"), (59.94, "0:59.9"), (59.96, "1:00.0"), (3600, "1:00:00.0"), (3725.5, "1:02:05.5"), (-1, "0:00.0")],
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_halves_of_characters_and_codes_that_move_the_cursor_are_not_written() -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    for as_json in (False, True):
        display = Display(out, err, as_json=as_json)
        display.show(event("transcription", text="half \ud800 of one"))
        display.complain("\x1b[2Jcode", "message")
    written = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
    assert written[0].startswith("half of one\n")
    assert "\x1b" not in "".join(written)
