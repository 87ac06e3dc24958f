"""How many sessions can talk at once before their finals are late, with and without partials.

    make bench-capacity ARGS="--speech DIR --plot capacity.png"

Sessions are added step by step, each step on a new service, until the 95th percentile of the finals' lag is above 2 s.
Everybody talks all the time, with the pauses of a conversation: a harder load than people are. A step takes half a
minute.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench import _command
from bench._joining import Joining, conversation_of
from bench._quantiles import quantile, spread
from bench._service import running
from bench._session import Heard, stream
from bench._speech import Clip
from transcriber.client import Refused

_MESSAGE_MS = 100
_STAGGER_SECONDS = 3.0
_GRACE_SECONDS = 5.0
_UNAVAILABLE = 503
_P95 = "lag p95 s"


async def step(joinings: Sequence[Joining], *, interim: bool) -> _command.Row:
    """One number of sessions, which begin one by one."""
    delays = np.random.default_rng(len(joinings)).uniform(0, _STAGGER_SECONDS, len(joinings))
    async with running(ENGINE="local", MAX_SESSIONS="1000") as service:
        before = service.cpu_seconds()
        outcomes = await asyncio.gather(
            *(_session(service.url, *each, interim=interim) for each in zip(joinings, delays.tolist(), strict=True))
        )
        used = service.cpu_seconds() - before
    heard = [outcome for outcome in outcomes if outcome is not None]
    lags = [lag for each in heard for lag in each.pause_lags()]
    audio = sum(each.sent_positions[-1] for each in heard)
    return {
        "sessions": len(joinings),
        "partials": "yes" if interim else "no",
        "finals": len(lags),
        "lag p50 / p95 / max s": spread(lags),
        _P95: quantile(lags, 0.95),
        "partials per session-second": sum(len(each.partials) for each in heard) / audio if audio else 0.0,
        "CPU ms per session-second": round(1000 * used / audio) if audio else 0,
        "refused": len(outcomes) - len(heard),
        "unfinished": sum(not each.complete for each in heard),
        "client late ms": round(1000 * max((each.late_seconds for each in heard), default=0.0)),
    }


async def _session(url: str, joining: Joining, delay_seconds: float, *, interim: bool) -> Heard | None:
    """None when the service has too much to do to take it."""
    timing = {"delay_seconds": delay_seconds, "grace_seconds": _GRACE_SECONDS}
    try:
        return await stream(url, joining.audio, interim=interim, message_ms=_MESSAGE_MS, **timing)
    except Refused as refusal:
        if refusal.status != _UNAVAILABLE:
            raise
        return None


def too_many(row: _command.Row, limit_seconds: float) -> bool:
    """Whether the service was behind: late, or without a word."""
    in_time = isinstance(lag := row[_P95], float) and lag <= limit_seconds
    return not in_time or bool(row["refused"]) or bool(row["unfinished"])


def climb(clips: Sequence[Clip], sizes: Sequence[int], seconds: float, *, interim: bool) -> list[_command.Row]:
    """Steps up to and with the first that is too much."""
    rows: list[_command.Row] = []
    for sessions in sizes:
        _command.announce(f"{sessions} sessions, partials {'on' if interim else 'off'}")
        joinings = [conversation_of(clips, seconds, seed=100 * number) for number in range(sessions)]
        rows.append(asyncio.run(step(joinings, interim=interim)))
        if too_many(rows[-1], limit_seconds=2.0):
            break
    return rows


def plot(rows: Sequence[_command.Row], file: str) -> None:
    """Lag over sessions, a curve with and one without partials."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(7, 4.5))
    axes = figure.subplots()
    for partials in ("no", "yes"):
        curve = [row for row in rows if row["partials"] == partials]
        name = "with partials" if partials == "yes" else "finals only"
        axes.plot([row["sessions"] for row in curve], [row[_P95] for row in curve], marker="o", label=name)
    axes.axhline(2.0, color="grey", linestyle=":")
    axes.set(xlabel="sessions", ylabel="lag of finals, p95 (s)", ylim=(0, 6))
    axes.legend()
    figure.savefig(file, dpi=120)


def main() -> None:
    parser = _command.options(__doc__)
    default = [4, 8, 16, 24, 32, 40, 48, 64]
    parser.add_argument("--sessions", type=_command.numbers, default=default, metavar="A,B", help="the steps")
    parser.add_argument("--seconds", type=float, default=22.0, help="of audio in each session of a step (%(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="draw the curves")
    arguments = parser.parse_args()
    clips = _command.clips_for(arguments)
    rows = [
        row for interim in (False, True) for row in climb(clips, arguments.sessions, arguments.seconds, interim=interim)
    ]
    if arguments.plot:
        plot(rows, arguments.plot)
    sample = conversation_of(clips, 600, seed=0)
    notes = [
        f"{arguments.seconds:g} s of audio in each session, {100 * sample.speech_seconds / sample.seconds:.0f} % of it"
        f" clips, messages of {_MESSAGE_MS} ms, ENGINE=local, otherwise default settings",
        "lag: from sending the last speech of an utterance that a pause ended (as the service finds it) to its final;"
        " the endpointing time is in it; utterances cut for their length or by END are load but not counted",
        f"unfinished: not complete {_GRACE_SECONDS:g} s after END; refused: not let in",
    ]
    _command.report(rows, notes, as_json=arguments.json)


if __name__ == "__main__":
    main()
