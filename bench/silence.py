"""What is written when nobody speaks, and what of quiet speech is lost.

    make bench-silence ARGS="--speech DIR"

Sounds without speech (silence, noises, hum, DTMF, ringing, a keyboard, music, hold music, babble below −45 dBFS), each
at several levels, go to the service at its default settings as fast as it takes them: every word that comes back is one
too many. Then all clips go to it as they are, and 20 and 30 dB quieter; and with steady noise below the voices, as
loud as they are and 30 dB quieter. Takes about as long as the clips last.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

from bench import _command
from bench._errors import by_clip
from bench._joining import Joining, conversation
from bench._service import Service, running
from bench._sounds import BABBLE_DBFS, QUIET, Sound, at_level, babble_of, pink
from bench._speech import Clip
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.client import Session, SpeechStarted, Transcription, connect

_GAINS_DB = (0, -20, -30)
_NOISES_DB = (-15, -10)
"""Pink noise against the speech."""
_MESSAGE_SAMPLES = SAMPLE_RATE // 2


@dataclass
class Told:
    texts: list[str]
    turns: int
    """How often speech was thought to begin."""


async def listen(service: Service, sound: Sound) -> Told:
    """All that a session says of a sound, sent at once."""
    told = Told([], 0)
    data = np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)
    raw = f"{service.url}?encoding=pcm_s16le&sample_rate={SAMPLE_RATE}&record=none"
    async with connect(raw) as session:
        reading = asyncio.create_task(_read(session, told))
        for start in range(0, data.size, _MESSAGE_SAMPLES):
            await session.send(data[start : start + _MESSAGE_SAMPLES].tobytes())
        await session.finish()
        await reading
    return told


async def _read(session: Session, told: Told) -> None:
    async for event in session:
        if isinstance(event, Transcription):
            told.texts.append(event.text)
        elif isinstance(event, SpeechStarted):
            told.turns += 1


def sounds(clips: Sequence[Clip], seconds: float, seed: int) -> dict[tuple[str, float], Sound]:
    """Every sound by name and level; together they last so long."""
    makers = {**QUIET, "babble": (babble_of(clips), BABBLE_DBFS)}
    chosen = [(name, level) for name, (_, levels) in makers.items() for level in levels]
    each = seconds / len(chosen)
    rngs = np.random.default_rng(seed).spawn(len(chosen))
    return {
        (name, level): at_level(makers[name][0](each, rng), level)
        for (name, level), rng in zip(chosen, rngs, strict=True)
    }


async def quiet_rows(service: Service, clips: Sequence[Clip], seconds: float, seed: int) -> list[_command.Row]:
    rows: list[_command.Row] = []
    for (name, level), sound in sounds(clips, seconds, seed).items():
        told = await listen(service, sound)
        said = [text for text in told.texts if text]
        words = sum(len(text.split()) for text in said)
        rows.append(
            {"sound": name, "dBFS": round(level), "s": sound.size / SAMPLE_RATE, "turns": told.turns, "words": words}
        )
        if said:
            _command.announce(f"{name} at {level} dBFS: {said}")
    rows.append(
        {
            "sound": "all",
            "dBFS": "",
            "s": sum(float(row["s"]) for row in rows),
            "turns": sum(int(row["turns"]) for row in rows),
            "words": sum(int(row["words"]) for row in rows),
        }
    )
    return rows


async def speech_notes(service: Service, clips: Sequence[Clip], seed: int) -> list[str]:
    """What is heard of all clips at each gain, against the first."""
    joining = conversation(clips, seed)
    speech = joining.audio.astype(np.float32) / 32768
    rates = {f"{gain:+d} dB": await error_rate(service, joining, gained(speech, gain)) for gain in _GAINS_DB}
    for noise in _NOISES_DB:
        noisy = speech + at_level(pink(joining.seconds, np.random.default_rng(seed)), level_of(speech) + noise)
        for gain in (_GAINS_DB[0], _GAINS_DB[-1]):
            rates[f"{gain:+d} dB, noise {noise:+d} dB"] = await error_rate(service, joining, gained(noisy, gain))
    level = level_of(np.concatenate([clip.samples for clip in clips]))
    whole = next(iter(rates.values()))
    return [f"{len(clips)} clips, {joining.seconds:.0f} s in one session, {level:.1f} dBFS on average"] + [
        f"WER {how}: {rate:.2f} % ({rate - whole:+.2f})" for how, rate in rates.items()
    ]


def level_of(sound: Sound) -> float:
    """In dBFS, of a full-scale square wave."""
    return float(10 * np.log10(np.mean(np.square(sound))))


def gained(sound: Sound, gain_db: float) -> Sound:
    return sound * np.float32(10 ** (gain_db / 20))


async def error_rate(service: Service, joining: Joining, sound: Sound) -> float:
    told = await listen(service, sound)
    normalize = EnglishTextNormalizer()
    said = [normalize(place.clip.text).split() for place in joining.placed]
    errors = by_clip(said, normalize(" ".join(told.texts)).split())
    return 100 * sum(errors) / sum(map(len, said))


async def measure(arguments: argparse.Namespace, clips: Sequence[Clip]) -> tuple[list[_command.Row], list[str]]:
    async with running(ENGINE="local") as service:
        rows = await quiet_rows(service, clips, arguments.minutes * 60, arguments.seed)
        notes = await speech_notes(service, clips, arguments.seed)
    return rows, notes


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="of sounds, in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=41, help="of sounds and joining (%(default)s)")
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    started = time.monotonic()
    rows, notes = asyncio.run(measure(arguments, clips))
    seconds = time.monotonic() - started
    notes += [
        f"default settings, ENGINE=local, seed {arguments.seed}, sent as fast as the service took it; {seconds:.0f} s",
        "turns: how often the detector took it for speech; levels: of a full-scale square wave, over the whole sound",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
