"""`transcriber stream`: audio from a file, a pipe or the microphone to a server, its text to standard output."""

import argparse
import asyncio
import contextlib
import io
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, TextIO

from transcriber.client.display import Display
from transcriber.client.errors import ConnectionFailed, ConnectionLost, Refused, SessionFailed, TranscriberError
from transcriber.client.events import (
    Complete,
    Event,
    Failed,
    Partial,
    Transcription,
    TranscriptionLate,
)
from transcriber.client.session import OptionValue, Session, connect
from transcriber.client.sources import Source, SourceError, open_source, paced

COMPLETE, GAPS, USAGE, REFUSED, DISCONNECTED, INTERRUPTED, OUTPUT_CLOSED = 0, 1, 2, 3, 4, 130, 141

GATEWAY_FAILURES = frozenset({500, 502, 504})
"""HTTP statuses with which something answers for a service that can't; 503 is its own word for having no room."""
INTERNAL_ERROR = 1011
"""The close code (RFC 6455, section 7.4.1) of a service that broke."""

API_KEY_VARIABLE = "TRANSCRIBER_API_KEY"
URL_VARIABLE = "TRANSCRIBER_URL"
DEFAULT_URL = "ws://127.0.0.1:8080/ws"

RECORD = ("none", "text", "audio+text")
"""What a server may be asked to keep, from least to most."""

EXIT_CODES = """\
exit codes:
  0    complete
  1    complete, but some speech has no text (engine_failed)
  2    wrong usage, or the audio cannot be read
  3    refused by the server: credentials, limits, options, unsupported audio
  4    the connection could not be made, or was lost, or the service broke
  130  interrupted; the first Ctrl-C ends the audio and waits for the rest of the text (and 0 is the exit code of
       mic, which ends no other way), the second quits
  141  nobody reads the output any more
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything `run` reads."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"{EXIT_CODES}\nenvironment:\n  {API_KEY_VARIABLE}  the key to show to the server\n"
    parser.epilog += f"  {URL_VARIABLE}      what --url is where it is not given"
    parser.add_argument("audio", metavar="FILE|-|mic", help="audio file, - for standard input, or the microphone")
    parser.add_argument("--url", help=f"address of the service, or of its WebSocket ({DEFAULT_URL})")
    parser.add_argument("--api-key", metavar="KEY", help=f"the key to show to the server; {API_KEY_VARIABLE} hides it")
    parser.add_argument("--realtime", action="store_true", help="send as fast as it was spoken, not as fast as it goes")
    parser.add_argument("--bitrate", type=positive, metavar="BITS", help="bits a second, where the audio doesn't say")
    parser.add_argument("--interim", action="store_true", help="show text while it is spoken")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="a final or an event per line")
    speech = parser.add_argument_group("speech")
    speech.add_argument("--language", help="ISO 639-1 code, such as en")
    speech.add_argument("--translate", action="store_true", help="write English whatever is spoken")
    speech.add_argument("--prompt", help="text that comes before, for names and style")
    speech.add_argument("--keywords", type=comma_separated, metavar="A,B", help="words to expect")
    speech.add_argument("--model", help="a model that the server has")
    speech.add_argument("--endpointing-ms", type=positive, metavar="MS", help="the pause that ends an utterance")
    speech.add_argument("--separate-channels", action="store_true", help="transcribe each channel by itself")
    keeping = speech.add_mutually_exclusive_group()
    keeping.add_argument("--record", choices=RECORD, help="what the server is to keep, at most what it is set to")
    keeping.add_argument("--no-record", dest="record", action="store_const", const="none", help="the same as none")
    add_raw_samples(parser)


def add_raw_samples(parser: argparse.ArgumentParser) -> None:
    raw = parser.add_argument_group("raw samples, which don't say what they are")
    raw.add_argument("--encoding", help="pcm_s16le, mulaw, alaw or another that the server knows")
    raw.add_argument("--sample-rate", type=positive, metavar="HZ")
    raw.add_argument("--channels", type=positive, metavar="N")


def positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return value


def comma_separated(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


async def run(arguments: argparse.Namespace) -> int:
    """The whole command; its exit code is one of EXIT_CODES."""
    use_utf8()
    display = Display(sys.stdout, sys.stderr, as_json=arguments.format == "json")
    return await transcribe(arguments, display)


async def transcribe(arguments: argparse.Namespace, display: Display) -> int:
    """Stream what `arguments` say; what goes wrong on the way is told through `display` and as an exit code."""
    interrupts = _Interrupts()
    try:
        with interrupts.caught():
            return await _stream(arguments, display, interrupts)
    except (SourceError, TranscriberError) as failure:
        display.complain(failure.code, _in_words(failure))
        return _exit_code(failure)
    except BrokenPipeError:
        discard(sys.stdout)
        return OUTPUT_CLOSED
    except asyncio.CancelledError:
        if not interrupts.quitting:
            raise
        return INTERRUPTED
    finally:
        display.close()


async def _stream(arguments: argparse.Namespace, display: Display, interrupts: "_Interrupts") -> int:
    source = await open_source(arguments.audio, _declared(arguments))
    chunks = _in_time(source, arguments)
    progress = _Progress(source, display, realtime=arguments.realtime)
    options = {**_options(arguments), **source.declares}
    api_key = arguments.api_key or os.environ.get(API_KEY_VARIABLE)
    complete, gaps = None, set[int]()
    url = arguments.url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
    async with connect(url, api_key=api_key, open_timeout_seconds=10, **options) as session:
        interrupts.session_begun = True
        sending = asyncio.create_task(_send(session, chunks, interrupts.stop, progress.sent))
        try:
            async for event in session:
                display.show(event)
                progress.heard(event)
                _note_gap(event, gaps)
                complete = event if isinstance(event, Complete) else None
        finally:
            unreadable = await _ended(sending)
    if unreadable is not None:
        raise unreadable
    if complete is None:
        raise ConnectionLost("suspended", "the server suspended the session before it was complete")
    display.close(complete)
    if interrupts.stop.is_set() and not source.live:
        return INTERRUPTED
    return GAPS if gaps else COMPLETE


async def _send(
    session: Session, chunks: AsyncIterator[bytes], stop: asyncio.Event, sent: Callable[[int], None]
) -> None:
    """Send it all, or until `stop`, and that it is all.

    Raises:
        SourceError: the audio broke off; what was there is sent.
    """

    async def send_chunks() -> None:
        async for chunk in chunks:
            await session.send(chunk)
            sent(len(chunk))

    sending, stopping = asyncio.create_task(send_chunks()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _ended(stopping)
        failure = await _ended(sending)
    with contextlib.suppress(TranscriberError):  # whoever reads the events learns it too
        await session.finish()
        if failure is not None:
            raise failure


async def _ended(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel `task` if it still runs; what it failed with, if it did."""
    task.cancel()
    await asyncio.wait([task])
    return None if task.cancelled() else task.exception()


def _note_gap(event: Event, gaps: set[int]) -> None:
    """Keep `gaps` the utterances that have no text."""
    if isinstance(event, Failed) and event.utterance is not None:
        gaps.add(event.utterance)
    elif isinstance(event, TranscriptionLate):
        gaps.discard(event.utterance)


class _Progress:
    """How far it has come: by the audio sent in real time, else by the time that the text has reached."""

    def __init__(self, source: Source, display: Display, *, realtime: bool) -> None:
        self._display = display
        self._total_bytes = source.total_bytes
        self._duration_seconds = None if realtime else source.duration_seconds
        self._sent_bytes = 0

    def sent(self, size: int) -> None:
        self._sent_bytes += size
        if self._total_bytes and self._duration_seconds is None:
            self._display.progress(self._sent_bytes / self._total_bytes)

    def heard(self, event: Event) -> None:
        if self._duration_seconds and isinstance(event, Partial | Transcription):
            self._display.progress(event.end / self._duration_seconds)


class _Interrupts:
    """Ctrl-C. The first ends the audio, if there is a session whose text is worth waiting for; another one quits."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.session_begun = False
        self.quitting = False

    @contextlib.contextmanager
    def caught(self) -> Generator[None, None, None]:
        """Have the signal come here, not to asyncio, which would cancel at once."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGINT)

        def interrupted() -> None:
            if self.session_begun and not self.stop.is_set():
                self.stop.set()
            elif task is not None:
                self.quitting = True
                task.cancel()

        try:
            loop.add_signal_handler(signal.SIGINT, interrupted)
        except (NotImplementedError, RuntimeError, ValueError):  # Windows; not the main thread
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, before)


def _declared(arguments: argparse.Namespace) -> Mapping[str, OptionValue]:
    return {name: getattr(arguments, name) for name in ("encoding", "sample_rate", "channels")}


def _options(arguments: argparse.Namespace) -> Mapping[str, OptionValue]:
    """The options of the session; None leaves a choice to the server."""
    return {
        "language": arguments.language,
        "translate": arguments.translate or None,
        "prompt": arguments.prompt,
        "keywords": arguments.keywords,
        "model": arguments.model,
        "interim_results": arguments.interim or None,
        "endpointing_ms": arguments.endpointing_ms,
        "separate_channels": arguments.separate_channels or None,
        "record": arguments.record,
    }


def _in_time(source: Source, arguments: argparse.Namespace) -> AsyncIterator[bytes]:
    if not arguments.realtime or source.live:
        return source.chunks
    bytes_per_second = arguments.bitrate / 8 if arguments.bitrate else source.bytes_per_second
    if bytes_per_second is None:
        raise SourceError(
            "unknown_speed",
            "--realtime can't tell how fast this audio was spoken: give --bitrate, or for raw samples --encoding and"
            " --sample-rate",
        )
    return paced(source.chunks, bytes_per_second)


def _exit_code(failure: SourceError | TranscriberError) -> int:
    if isinstance(failure, SourceError) or failure.code == "invalid_url":
        return USAGE
    broken = isinstance(failure, ConnectionFailed | ConnectionLost)
    broken |= isinstance(failure, Refused) and failure.status in GATEWAY_FAILURES
    broken |= isinstance(failure, SessionFailed) and failure.close_code == INTERNAL_ERROR
    return DISCONNECTED if broken else REFUSED


def _in_words(failure: SourceError | TranscriberError) -> str:
    if isinstance(failure, SourceError):
        return str(failure)
    return failure.message if failure.field is None else f"{failure.message} (field: {failure.field})"


def use_utf8() -> None:
    """Standard output and error in UTF-8, whatever the locale says."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")


def discard(stream: TextIO) -> None:
    """Let what is left in the buffer of a closed pipe go nowhere: the interpreter flushes it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
