"""Accuracy of streaming in real time against whole clips: the plain library's, and our own engine's.

    make bench-streaming ARGS="--speech DIR --seeds 11,12,13,14,15"

Every seed gives a joining of all clips, and all joinings are streamed at once, partials on. Takes as long as a joining
(clips and pauses), then about half the clips' length for the references.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from faster_whisper import WhisperModel
from whisper_normalizer.english import EnglishTextNormalizer

from bench import _command
from bench._errors import by_clip
from bench._joining import Joining, conversation
from bench._quantiles import spread
from bench._service import running
from bench._session import Heard, stream
from bench._speech import Clip
from bench.offline import Own, Plain, Score, interval, score
from transcriber.engines.local_whisper import LocalWhisper
from transcriber.engines.whisper_models import locate


async def listen(joinings: Sequence[Joining], sessions: int) -> list[Heard]:
    """Each joining streamed to one service, so many at a time."""
    places = asyncio.Semaphore(sessions)
    async with running(ENGINE="local") as service:

        async def one(joining: Joining) -> Heard:
            async with places:
                return await stream(service.url, joining.audio, interim=True)

        return await asyncio.gather(*(one(joining) for joining in joinings))


def judge(name: str, joining: Joining, heard: Heard, clips: Sequence[Clip]) -> Score:
    """Errors clip by clip, in the order of `clips`, not of the joining."""
    normalize = EnglishTextNormalizer()
    said = [normalize(place.clip.text).split() for place in joining.placed]
    text = normalize(" ".join(final.text for final, _ in heard.finals))
    errors = dict(zip((place.clip.name for place in joining.placed), by_clip(said, text.split()), strict=True))
    words = [len(normalize(clip.text).split()) for clip in clips]
    return Score(name, [errors[clip.name] for clip in clips], words, 0.0, 0)


def together(name: str, scores: Sequence[Score]) -> Score:
    """Errors and words of each clip summed over the scores, so that its rate is their mean."""
    errors = [sum(each) for each in zip(*(item.errors for item in scores), strict=True)]
    words = [sum(each) for each in zip(*(item.words for item in scores), strict=True)]
    return Score(name, errors, words, 0.0, 0)


def references(clips: Sequence[Clip]) -> list[Score]:
    """Whole clips by the plain library and by the engine, the same model."""
    library: Any = WhisperModel(str(locate("").folder), device="cpu", compute_type="int8", cpu_threads=1)
    engine = LocalWhisper.load("", device="cpu")
    try:
        return [
            score("library, whole clips, beam 5", Plain(library, 5), clips, verbose=False),
            score("engine, whole clips, beam 5", Own(engine, final=True), clips, verbose=False),
        ]
    finally:
        asyncio.run(engine.close())


def row(item: Score, against: Sequence[Score]) -> _command.Row:
    columns: dict[str, str | int | float] = {"what": item.name, "WER %": item.wer, "words": sum(item.words)}
    for name, reference in zip(("library", "engine"), against, strict=True):
        scaled = together(reference.name, [reference] * (sum(item.words) // sum(reference.words)))
        low, high = interval(item, scaled)
        columns[f"− {name}"] = f"{item.wer - reference.wer:+.2f}"
        columns[f"95 % of − {name}"] = f"{low:+.2f} to {high:+.2f}"
    return columns


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--seeds", type=_command.numbers, default=[11, 12, 13], metavar="A,B", help="one joining each")
    parser.add_argument("--sessions", type=int, default=8, help="joinings streamed at once, at most (%(default)s)")
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    joinings = [conversation(clips, seed) for seed in arguments.seeds]
    rounds = -(-len(joinings) // arguments.sessions)
    longest = max(joining.seconds for joining in joinings)
    _command.announce(f"{len(clips)} clips, {len(joinings)} joinings; about {rounds * longest:.0f} s, then references")
    started = time.monotonic()
    heard = asyncio.run(listen(joinings, arguments.sessions))
    streamed = time.monotonic() - started
    scores = [
        judge(f"streaming, seed {seed}", joining, each, clips)
        for seed, joining, each in zip(arguments.seeds, joinings, heard, strict=True)
    ]
    against = references(clips)
    mean = together(f"streaming, mean of {len(scores)}", scores)
    lags = spread([lag for each in heard for lag in each.pause_lags()])
    notes = [
        f"{len(clips)} clips, {min(len(joinings), arguments.sessions)} sessions at once, {streamed:.0f} s, partials on,"
        f" default settings, ENGINE=local; utterances without text: {sum(each.failed for each in heard)},"
        f" incomplete sessions: {sum(not each.complete for each in heard)}",
        "errors are those of the whole session's text aligned with the whole joining's, each counted for the clip it"
        " lies in; 95 % by bootstrap over the clips of the difference, clip by clip, from the reference",
        "library: faster-whisper, full window, beam 5, temperature 0, no previous text, the same model",
        f"last speech (as the service finds it) to final, where a pause ended it: {lags}",
    ]
    _command.report([row(item, against) for item in [*scores, mean, *against]], notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
