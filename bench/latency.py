"""How long after the last word its final arrives, and after the first word the first partial, in real time.

    make bench-latency ARGS="--speech DIR --sessions 1,8,16"

Every clip is followed by 2 to 3 s of room tone and nothing hurries its final. The last and the first speech of a clip
are those of the detector run offline on the clip alone. Each number of sessions takes as long as its clips with their
pauses: about 10 s a clip.
"""

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench import _command
from bench._extent import extent, probabilities
from bench._joining import Joining, join, shuffled
from bench._quantiles import quantile, spread
from bench._service import running
from bench._session import Heard, stream
from bench._speech import Clip

_TONE_SECONDS = (2.0, 3.0)
_TOLERANCE_SECONDS = 0.5
"""By which a final may end before the clip's speech does and still be the one that holds its end."""

Extents = dict[str, tuple[float, float]]
"""Where the speech of a clip begins and ends in it, by its name."""


@dataclass
class Latencies:
    finals: list[float] = field(default_factory=list[float])
    first_partials: list[float] = field(default_factory=list[float])
    missed: int = 0
    """Clips whose end no final holds."""


def talk(clips: Sequence[Clip], count: int, seed: int) -> Joining:
    """So many clips in an order of the seed's, each followed by room tone."""
    rng = np.random.default_rng(seed)
    chosen = list(itertools.islice(_forever(clips, rng), count))
    return join(chosen, rng.uniform(*_TONE_SECONDS, count + 1).tolist(), rng)


def _forever(clips: Sequence[Clip], rng: np.random.Generator) -> Iterator[Clip]:
    while True:
        yield from shuffled(clips, rng)


def measure(joining: Joining, heard: Heard, bounds: Extents, found: Latencies) -> None:
    """Add what one session shows to `found`."""
    for place in joining.placed:
        first, last = (place.start + seconds for seconds in bounds[place.clip.name])
        ending = [(final, at) for final, at in heard.finals if final.start < last and final.end > first]
        if ending and ending[-1][0].end >= last - _TOLERANCE_SECONDS:
            found.finals.append(ending[-1][1] - heard.sent_at(last))
        else:
            found.missed += 1
        partials = (at for partial, at in heard.partials if partial.start < last and partial.end > first)
        if (arrived := next(partials, None)) is not None:
            found.first_partials.append(arrived - heard.sent_at(first))


async def at_once(joinings: Sequence[Joining], bounds: Extents, *, interim: bool) -> _command.Row:
    """The sessions of one row, begun within a second."""
    delays = np.random.default_rng(len(joinings)).uniform(0, 1, len(joinings))
    async with running(ENGINE="local") as service:
        before = service.cpu_seconds()
        heard = await asyncio.gather(
            *(
                stream(service.url, joining.audio, interim=interim, delay_seconds=delay)
                for joining, delay in zip(joinings, delays.tolist(), strict=True)
            )
        )
        used = service.cpu_seconds() - before
    found = Latencies()
    for joining, each in zip(joinings, heard, strict=True):
        measure(joining, each, bounds, found)
    firsts = [quantile(found.first_partials, share) for share in (0.5, 0.95)]
    return {
        "sessions": len(joinings),
        "partials": "yes" if interim else "no",
        "clips": sum(len(joining.placed) for joining in joinings),
        "final p50 / p95 / max s": spread(found.finals),
        "missed": found.missed,
        "first partial p50 / p95 s": " / ".join(f"{value:.2f}" for value in firsts) if interim else "–",
        "CPU ms per session-second": round(1000 * used / sum(joining.seconds for joining in joinings)),
        "client late ms": round(1000 * max(each.late_seconds for each in heard)),
    }


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--sessions", type=_command.numbers, default=[1, 8], metavar="A,B", help="at once, a row each")
    parser.add_argument("--clips", type=int, default=24, help="in each session (%(default)s)")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--finals-only", action="store_true", help="no partials")
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    judged = asyncio.run(probabilities(clips))
    bounds = {clip.name: extent(clip, probability) for clip, probability in zip(clips, judged, strict=True)}
    rows: list[_command.Row] = []
    for sessions in arguments.sessions:
        joinings = [talk(clips, arguments.clips, arguments.seed + number) for number in range(sessions)]
        _command.announce(f"{sessions} sessions, {max(joining.seconds for joining in joinings):.0f} s")
        rows.append(asyncio.run(at_once(joinings, bounds, interim=not arguments.finals_only)))
    notes = [
        f"{len(clips)} clips, seed {arguments.seed}, messages of 20 ms, default settings, ENGINE=local, no END",
        "final: from sending the message with the clip's last sample of speech (end of the last frame at 0.5 or more of"
        " the detector, offline on the clip alone) to receiving the final that holds it",
        "first partial: from sending the message with the first sample of speech, likewise",
        "CPU: of the service's process, all threads, finals included; client late: the most this program fell behind",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
