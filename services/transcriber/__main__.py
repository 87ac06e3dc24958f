"""The `transcriber` command and its sub-commands."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any

import transcriber
from transcriber import keys_command
from transcriber.client import demo, stream, transcribe
from transcriber.client.errors import ConnectionFailed
from transcriber.client.jobs import Service

_EXIT_USAGE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one sub-command; its exit code."""
    parser = argparse.ArgumentParser(prog="transcriber", description="Real-time transcription.")
    parser.add_argument("--version", action="version", version=transcriber.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the service; settings come from the environment and .env")
    serve.set_defaults(run=_serve)
    doctor = commands.add_parser("doctor", help="say which engine, model, store and limits would be used")
    doctor.set_defaults(run=_doctor)
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    keys_command.add_arguments(keys)
    keys.set_defaults(run=_keys)
    streaming = commands.add_parser("stream", help="send a file, standard input or the microphone, and show the text")
    stream.add_arguments(streaming)
    streaming.set_defaults(run=_run_client(stream.run))
    transcribing = commands.add_parser("transcribe", help="turn files into transcripts or subtitles")
    transcribe.add_arguments(transcribing)
    transcribing.set_defaults(run=_transcribe)
    showing = commands.add_parser("demo", help="start a service of its own, and show it at work on bundled speech")
    demo.add_arguments(showing)
    showing.set_defaults(run=_run_client(demo.run))
    parsed = parser.parse_args(arguments)
    return parsed.run(parsed)


def _run_client(
    command: Callable[[argparse.Namespace], Coroutine[Any, Any, int]],
) -> Callable[[argparse.Namespace], int]:
    return lambda arguments: asyncio.run(command(arguments))


def _transcribe(arguments: argparse.Namespace) -> int:
    _limit_threads()
    try:
        return asyncio.run(transcribe.run(arguments, _in_process))
    except KeyboardInterrupt:
        return transcribe.INTERRUPTED


def _in_process(at_once: int, begun: Collection[str]) -> AbstractAsyncContextManager[Service]:
    try:
        from transcriber.offline import in_process
    except ImportError as missing:
        message = f"{missing.name} is not installed: give --url, or install transcriber[server,local]"
        raise ConnectionFailed("no_engine", message) from None
    # Standard error is for whoever runs the command.
    logging.getLogger("transcriber").setLevel(logging.ERROR)
    return in_process(at_once, begun)


def _limit_threads() -> None:
    """Many small products run side by side here; BLAS threads would only spin. Read when numpy is first imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


def _complain(problem: str) -> int:
    sys.stderr.write(f"transcriber: {problem}\n")
    return _EXIT_USAGE


@contextlib.contextmanager
def _ended_by_interrupts() -> Generator[None]:
    """Ctrl-C ends the process, without Python's traceback, until something else takes care of it."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, before)


@_ended_by_interrupts()
def _serve(arguments: argparse.Namespace) -> int:
    # While the service is being loaded: the first process of a container gets no signal that it has no handler for.
    signal.signal(signal.SIGTERM, _end)
    _limit_threads()
    from transcriber import logs, server
    from transcriber.app import create_app, make_shutdown, transport_limits
    from transcriber.entrance import make_certificate
    from transcriber.settings import Settings, SettingsError
    from transcriber.tls import CertificateError

    try:
        settings = Settings.from_environment()
        logs.set_up(settings.log_format, settings.log_level)
        new_loop = _loop_factory(settings.event_loop)
        certificate = make_certificate(settings)
        listener = server.bind(settings.host, settings.port)
    except SettingsError as wrong:
        return _complain("wrong settings:\n  " + "\n  ".join(wrong.problems))
    except CertificateError as unusable:
        return _complain(str(unusable))
    except server.BindError as taken:
        return _complain(f"{taken} (HOST, PORT)")
    app, limits, shutdown = create_app(settings), transport_limits(settings), make_shutdown(settings)
    serving = server.run(app, listener, limits, shutdown, spools=settings.max_jobs, certificate=certificate)
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serving)
        server.leave_at_once(runner.get_loop())
    server.leave_undisturbed()
    return 0


def _loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop of EVENT_LOOP; None is asyncio's own. Raises SettingsError."""
    if name == "asyncio":
        return None
    try:
        import uvloop
    except ImportError:
        if name == "uvloop":
            from transcriber.settings import SettingsError

            raise SettingsError(["EVENT_LOOP: uvloop is not installed"]) from None
        return None
    return uvloop.new_event_loop


def _keys(arguments: argparse.Namespace) -> int:
    from transcriber.settings import Settings, SettingsError

    if arguments.file:
        return keys_command.run(arguments, None)
    try:
        settings = Settings.from_environment()
    except SettingsError as wrong:
        return _complain("wrong settings:\n  " + "\n  ".join(wrong.problems))
    return keys_command.run(arguments, settings.api_keys_file)


def _doctor(arguments: argparse.Namespace) -> int:
    _limit_threads()
    from transcriber.doctor import report
    from transcriber.settings import Settings, SettingsError

    try:
        settings = Settings.from_environment()
    except SettingsError as wrong:
        return _complain("wrong settings:\n  " + "\n  ".join(wrong.problems))
    lines, healthy = report(settings)
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
