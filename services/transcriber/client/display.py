"""What `transcriber stream` shows: finals as lines on standard output, what is under way in one line below them."""

import json
import os
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from transcriber.client.events import Complete, Event, Failed, Partial, Status, Transcription, TranscriptionLate, Warned

BAR_CELLS = 20
DEFAULT_WIDTH = 80

_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"
_CLEAR_LINE = "\r\x1b[K"
_UNPRINTABLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Unicode's categories of control characters, halves of characters, and ends of lines."""


class Display:
    """Writes events as text or as JSON, one a line. Anything that moves is only drawn on a terminal."""

    def __init__(self, out: TextIO, err: TextIO, *, as_json: bool = False, summary: bool | None = None) -> None:
        """`summary` ends with what was heard and stored, on `err`; by default, if that is a terminal."""
        self._out, self._err, self._as_json = out, err, as_json
        self._summary = _is_terminal(err) if summary is None else summary
        self._out_is_terminal = _is_terminal(out)
        self._moving = err if _is_terminal(err) else out if self._out_is_terminal and not as_json else None
        self._progress: float | None = None
        self._partials: dict[int, Partial] = {}
        self._drawn = ""
        self._separate = False
        """Whether channels are transcribed each by itself."""

    def show(self, event: Event) -> None:
        """Write what is final, and draw what is not.

        Raises:
            BrokenPipeError: nobody reads standard output any more.
        """
        if isinstance(event, Transcription | TranscriptionLate | Failed) and event.utterance is not None:
            self._partials.pop(event.utterance, None)
        if isinstance(event, Status):
            self._separate = bool(event.options.get("separate_channels"))
        if self._as_json:
            self._write_line(json.dumps(event.message, ensure_ascii=False, separators=(",", ":")))
        elif isinstance(event, Partial):
            self._partials[event.utterance] = event
        elif isinstance(event, Transcription | TranscriptionLate) and event.text.strip():
            self._write_line(final_line(event, with_times=self._out_is_terminal, with_speaker=self._separate))
        if isinstance(event, Warned):
            self.complain(event.code, event.text)
        elif isinstance(event, Failed) and not event.fatal:
            self.complain(event.code, _with_range(event))
        self._draw()

    def progress(self, fraction: float) -> None:
        """How much is done, from 0 to 1."""
        self._progress = min(max(fraction, 0.0), 1.0)
        self._draw()

    def complain(self, code: str, message: str) -> None:
        """One line for people and logs, whatever else is shown."""
        self.clear()
        print(printable(f"transcriber: {code}: {message}"), file=self._err, flush=True)

    def close(self, complete: Complete | None = None) -> None:
        """Take away what moves, and sum up."""
        self._progress = None
        self._partials.clear()
        self.clear()
        if complete is not None and self._summary:
            for line in closing_lines(complete):
                print(line, file=self._err, flush=True)

    def clear(self) -> None:
        if self._moving is not None and self._drawn:
            self._moving.write(_CLEAR_LINE)
            self._moving.flush()
            self._drawn = ""

    def _write_line(self, line: str) -> None:
        self.clear()
        self._out.write(line.encode(errors="replace").decode() + "\n")
        self._out.flush()

    def _draw(self) -> None:
        if self._moving is None:
            return
        line = status_line(_width(self._moving), self._progress, list(self._partials.values()))
        if line != self._drawn:
            self._moving.write(_CLEAR_LINE + line)
            self._moving.flush()
            self._drawn = line


def final_line(event: Transcription | TranscriptionLate, *, with_times: bool, with_speaker: bool) -> str:
    text = f"{f'Channel {event.channel + 1}: ' if with_speaker else ''}{printable(event.text)}"
    return f"[{clock(event.start)} – {clock(event.end)}] {text}" if with_times else text


def status_line(width: int, progress: float | None, partials: Sequence[Partial]) -> str:
    """Bar and the newest words in less than `width` cells, so that no terminal wraps it; stable words stand out.

    An utterance that is over waits for its final while the next one is spoken: there may be several partials.
    """
    bar = "" if progress is None else _bar(progress)
    if cells(bar) >= width:
        bar = ""
    if not partials:
        return bar
    separator = " " if bar else ""
    newest = printable(partials[-1].text).split(" ")
    stable = partials[-1].stable_words
    text = " ".join([*(printable(partial.text) for partial in partials[:-1]), *newest])
    unstable_length = len(" ".join(newest[stable:]))
    shown = fitting_tail(text, width - 1 - cells(bar) - len(separator))
    if not shown:
        return bar
    split = max(0, len(shown) - unstable_length)
    return f"{bar}{separator}{shown[:split]}{_DIM}{shown[split:]}{_PLAIN}"


def _bar(progress: float) -> str:
    filled = int(progress * BAR_CELLS)
    return f"{'█' * filled}{'░' * (BAR_CELLS - filled)} {int(progress * 100):3d}%"


def closing_lines(complete: Complete) -> list[str]:
    heard = f"{complete.duration_seconds:.1f} s of audio, {complete.speech_seconds:.1f} s of speech"
    state = [] if complete.storage.state == "stored" else [f"storage: {complete.storage.state}"]
    files = [f"{kind}: {location}" for kind, location in complete.storage.locations.items()]
    return [printable(line) for line in (heard, *state, *files)]


def _with_range(event: Failed) -> str:
    if event.start is None or event.end is None:
        return event.text
    return f"{clock(event.start)} – {clock(event.end)} has no text: {event.text}"


def clock(seconds: float) -> str:
    """`1:02:03.4`; hours only where there are some."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def printable(text: str) -> str:
    """One line of `text` without control characters: no server moves the cursor or ends the line."""
    kept = "".join(" " if unicodedata.category(character) in _UNPRINTABLE else character for character in text)
    return " ".join(kept.split())


def cells(text: str) -> int:
    """How many cells of a terminal `text` takes."""
    return sum(_character_cells(character) for character in text)


def fitting_tail(text: str, width: int) -> str:
    """The end of `text` that fits into `width` cells; an ellipsis stands for what went before it."""
    if cells(text) <= width:
        return text
    start, left = len(text), width - 1
    while start > 0 and (left := left - _character_cells(text[start - 1])) >= 0:
        start -= 1
    return "…" + text[start:] if width > 0 else ""


def _character_cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_WIDTH
    except (OSError, ValueError):
        return DEFAULT_WIDTH
