"""Which jobs an engine gets next: pure, without a clock.

What waits is served in this order: live finals, redos of live finals, live partials, backlog, recovery. Within each,
sessions share by seconds of audio served (start-time fair queuing: Goyal, Vin, Cheng 1996), so that one which asks for
an hour at once delays nobody else by more than a batch.

Backlog, recovery and redos are *patient*: of several workers, one is never theirs, so that a live job waits for live
jobs at most. They have no right by age: while live jobs keep every worker busy, backlog and recovery stand still.
"""

import enum
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

_LEAST_SECONDS = 0.1
"""Charged for any job: without audio it is work all the same."""

_PARTIALS_WAIT_SECONDS = 0.5
"""Live finals or partials waiting longer than this leave no room for more partials."""

_DECAY = 0.9
"""Of the weight of a measured speed with each that follows."""


class Priority(enum.IntEnum):
    LIVE_FINAL = 0
    LIVE_PARTIAL = 1
    BACKLOG = 2
    RECOVERY = 3

    @property
    def live(self) -> bool:
        return self < Priority.BACKLOG


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One waiting job. Only its own fields decide when it is served."""

    key: Hashable
    """Names the entry; unique."""
    session: Hashable
    priority: Priority
    audio_seconds: float
    batch_key: object
    """Jobs with equal keys may share a batch."""
    enqueued: float
    """By the caller's clock; never less than that of an entry added before."""
    partial_of: Hashable | None
    """The utterance that this is a partial of: the newest replaces one that still waits."""
    redo: bool
    """Asked for by the engine: goes alone, before whatever else its session has waiting in the same rank."""

    @property
    def patient(self) -> bool:
        return self.redo or not self.priority.live


_Rank = tuple[Priority, bool]
"""Priority, and whether it is for redos: those of live finals have a rank of their own."""

_RANKS: tuple[_Rank, ...] = (
    (Priority.LIVE_FINAL, False),
    (Priority.LIVE_FINAL, True),
    (Priority.LIVE_PARTIAL, False),
    (Priority.BACKLOG, False),
    (Priority.RECOVERY, False),
)


def _rank(entry: Entry) -> _Rank:
    return entry.priority, entry.redo and entry.priority is Priority.LIVE_FINAL


class Queue:
    """Jobs waiting for, and batches running on, the workers of one engine. `max_waiting` bounds the live and the
    patient jobs each."""

    def __init__(self, *, workers: int, max_batch: int, max_waiting: int) -> None:
        self._workers = workers
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._patient_workers = max(1, workers - 1)
        self._running = 0
        self._running_patient = 0
        self._measured_audio = 0.0
        self._measured_wall = 0.0
        self._entries: dict[Hashable, Entry] = {}
        self._partials: dict[Hashable, Entry] = {}
        """Waiting partials by utterance."""
        self._lines = {rank: _Line() for rank in _RANKS}

    def __len__(self) -> int:
        return len(self._entries)

    def full(self, priority: Priority) -> bool:
        """Whether callers should add no more of this kind, live or not. A redo is added all the same."""
        same = (line for (other, _), line in self._lines.items() if other.live == priority.live)
        return sum(line.count for line in same) >= self._max_waiting

    def add(self, entry: Entry) -> Entry | None:
        """Let `entry` wait; returns the older partial that it replaces. The newer one inherits the place in the line
        and the time since when it waits, so that an utterance updated often is not served never."""
        older = self._partials.get(entry.partial_of)
        if older is not None and _rank(older) == _rank(entry):
            entry = replace(entry, enqueued=older.enqueued)
            self._lines[_rank(entry)].swap(older, entry)
            del self._entries[older.key]
        else:
            if older is not None:
                self.remove(older.key)
            self._lines[_rank(entry)].add(entry)
        self._entries[entry.key] = entry
        if entry.partial_of is not None:
            self._partials[entry.partial_of] = entry
        return older

    def remove(self, key: Hashable) -> Entry | None:
        """Take back an entry that nobody waits for any more; None if it is not waiting."""
        entry = self._entries.get(key)
        if entry is not None:
            self._lines[_rank(entry)].remove(entry)
            self._forget(entry)
        return entry

    def drop(self, utterance: Hashable) -> Entry | None:
        """Take back the waiting partial of an utterance, if there is one."""
        entry = self._partials.get(utterance)
        return None if entry is None else self.remove(entry.key)

    def take(self) -> list[Entry]:
        """The next batch for a free worker, or nothing if there is none for it; `done` gives the worker back.

        The first in order leads; those next in order with its rank and batch key come along, even before others of
        their own session.
        """
        if self._running >= self._workers:
            return []
        for (priority, redo), line in self._lines.items():
            patient = redo or not priority.live
            if not line.count or (patient and self._running_patient >= self._patient_workers):
                continue
            batch = line.take(self._max_batch)
            for entry in batch:
                self._forget(entry)
            self._running += 1
            self._running_patient += patient
            return batch
        return []

    def done(self, batch: list[Entry]) -> None:
        """A batch that was taken is over."""
        self._running -= 1
        self._running_patient -= batch[0].patient

    def age(self, priority: Priority, now: float) -> float:
        """How long the oldest with this priority has waited, redos not counted; 0 if none waits."""
        oldest = self._lines[priority, False].oldest
        return 0.0 if oldest is None else now - oldest

    def measured(self, audio_seconds: float, wall_seconds: float) -> None:
        """A worker took so long for usual finals."""
        self._measured_audio = self._measured_audio * _DECAY + audio_seconds
        self._measured_wall = self._measured_wall * _DECAY + wall_seconds

    def lag(self, now: float) -> float:
        """How long a new live final would wait: as long as the oldest has, or as the audio before it takes all workers
        at the speed measured lately, whichever is more; 0 if none waits."""
        ahead = self._lines[Priority.LIVE_FINAL, False].audio_seconds
        if self._measured_audio:
            ahead *= self._measured_wall / self._measured_audio / self._workers
        else:
            ahead = 0.0
        return max(self.age(Priority.LIVE_FINAL, now), ahead)

    def partials_welcome(self, now: float) -> bool:
        """Whether live work is served quickly enough for partials to be worth asking for."""
        waits = (self.age(priority, now) for priority in (Priority.LIVE_FINAL, Priority.LIVE_PARTIAL))
        return max(waits) <= _PARTIALS_WAIT_SECONDS

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.key]
        if entry.partial_of is not None:
            del self._partials[entry.partial_of]


@dataclass(slots=True)
class _Turn:
    """A session's waiting entries, and the virtual time at which it is served next."""

    time: float
    entries: list[Entry] = field(default_factory=list[Entry])


class _Line:
    """The entries of one rank. Virtual time is seconds of audio: a session is served in order of its own, which what
    it is served advances. One that comes new starts at the time of the one served last."""

    def __init__(self) -> None:
        self.count = 0
        self._turns: dict[Hashable, _Turn] = {}
        """Of sessions with entries; those with equal times are served in this order."""
        self._ahead: dict[Hashable, float] = {}
        """Virtual times of sessions without entries, as long as others that wait are not as far."""
        self._time = 0.0

    @property
    def audio_seconds(self) -> float:
        return sum(entry.audio_seconds for turn in self._turns.values() for entry in turn.entries)

    @property
    def oldest(self) -> float | None:
        """Since when the oldest waits."""
        return min((turn.entries[0].enqueued for turn in self._turns.values()), default=None)

    def add(self, entry: Entry) -> None:
        turn = self._turns.get(entry.session)
        if turn is None:
            turn = _Turn(max(self._time, self._ahead.pop(entry.session, 0.0)))
            self._turns[entry.session] = turn
        place = sum(other.redo for other in turn.entries) if entry.redo else len(turn.entries)
        turn.entries.insert(place, entry)
        self.count += 1

    def swap(self, older: Entry, newer: Entry) -> None:
        entries = self._turns[older.session].entries
        entries[entries.index(older)] = newer

    def remove(self, entry: Entry) -> None:
        turn = self._turns[entry.session]
        turn.entries.remove(entry)
        self.count -= 1
        if not turn.entries:
            del self._turns[entry.session]
            self._ahead[entry.session] = turn.time
            self._settle()

    def take(self, max_batch: int) -> list[Entry]:
        first = min(self._turns.values(), key=lambda turn: turn.time)
        self._time = first.time
        leader = first.entries[0]
        batch = [self._serve(leader)]
        while not leader.redo and len(batch) < max_batch:
            mate = self._mate(leader.batch_key)
            if mate is None:
                break
            batch.append(self._serve(mate))
        self._settle()
        return batch

    def _mate(self, batch_key: object) -> Entry | None:
        """The next in order that may share a batch."""
        for turn in sorted(self._turns.values(), key=lambda turn: turn.time):
            for entry in turn.entries:
                if entry.batch_key == batch_key and not entry.redo:
                    return entry
        return None

    def _serve(self, entry: Entry) -> Entry:
        self._turns[entry.session].time += max(entry.audio_seconds, _LEAST_SECONDS)
        self.remove(entry)
        return entry

    def _settle(self) -> None:
        """Forget what can't matter any more: nobody waits, or those who do are as far."""
        if self._turns:
            self._ahead = {session: time for session, time in self._ahead.items() if time > self._time}
        else:
            self._ahead.clear()
