"""What is told of damage in every format, and what is still understood behind it.

    make bench-damage ARGS="--speech DIR"

Half a minute of speech is encoded by FFmpeg as each format, damaged in its middle in three ways (a fiftieth of its
bytes removed, as many inserted, twenty bytes changed), and sent to the service at its default settings. Words kept are
those of the undamaged stream in the same format, so that a codec's own loss does not count. Some 5 minutes.
"""

import argparse
import asyncio
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from bench import _command
from bench._errors import by_clip
from bench._joining import conversation_of
from bench._service import Service, running
from tests.corpus import DAMAGES, RECIPES, damaged, encode
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.client import Complete, Session, SessionFailed, Transcription, Warned, connect

_MESSAGE_BYTES = 4096


@dataclass
class Told:
    words: list[str]
    warned: int = 0
    missing_seconds: float = 0.0
    """Of which it was told how long they are."""
    duration_seconds: float = 0.0
    error: str = ""


def stream(name: str, speech: NDArray[np.int16]) -> bytes:
    """The speech as a recipe makes it, the same on every channel."""
    recipe = RECIPES[name]
    samples = speech if recipe.rate == SAMPLE_RATE else soxr.resample(speech, SAMPLE_RATE, recipe.rate, "HQ")
    return encode(name, np.repeat(samples[:, np.newaxis], recipe.channels, axis=1))


async def listen(service: Service, data: bytes) -> Told:
    told = Told([])
    async with connect(f"{service.url}?record=none") as session:
        reading = asyncio.create_task(_read(session, told))
        for start in range(0, len(data), _MESSAGE_BYTES):
            await session.send(data[start : start + _MESSAGE_BYTES])
        await session.finish()
        try:
            await reading
        except SessionFailed as failure:
            told.error = failure.code
    return told


async def _read(session: Session, told: Told) -> None:
    async for event in session:
        match event:
            case Transcription():
                told.words += event.text.lower().split()
            case Warned(code="audio_damaged"):
                told.warned += 1
                told.missing_seconds += (event.end or 0.0) - (event.at or 0.0) if event.end else 0.0
            case Complete():
                told.duration_seconds = event.duration_seconds
            case _:
                pass


def row(name: str, how: str, whole: Told, hurt: Told) -> _command.Row:
    """What is left is counted by aligning both texts: words that are wrong, missing or too many are not kept."""
    errors = sum(by_clip([whole.words], hurt.words)) if hurt.words else len(whole.words)
    return {
        "format": name,
        "damage": how,
        "told": hurt.error or ("told" if hurt.warned else "untold"),
        "warnings": hurt.warned,
        "told as missing, s": hurt.missing_seconds,
        "times behind it off by, s": whole.duration_seconds - hurt.duration_seconds,
        "words kept, %": 100 * max(0.0, 1 - errors / max(1, len(whole.words))),
    }


async def rows(arguments: argparse.Namespace, speech: NDArray[np.int16]) -> list[_command.Row]:
    found: list[_command.Row] = []
    async with running(ENGINE="local") as service:
        for name in arguments.formats or RECIPES:
            data = stream(name, speech)
            whole = await listen(service, data)
            for how in DAMAGES:
                found.append(row(name, how, whole, await listen(service, damaged(data, how, arguments.seed))))
            _command.announce(name)
    return found


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of speech (%(default)s)")
    parser.add_argument("--seed", type=int, default=41, help="of joining and damage (%(default)s)")
    parser.add_argument("--format", action="append", dest="formats", choices=RECIPES, metavar="NAME", help="only these")
    arguments = parser.parse_args()
    joining = conversation_of(_command.clips_for(arguments), arguments.seconds, arguments.seed)
    table = asyncio.run(rows(arguments, joining.audio.astype(np.int16)))
    notes = [
        f"{arguments.seconds:.0f} s of speech, seed {arguments.seed}, default settings, ENGINE=local; damage in the"
        " middle: a fiftieth of the bytes removed or inserted, or 20 bytes of it changed",
        "untold: no warning, and the session went on as if nothing had happened",
        "off by: how much shorter (or, below zero, longer) the session was than the same without damage",
        "words kept: against the undamaged stream in the same format; a word too many counts as one lost",
    ]
    _command.report(table, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
