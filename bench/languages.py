"""Languages and keywords: how many words are right in each language, and with and without keywords.

    make bench-languages ARGS="--multilingual FILE --hotwords FILE"

The model is Whisper base out of the packages of the engine suite. Sentences in five languages are spoken by eSpeak NG
in one session, whose language is left open; then the same with `configure` before each. `--multilingual` is a recording
of the MIT licence's permission paragraph in English, then in German, `--hotwords` one in which `--keyword` is said.
Takes a minute or two.
"""

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from bench import _command
from bench._service import Service, running
from bench._sounds import Sound
from bench._speech import decode
from tests.engine.espeak import say
from tests.engine.whisper_base import unpack
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.client import Transcription, connect

SPOKEN: Mapping[str, str] = {
    "en": "Good morning. Today I would like to take the train to London, because my sister lives there.",
    "de": "Guten Morgen. Ich möchte heute mit dem Zug nach München fahren, weil meine Schwester dort wohnt.",
    "fr": "Bonjour. Je voudrais acheter deux billets pour Paris, parce que ma sœur habite là-bas.",
    "es": "Buenos días. Hoy quiero viajar en tren a Madrid, porque mi hermana vive allí.",
    "it": "Buongiorno. Oggi vorrei andare in treno a Roma, perché mia sorella abita lì.",
}

LICENCE: Mapping[str, str] = {
    "en": "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated"
    " documentation files, to deal in the software without restriction, including without limitation the rights to use,"
    " copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the software, and to permit persons"
    " to whom the software is furnished to do so, subject to the following conditions: The above copyright notice and"
    " this permission notice shall be included in all copies or substantial portions of the software.",
    "de": "Jedem, der diese Software und die dazugehörigen Dokumentationsdateien erhält, wird hiermit unentgeltlich die"
    " Genehmigung erteilt, mit der Software uneingeschränkt zu verfahren. Dies umfasst insbesondere das Recht, die"
    " Software zu verwenden, zu vervielfältigen, zu modifizieren, zusammenzufügen, zu veröffentlichen, zu verteilen,"
    " unterzulizenzieren und/oder Kopien der Software zu verkaufen und diese Rechte unter folgenden Bedingungen anderen"
    " zu übertragen.",
}

_PAUSE_SECONDS = 1.0
_MESSAGE_SAMPLES = SAMPLE_RATE // 4


@dataclass(frozen=True)
class Part:
    """A stretch in one language."""

    language: str
    samples: Sound
    text: str


async def heard(
    service: Service, parts: Sequence[Part], *, told: bool = False, keywords: Sequence[str] = ()
) -> list[Transcription]:
    """All finals of a session of these parts, each with a pause behind it; `told`: the client says each language."""
    raw = f"{service.url}?encoding=pcm_s16le&sample_rate={SAMPLE_RATE}&record=none"
    finals: list[Transcription] = []
    async with connect(raw, keywords=list(keywords) or None) as session:
        for part in parts:
            if told:
                await session.configure(language=part.language)
            samples = np.concatenate([part.samples, np.zeros(round(_PAUSE_SECONDS * SAMPLE_RATE), np.float32)])
            data = np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)
            for start in range(0, data.size, _MESSAGE_SAMPLES):
                await session.send(data[start : start + _MESSAGE_SAMPLES].tobytes())
        await session.finish()
        async for event in session:
            if isinstance(event, Transcription):
                finals.append(event)
    return finals


def rows(name: str, parts: Sequence[Part], finals: Sequence[Transcription]) -> list[_command.Row]:
    """Each part against the finals that begin in it."""
    made: list[_command.Row] = []
    start = 0.0
    for part in parts:
        end = start + part.samples.size / SAMPLE_RATE + _PAUSE_SECONDS
        inside = [final for final in finals if start <= final.start < end]
        said, said_back = _plain(part.text), _plain(" ".join(final.text for final in inside))
        measured = jiwer.process_words(said, said_back or "-")
        languages = ", ".join(sorted({str(final.language) for final in inside}))
        made.append(
            {
                "what": name,
                "language": part.language,
                "words": len(said.split()),
                "right %": 100 * measured.hits / len(said.split()),
                "WER %": 100 * measured.wer,
                "told as": languages,
            }
        )
        start = end
    return made


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def halves(file: str) -> list[Part]:
    """The recording as two parts, cut where it is quiet longest near the middle."""
    samples = decode(Path(file))
    window = SAMPLE_RATE // 10
    levels = np.array([np.abs(samples[at : at + window]).max() for at in range(0, samples.size, window)])
    middle = range(levels.size // 3, 2 * levels.size // 3)
    quiet = np.convolve(levels, np.ones(10), mode="same")
    cut = min(middle, key=lambda at: quiet[at]) * window
    return [Part("en", samples[:cut], LICENCE["en"]), Part("de", samples[cut:], LICENCE["de"])]


async def measure(multilingual: str | None, hotwords: str | None, keyword: str) -> tuple[list[_command.Row], list[str]]:
    made: list[_command.Row] = []
    notes: list[str] = []
    spoken = [Part(language, say(text, language), text) for language, text in SPOKEN.items()]
    with tempfile.TemporaryDirectory() as folder:
        model = unpack(Path(folder) / "base")
        async with running(ENGINE="local", LOCAL_MODEL=str(model)) as service:
            sources = {"eSpeak": spoken} | ({"multilingual": halves(multilingual)} if multilingual else {})
            for name, parts in sources.items():
                made += rows(f"{name}, language open", parts, await heard(service, parts))
                made += rows(f"{name}, `configure`", parts, await heard(service, parts, told=True))
            if hotwords:
                part = Part("en", decode(Path(hotwords)), "")
                for given in ((), (keyword,)):
                    text = " ".join(final.text for final in await heard(service, [part], keywords=given))
                    notes.append(f"keywords {list(given)}: {keyword} is written {text.count(keyword)} times: {text!r}")
    return made, notes


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--multilingual", metavar="FILE", help="the permission paragraph in English, then in German")
    parser.add_argument("--hotwords", metavar="FILE", help="speech in which the keyword is said")
    parser.add_argument("--keyword", default="ComfyUI", help="as it is to be written (%(default)s)")
    arguments = parser.parse_args()
    made, notes = asyncio.run(measure(arguments.multilingual, arguments.hotwords, arguments.keyword))
    notes.append("Whisper base, int8, default settings; letters and digits compared, case and punctuation left out")
    _command.report(made, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
