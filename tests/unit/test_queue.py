"""Who is next: examples of each rule, and the whole queue against what must always be true."""

import gc
import weakref
from collections import defaultdict
from collections.abc import Iterable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from transcriber.engines.queue import Entry, Priority, Queue

LIVE_FINAL, LIVE_PARTIAL, BACKLOG, RECOVERY = Priority

_numbers = count()


def entry(
    session: str = "a",
    priority: Priority = LIVE_FINAL,
    *,
    seconds: float = 1.0,
    batch_key: object = None,
    at: float = 0.0,
    partial_of: str | None = None,
    redo: bool = False,
) -> Entry:
    return Entry(next(_numbers), session, priority, seconds, batch_key, at, partial_of, redo)


def queue_of(entries: Iterable[Entry], *, workers: int = 1, max_batch: int = 1, max_waiting: int = 100) -> Queue:
    queue = Queue(workers=workers, max_batch=max_batch, max_waiting=max_waiting)
    for one in entries:
        queue.add(one)
    return queue


def served(queue: Queue, batches: int = 1000) -> list[list[Entry]]:
    """Batches in the order in which one free worker takes them."""
    taken: list[list[Entry]] = []
    while len(taken) < batches and (batch := queue.take()):
        queue.done(batch)
        taken.append(batch)
    return taken


def leaders(queue: Queue, batches: int = 1000) -> list[Entry]:
    return [batch[0] for batch in served(queue, batches)]


def test_an_empty_queue_has_nothing_to_do() -> None:
    queue = queue_of([])

    assert queue.take() == []
    assert len(queue) == 0


def test_ranks_are_served_in_order() -> None:
    recovery = entry(priority=RECOVERY)
    backlog = entry(priority=BACKLOG)
    partial = entry(priority=LIVE_PARTIAL, partial_of="u")
    redo = entry(redo=True)
    final = entry()

    assert leaders(queue_of([recovery, backlog, partial, redo, final])) == [final, redo, partial, backlog, recovery]


def test_a_session_is_served_in_its_own_order() -> None:
    entries = [entry() for _ in range(5)]

    assert leaders(queue_of(entries)) == entries


def test_sessions_take_turns_whatever_one_of_them_asks_for() -> None:
    flood = [entry("flood", seconds=12) for _ in range(300)]
    queue = queue_of(flood)
    assert leaders(queue, 10) == flood[:10]

    late = [entry("late", seconds=12) for _ in range(3)]
    for one in late:
        queue.add(one)

    assert leaders(queue, 6) == [late[0], flood[10], late[1], flood[11], late[2], flood[12]]


def test_shares_are_seconds_of_audio_not_jobs() -> None:
    queue = queue_of([entry("long", seconds=9) for _ in range(20)] + [entry("short", seconds=3) for _ in range(60)])

    sessions = [one.session for one in leaders(queue, 40)]

    assert sessions.count("long") == 10
    assert sessions.count("short") == 30


def test_jobs_without_audio_are_not_for_free() -> None:
    queue = queue_of([entry("empty", seconds=0) for _ in range(30)] + [entry("other", seconds=1)] * 1)
    queue.add(entry("other", seconds=1))

    assert [one.session for one in leaders(queue, 13)] == ["empty", "other", *["empty"] * 10, "other"]


def test_a_session_that_was_served_more_comes_later_even_after_a_pause() -> None:
    waiting = [entry("b", seconds=10) for _ in range(4)]
    queue = queue_of([entry("a", seconds=25), *waiting])
    assert leaders(queue, 1)[0].session == "a"

    again = entry("a")
    queue.add(again)

    assert leaders(queue) == [*waiting[:3], again, waiting[3]]


def test_when_nobody_waits_past_shares_are_forgotten() -> None:
    queue = queue_of([entry("a", seconds=1000)])
    served(queue)

    first, second = entry("a"), entry("b")
    queue.add(first)
    queue.add(second)

    assert leaders(queue) == [first, second]


def test_past_shares_are_forgotten_too_when_the_last_who_waited_gives_up() -> None:
    gone = entry("b")
    queue = queue_of([entry("a", seconds=1000), gone])
    queue.done(queue.take())
    queue.remove(gone.key)

    again = [entry("a"), entry("b")]
    for one in again:
        queue.add(one)

    assert leaders(queue) == again


def test_a_session_is_forgotten_once_others_have_caught_up() -> None:
    class Session:
        pass

    session = Session()
    gone = weakref.ref(session)
    queue = queue_of([Entry("first", session, LIVE_FINAL, 8.0, None, 0.0, None, redo=False)])
    for _ in range(9):
        queue.add(entry("b", seconds=5))
    del session
    leaders(queue, 2)
    gc.collect()
    assert gone() is not None

    leaders(queue, 2)
    gc.collect()
    assert gone() is None


def test_shares_are_counted_apart_in_each_rank() -> None:
    queue = queue_of([entry("a", BACKLOG, seconds=100), entry("b", BACKLOG), entry("a", BACKLOG)])
    assert leaders(queue, 1)[0].session == "a"

    finals = [entry("a"), entry("b")]
    for one in finals:
        queue.add(one)

    assert leaders(queue, 2) == finals


def test_a_batch_shares_rank_and_key() -> None:
    leader = entry("a", batch_key=3)
    other_key = entry("b", batch_key=4)
    mate = entry("c", batch_key=3)
    partial = entry("d", LIVE_PARTIAL, batch_key=3, partial_of="d")
    backlog = entry("e", BACKLOG, batch_key=3)

    batches = served(queue_of([backlog, partial, leader, other_key, mate], max_batch=8))

    assert batches == [[leader, mate], [other_key], [partial], [backlog]]


def test_a_batch_is_no_larger_than_the_engine_wants() -> None:
    entries = [entry(session) for session in "abcdefg"]

    assert [len(batch) for batch in served(queue_of(entries, max_batch=3))] == [3, 3, 1]


def test_mates_may_overtake_others_of_their_session_but_the_first_leads() -> None:
    keys = [1, 2, 1, 2, 1]
    entries = [entry(batch_key=key) for key in keys]

    batches = served(queue_of(entries, max_batch=2))

    assert batches == [[entries[0], entries[2]], [entries[1], entries[3]], [entries[4]]]


def test_mates_are_chosen_by_the_same_shares() -> None:
    heavy = [entry("heavy", seconds=10) for _ in range(3)]
    light = [entry("light", seconds=1) for _ in range(2)]

    batch = queue_of([*heavy, *light], max_batch=4).take()

    assert batch == [heavy[0], light[0], light[1], heavy[1]]


def test_a_redo_goes_alone() -> None:
    redos = [entry("a", redo=True), entry("b", redo=True)]
    backlog = [entry("a", BACKLOG), entry("b", BACKLOG, redo=True)]

    assert served(queue_of([*redos, *backlog], max_batch=8)) == [[redos[0]], [redos[1]], [backlog[0]], [backlog[1]]]


def test_redos_of_a_backlog_go_before_what_their_session_has_waiting_and_in_order() -> None:
    waiting = [entry(priority=BACKLOG) for _ in range(2)]
    redos = [entry(priority=BACKLOG, redo=True) for _ in range(2)]

    assert leaders(queue_of([*waiting, *redos])) == [*redos, *waiting]


@pytest.mark.parametrize("patient", [entry(priority=BACKLOG), entry(priority=RECOVERY), entry(redo=True)])
def test_one_of_several_workers_is_never_taken_by_what_can_wait(patient: Entry) -> None:
    queue = queue_of([entry("x", BACKLOG), entry("y", BACKLOG)], workers=3)
    first, second = queue.take(), queue.take()
    assert (len(first), len(second)) == (1, 1)
    queue.add(patient)

    assert queue.take() == []

    final = entry()
    queue.add(final)
    assert queue.take() == [final]

    queue.done(first)
    assert queue.take() == [patient]


def test_what_can_wait_may_take_any_worker_but_one_while_live_jobs_run() -> None:
    live, backlog = entry(), entry(priority=BACKLOG)
    queue = queue_of([live, backlog], workers=2)

    assert queue.take() == [live]
    assert queue.take() == [backlog]


def test_a_redo_that_must_wait_holds_up_no_partial() -> None:
    partial = entry(priority=LIVE_PARTIAL, partial_of="u")
    queue = queue_of([entry(priority=BACKLOG)], workers=2)
    queue.take()
    queue.add(entry(redo=True))
    queue.add(partial)

    assert queue.take() == [partial]


def test_workers_are_given_back() -> None:
    queue = queue_of([entry() for _ in range(10)], workers=2)
    assert len(leaders(queue, 3)) == 3

    first, second = queue.take(), queue.take()
    assert first
    assert second
    assert queue.take() == []
    queue.done(second)
    assert queue.take()
    assert queue.take() == []


def test_a_lone_worker_takes_everything_in_order() -> None:
    backlog, final = entry(priority=BACKLOG), entry()
    queue = queue_of([backlog, final])

    batch = queue.take()
    assert batch == [final]
    assert queue.take() == []
    queue.done(batch)
    assert queue.take() == [backlog]


def test_a_newer_partial_takes_the_place_of_the_older_and_its_age() -> None:
    older = entry("a", LIVE_PARTIAL, at=1.0, partial_of="u")
    newer = entry("a", LIVE_PARTIAL, at=1.4, partial_of="u", seconds=2)
    other = entry("b", LIVE_PARTIAL, at=1.2, partial_of="v")
    queue = queue_of([older, other])

    assert queue.add(newer) is older
    assert len(queue) == 2
    assert queue.age(LIVE_PARTIAL, 1.4) == pytest.approx(0.4)
    assert [one.key for one in leaders(queue)] == [newer.key, other.key]


def test_a_partial_is_replaced_whatever_became_of_its_session_meanwhile() -> None:
    older = entry("a", LIVE_PARTIAL, partial_of="u")
    newer = entry("a", BACKLOG, partial_of="u")
    queue = queue_of([older])

    assert queue.add(newer) is older
    assert leaders(queue) == [newer]


def test_partials_of_other_utterances_stay() -> None:
    entries = [entry("a", LIVE_PARTIAL, partial_of="u"), entry("a", LIVE_PARTIAL, partial_of="v")]

    assert leaders(queue_of(entries)) == entries


def test_a_partial_taken_is_no_longer_replaced() -> None:
    older, newer = (entry(priority=LIVE_PARTIAL, partial_of="u") for _ in range(2))
    queue = queue_of([older])
    queue.take()

    assert queue.add(newer) is None
    assert len(queue) == 1


def test_a_partial_is_dropped_by_its_utterance() -> None:
    final, partial = entry(), entry(priority=LIVE_PARTIAL, partial_of="u")
    queue = queue_of([final, partial])

    assert queue.drop("other") is None
    assert queue.drop("u") is partial
    assert queue.drop("u") is None
    assert leaders(queue) == [final]


def test_an_entry_is_taken_back_once() -> None:
    first, second = entry(), entry()
    queue = queue_of([first, second])

    assert queue.remove(first.key) is first
    assert queue.remove(first.key) is None
    assert leaders(queue) == [second]


def test_what_was_taken_back_costs_its_session_nothing() -> None:
    taken_back = [entry("a", seconds=100) for _ in range(5)]
    queue = queue_of([*taken_back, entry("b", seconds=5), entry("b", seconds=5)])
    for one in taken_back:
        queue.remove(one.key)
    queue.add(entry("a"))

    assert [one.session for one in leaders(queue)] == ["b", "a", "b"]


def test_live_jobs_and_others_are_bounded_apart() -> None:
    queue = queue_of([entry(priority=BACKLOG), entry(priority=RECOVERY)], max_waiting=2)

    assert queue.full(BACKLOG)
    assert queue.full(RECOVERY)
    assert not queue.full(LIVE_FINAL)

    queue.add(entry())
    assert not queue.full(LIVE_PARTIAL)
    queue.add(entry(redo=True))
    assert queue.full(LIVE_PARTIAL)

    queue.take()
    assert not queue.full(LIVE_FINAL)


def test_age_is_that_of_the_oldest_waiting() -> None:
    queue = queue_of([entry("a", at=10.0), entry("b", at=10.5)])

    assert queue.age(LIVE_FINAL, 11.0) == pytest.approx(1.0)
    assert queue.age(LIVE_PARTIAL, 11.0) == 0
    queue.take()
    assert queue.age(LIVE_FINAL, 11.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "one", [entry(at=1.0), entry(at=1.0, priority=LIVE_PARTIAL, partial_of="u")], ids=["final", "partial"]
)
def test_partials_are_not_welcome_while_live_work_waits_long(one: Entry) -> None:
    queue = queue_of([one])

    assert queue.partials_welcome(1.5)
    assert not queue.partials_welcome(1.51)
    queue.take()
    assert queue.partials_welcome(1.51)


def test_waiting_backlog_does_not_keep_partials_away() -> None:
    assert queue_of([entry(priority=BACKLOG), entry(redo=True)]).partials_welcome(100.0)


def test_lag_is_the_age_of_the_oldest_as_long_as_no_speed_is_known() -> None:
    queue = queue_of([entry(seconds=30, at=2.0)])

    assert queue.lag(2.0) == 0
    assert queue.lag(2.5) == pytest.approx(0.5)


def test_lag_is_the_audio_waiting_at_the_measured_speed() -> None:
    queue = queue_of([entry(seconds=30), entry(seconds=10), entry(priority=BACKLOG, seconds=500)], workers=2)
    queue.measured(audio_seconds=8, wall_seconds=2)

    assert queue.lag(0.0) == pytest.approx(40 / 4 / 2)
    assert queue.lag(7.0) == pytest.approx(7.0)


def test_speed_follows_what_was_measured_lately() -> None:
    queue = queue_of([entry(seconds=100)])
    for speed in [10.0] * 20 + [2.0] * 60:
        queue.measured(audio_seconds=speed, wall_seconds=1)

    assert queue.lag(0.0) == pytest.approx(50, rel=0.05)


def test_one_measurement_moves_the_speed_by_a_tenth() -> None:
    queue = queue_of([entry(seconds=19)])
    queue.measured(audio_seconds=10, wall_seconds=1)
    queue.measured(audio_seconds=10, wall_seconds=10)

    assert queue.lag(0.0) == pytest.approx(10.9)


def test_without_live_finals_there_is_no_lag() -> None:
    queue = queue_of([entry(priority=BACKLOG, seconds=100), entry(redo=True)])
    queue.measured(audio_seconds=1, wall_seconds=1)

    assert queue.lag(100.0) == 0


lengths = st.floats(0.1, 15)


@given(
    jobs=st.lists(st.tuples(st.sampled_from("abc"), lengths, st.integers(0, 2)), min_size=1, max_size=60),
    max_batch=st.integers(1, 4),
)
def test_sessions_that_wait_are_served_alike(jobs: list[tuple[str, float, int]], max_batch: int) -> None:
    """As long as two sessions wait, what they were served since differs by their longest jobs, or by a batch."""
    queue = queue_of(
        [entry(session, seconds=seconds, batch_key=key) for session, seconds, key in jobs], max_batch=max_batch
    )
    left = [session for session, _, _ in jobs]
    got: dict[str, float] = defaultdict(float)
    longest = max(seconds for _, seconds, _ in jobs)

    while all(session in left for session in "ab") and (batch := queue.take()):
        queue.done(batch)
        for one in batch:
            got[str(one.session)] += one.audio_seconds
            left.remove(str(one.session))
        if all(session in left for session in "ab"):
            assert abs(got["a"] - got["b"]) <= (max_batch + 1) * longest + 1e-6


class QueueMachine(RuleBasedStateMachine):
    """Everything that can happen to a queue, and what must be true of it all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = 3
        self.queue = Queue(workers=self.workers, max_batch=3, max_waiting=1000)
        self.waiting: dict[object, Entry] = {}
        self.running: list[list[Entry]] = []
        self.now = 0.0

    def _add(self, one: Entry) -> None:
        replaced = self.queue.add(one)
        expected = [w for w in self.waiting.values() if one.partial_of is not None and w.partial_of == one.partial_of]
        assert [replaced.key if replaced else None] == ([w.key for w in expected] or [None])
        for old in expected:
            del self.waiting[old.key]
        self.waiting[one.key] = one

    @rule(
        session=st.sampled_from("abcd"),
        priority=st.sampled_from([LIVE_FINAL, BACKLOG, RECOVERY]),
        seconds=lengths,
        batch_key=st.integers(0, 2),
        redo=st.booleans(),
    )
    def add_final(self, session: str, priority: Priority, seconds: float, batch_key: int, redo: bool) -> None:
        self.now += 0.1
        self._add(entry(session, priority, seconds=seconds, batch_key=batch_key, at=self.now, redo=redo))

    @rule(
        session=st.sampled_from("abcd"),
        utterance=st.integers(0, 2),
        priority=st.sampled_from([LIVE_PARTIAL, BACKLOG]),
        seconds=lengths,
    )
    def add_partial(self, session: str, utterance: int, priority: Priority, seconds: float) -> None:
        self.now += 0.1
        self._add(entry(session, priority, seconds=seconds, at=self.now, partial_of=f"{session}{utterance}"))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(list(self.waiting.values())))
        removed = self.queue.remove(one.key) if one.partial_of is None else self.queue.drop(one.partial_of)
        assert removed is not None
        assert removed.key == one.key
        del self.waiting[one.key]

    @rule()
    def take(self) -> None:
        batch = self.queue.take()
        if batch:
            self._check(batch)
            self.running.append(batch)
            for one in batch:
                del self.waiting[one.key]
        elif len(self.running) < self.workers:
            assert all(one.patient for one in self.waiting.values())
            assert not self.waiting or sum(other[0].patient for other in self.running) == self.workers - 1
        assert len(self.running) <= self.workers

    def _check(self, batch: list[Entry]) -> None:
        leader = batch[0]
        assert all(one.key in self.waiting for one in batch)
        assert len({(one.priority, one.redo, one.batch_key) for one in batch}) == 1
        assert 1 <= len(batch) <= (1 if leader.redo else 3)
        assert sum(other[0].patient for other in [*self.running, batch]) < self.workers
        same = [
            one
            for one in self.waiting.values()
            if (one.session, one.priority, one.redo) == (leader.session, leader.priority, leader.redo)
        ]
        if leader.partial_of is None:
            assert next(one for one in same if one.partial_of is None).key == leader.key
        sooner = [(one.priority, one.redo) for one in self.waiting.values() if one.priority < leader.priority]
        assert set(sooner) <= ({(LIVE_FINAL, True)} if leader.priority is LIVE_PARTIAL else set())
        if leader.redo and leader.priority is LIVE_FINAL:
            assert not any(one.priority is LIVE_FINAL and not one.redo for one in self.waiting.values())

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        batch = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.queue.done(batch)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.queue) == len(self.waiting)
        finals = [one for one in self.waiting.values() if one.priority is LIVE_FINAL and not one.redo]
        oldest = min((one.enqueued for one in finals), default=self.now)
        assert self.queue.age(LIVE_FINAL, self.now) == pytest.approx(self.now - oldest)

    def teardown(self) -> None:
        for batch in self.running:
            self.queue.done(batch)
        taken = [one.key for batch in served(self.queue) for one in batch]
        assert sorted(map(str, taken)) == sorted(map(str, self.waiting))


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)
