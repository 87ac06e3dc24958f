"""One session: what its client may say, and when it ends."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stage import House, until
from transcriber.bounds import Bounds
from transcriber.events import Ended, Options, Reconfigure, Rejected, Started
from transcriber.live import Admission, Limits, Live
from transcriber.sessions import Sessions

BOUNDS = Bounds(models=("large",), languages=("en", "de"), record="text")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path, Limits(session_seconds=1000)) as made:
        yield made


@pytest.fixture
async def live(house: House) -> Live:
    return house.sessions.begin(Options(language="de"), Admission("alice", "id", BOUNDS))


def test_a_start_stays_within_what_the_key_allows(live: Live) -> None:
    started = live.bounded(Started(Options(record="audio+text")))
    assert started == Started(Options(record="text", language="en", model="large"))
    rejected = live.bounded(Started(Options(language="fr")))
    assert isinstance(rejected, Rejected)
    assert (rejected.error.code, rejected.error.close_code) == ("language_not_allowed", 1008)


def test_a_change_stays_within_what_the_key_allows(live: Live) -> None:
    assert live.bounded(Reconfigure({"language": "en", "prompt": "x"})) == Reconfigure(
        {"language": "en", "prompt": "x"}
    )
    assert live.bounded(Reconfigure({"language": None})) == Reconfigure({"language": "en"})
    rejected = live.bounded(Reconfigure({"language": "fr"}))
    assert isinstance(rejected, Rejected)
    assert (rejected.error.code, rejected.error.close_code) == ("language_not_allowed", None)


def test_anything_else_is_let_through(live: Live) -> None:
    command = Ended()
    assert live.bounded(command) is command


@pytest.mark.parametrize(("asked", "seconds"), [(None, 1000), (60, 60), (5000, 1000), (0, 0)])
async def test_a_session_is_as_long_as_service_and_key_allow(house: House, asked: float | None, seconds: float) -> None:
    assert house.sessions.begin(Options(), Admission(seconds=asked)).status.max_session_seconds == seconds


async def test_owners_are_told_apart(house: House, live: Live) -> None:
    house.sessions.begin(Options(), Admission("bob"))
    assert [len(house.sessions.running(owner)) for owner in ("alice", "bob", "")] == [1, 1, 0]
    assert list(house.sessions.audio_seconds("alice").values()) == [0]
    over: list[str] = []
    house.sessions.on_over = lambda ended: over.append(ended.status.owner)
    live.end(Ended())
    await until(lambda: over == ["alice"])
    assert house.sessions.running("alice") == frozenset()


async def test_a_session_is_resumed_by_its_owner_alone_and_within_what_the_new_key_allows(house: House) -> None:
    live = house.sessions.begin(Options(resume=True), Admission("alice"))
    token = live.status.resume_token or ""
    assert house.sessions.resume(token) is None
    assert house.sessions.resume(token, Admission("bob")) is None
    again = Admission("alice", "newer", BOUNDS)
    assert house.sessions.resume(token, again) is live
    assert live.admission is again


async def test_an_owner_is_known_to_the_next_process(tmp_path: Path) -> None:
    async with House(tmp_path) as house:
        begun = house.sessions.begin(Options(resume=True), Admission("alice"))
        await until(lambda: begun.spool.events_told)
        await house.sessions.drain(0)
        later = Sessions(house.sessions.parts, tmp_path / "spool")
        assert later.recover() == 1
        assert later.running("alice") == {begun.session_id}
        (live,) = later.living()
        live.end(Ended())
        await until(lambda: not later.living())
