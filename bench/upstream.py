"""What a paid engine is sent: audio seconds sent to it for each second of speech, when half the session is silence.

    make bench-upstream ARGS="--speech DIR"

Clips are cut to their speech, pauses inside them to a quarter of a second, so what is speech is known by construction.
The engine is a stand-in for OpenAI's API that answers at once, which leaves more room for partials than a real one.
Takes as long as the longest session.
"""

import asyncio
from collections.abc import Sequence

from bench import _command
from bench._extent import dense, probabilities
from bench._joining import Joining, half_silent
from bench._service import running
from bench._session import coverage, spans, stream
from bench._speech import Clip
from tests.openai_stub import KEY, OpenAIStub

_COVERED = 0.9


async def measure(joinings: Sequence[Joining], *, interim: bool) -> _command.Row:
    """Sessions of one row at once, with a service and an API of their own."""
    async with OpenAIStub() as api:
        settings = {"ENGINE": "openai", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": api.base_url}
        async with running(**settings) as service:
            heard = await asyncio.gather(*(stream(service.url, joining.audio, interim=interim) for joining in joinings))
    speech = sum(joining.speech_seconds for joining in joinings)
    covered = [
        coverage(place.start, place.end, spans(each.finals))
        for joining, each in zip(joinings, heard, strict=True)
        for place in joining.placed
    ]
    return {
        "session s": round(joinings[0].seconds),
        "partials": "yes" if interim else "no",
        "sessions": len(joinings),
        "speech s": speech,
        "sent s": api.seconds_sent,
        "sent ÷ speech": api.seconds_sent / speech,
        "requests": len(api.requests),
        "finals": sum(len(each.finals) for each in heard),
        "failed": sum(each.failed for each in heard),
        "clips": len(covered),
        "least covered %": round(100 * min(covered)),
        "missing": sum(share < _COVERED for share in covered),
    }


async def measure_all(clips: Sequence[Clip], lengths: Sequence[int], seeds: Sequence[int]) -> list[_command.Row]:
    """All rows at once: without a local engine, the processor has nothing to do."""
    judged = await probabilities(clips)
    speech = [dense(clip, probability) for clip, probability in zip(clips, judged, strict=True)]
    joinings = {seconds: [half_silent(speech, seconds, seed) for seed in seeds] for seconds in lengths}
    return await asyncio.gather(
        *(measure(joinings[seconds], interim=interim) for seconds in lengths for interim in (False, True))
    )


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument(
        "--seconds", type=_command.numbers, default=[60, 180], metavar="A,B", help="a row each, lengths"
    )
    parser.add_argument("--seeds", type=_command.numbers, default=[31, 32, 33, 34], metavar="A,B", help="of sessions")
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    _command.announce(f"about {max(arguments.seconds)} s")
    rows = asyncio.run(measure_all(clips, arguments.seconds, arguments.seeds))
    notes = [
        f"{len(clips)} clips cut to their speech as the detector finds it offline on the clip alone, without its longer"
        f" pauses; seeds {', '.join(map(str, arguments.seeds))}, ENGINE=openai, else default settings, in real time",
        "speech: length of the clips in the sessions, the other half is room tone; sent: length of the audio in all"
        " requests that the API got",
        f"missing: clips less than {100 * _COVERED:.0f} % of which lie between start and end of finals",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
