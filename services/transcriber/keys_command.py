"""`transcriber keys`: makes, lists and revokes API keys in a file that a running service reads again by itself."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from transcriber.api_keys import LIMITS, ApiKey, KeyLimits, KeysError, limits_to_json, new_key, read_limits
from transcriber.bounds import RECORDS
from transcriber.key_ring import changing, read, write

OK, FAILED, USAGE = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything `run` reads."""
    commands = parser.add_subparsers(dest="keys_command", required=True, metavar="COMMAND")
    making = commands.add_parser("new", help="make a key, and say it once")
    making.add_argument("name", help="whose it is: a-z, 0-9, '.', '_', '-'")
    making.add_argument("--another", action="store_true", help="one more for who has one, with the same limits")
    _add_limits(making)
    listing = commands.add_parser("list", help="names, ids and limits")
    revoking = commands.add_parser("revoke", help="take keys away; sessions that go on with them end")
    revoking.add_argument("name", help="all keys of this name, or the one with this id")
    revoking.add_argument("--older", action="store_true", help="all but the newest of this name")
    for command in (making, listing, revoking):
        command.add_argument("--file", type=Path, help="the file of keys (API_KEYS_FILE)")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = parser.add_argument_group("limits")
    limits.add_argument("--sessions", type=int, metavar="N", help="sessions at once")
    limits.add_argument("--sessions-per-minute", type=int, metavar="N")
    limits.add_argument("--audio-seconds-per-day", type=float, metavar="SECONDS", help="a day of UTC")
    limits.add_argument("--session-seconds", type=float, metavar="SECONDS", help="the longest session")
    limits.add_argument("--models", type=_listed, metavar="A,B", help="models that may be asked for")
    limits.add_argument("--languages", type=_listed, metavar="A,B", help="languages that may be asked for")
    limits.add_argument("--record", choices=RECORDS, help="the most that may be kept")
    limits.add_argument("--metrics", action="store_true", default=None, help="may read /metrics")


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def run(arguments: argparse.Namespace, file: Path | None) -> int:
    """The whole command; `file` is the setting's."""
    commands: dict[str, Callable[[argparse.Namespace, Path | None], int]] = {
        "new": _new,
        "list": _list,
        "revoke": _revoke,
    }
    try:
        return commands[arguments.keys_command](arguments, arguments.file or file)
    except KeysError as wrong:
        return _fail(str(wrong))
    except OSError as problem:
        return _fail(f"{problem.filename} can't be written: {problem.strerror}")


def _new(arguments: argparse.Namespace, file: Path | None) -> int:
    with changing(file) if file else contextlib.nullcontext():
        return _made(arguments, file)


def _made(arguments: argparse.Namespace, file: Path | None) -> int:
    given = {name: value for name in LIMITS if (value := getattr(arguments, name)) is not None}
    keys = _read(file)
    theirs = [key for key in keys if key.name == arguments.name]
    if theirs and not arguments.another:
        return _fail(f"{arguments.name} has a key: --another makes one more, which may then replace it", USAGE)
    limits = theirs[-1].limits if theirs and not given else read_limits(given)
    text, key = new_key(arguments.name, limits)
    if file:
        write(file, [*keys, key])
        _say(f"Key {key.id} of {key.name} is in {file}. This is the only time that it is shown:")
    else:
        _say(f"API_KEYS_FILE is not set. Put this into the list that API_KEYS is:\n{json.dumps(key.to_json())}")
        _say("This is the only time that the key is shown:")
    sys.stdout.write(f"{text}\n")
    return OK


def _list(arguments: argparse.Namespace, file: Path | None) -> int:
    for key in _read(_needed(file)):
        sys.stdout.write(f"{key.id}  {key.created or '-':25}  {key.name}  {_in_words(key.limits)}".rstrip() + "\n")
    return OK


def _revoke(arguments: argparse.Namespace, file: Path | None) -> int:
    file = _needed(file)
    if not file.exists():
        return _fail(f"there is no key of this name or id: {arguments.name}")
    with changing(file):
        keys = _read(file)
        named = [key for key in keys if arguments.name in (key.name, key.id)]
        gone = named[:-1] if arguments.older else named
        if not named:
            return _fail(f"there is no key of this name or id: {arguments.name}")
        if not gone:
            return _fail(f"{arguments.name} has one key, and so no older one")
        write(file, [key for key in keys if key not in gone])
    for key in gone:
        sys.stdout.write(f"revoked {key.id} of {key.name}\n")
    return OK


def _needed(file: Path | None) -> Path:
    if file is None:
        raise KeysError("say which file: --file, or API_KEYS_FILE")
    return file


def _read(file: Path | None) -> tuple[ApiKey, ...]:
    """The keys there are; none where there is no file yet."""
    return read(file)[0] if file and file.exists() else ()


def _in_words(limits: KeyLimits) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in limits_to_json(limits).items())


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(cast("tuple[str, ...]", value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _fail(problem: str, code: int = FAILED) -> int:
    sys.stderr.write(f"transcriber: {problem}\n")
    return code


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
