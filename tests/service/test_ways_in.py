"""Who is let in, and who is not: the whole table of refusals, on running services."""

from collections.abc import Generator

import pytest

from tests import lj001
from tests.checked_client import client
from tests.ways_in import WAYS, Door, Way, ask, open_door

SPEECH = lj001.wav(9.955, 11.9)


@pytest.fixture(scope="module")
def door(openai_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    with open_door(tmp_path_factory.mktemp("door"), openai_settings) as opened:
        yield opened


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_no_way_in(way: Way, door: Door) -> None:
    answer = way.tried(door)
    assert (answer.status, answer.code) == (way.status, way.code)
    if way.status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if way.status == 429:
        assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("name", ["alice", "bob", "english"])
@pytest.mark.parametrize(
    "header", ["Authorization: Bearer ", "Authorization: Token ", "authorization: bearer ", "X-API-Key: "]
)
def test_a_key_in_every_place_for_it(door: Door, name: str, header: str) -> None:
    field, _, scheme = header.partition(": ")
    assert door.handshake(headers={field: scheme + door.keys[name]}).status == 101


def test_probes_need_no_key_and_no_name(door: Door) -> None:
    for path in ("/health", "/live"):
        for service in (door.keyed, door.anonymous):
            assert ask(service.port, "GET", path, {"Host": "10.1.2.3", "X-Forwarded-For": "10.0.0.1"}).status == 200


def test_metrics_are_for_this_machine_and_for_keys_that_are_for_them(door: Door) -> None:
    assert ask(door.keyed.port, "GET", "/metrics").status == 200
    through_a_proxy = {"X-Forwarded-For": "10.0.0.1", **door.key("prometheus")}
    assert ask(door.keyed.port, "GET", "/metrics", through_a_proxy).status == 200


async def test_a_token_begins_one_session_in_the_query_or_as_a_subprotocol(door: Door) -> None:
    async with client(door.keyed.url, token=door.token()) as speaker:
        assert (await speaker.hear())["type"] == "status"
        await speaker.say("END")
        assert await speaker.hear_all() == (1000, "complete")
    answer = door.handshake(headers={"Sec-WebSocket-Protocol": f"transcriber, token.{door.token()}"})
    assert (answer.status, answer.headers["sec-websocket-protocol"]) == (101, "transcriber")


async def test_a_token_is_held_to_its_limits_and_its_keys(door: Door) -> None:
    token = door.token("english", session_seconds=600, record="none")
    async with client(door.keyed.url, token=token, language="en") as speaker:
        status = await speaker.hear()
        assert (status["options"]["record"], status["max_session_seconds"]) == ("none", 60)
        await speaker.say({"type": "start", "record": "audio+text", "language": "de"})
        error = await speaker.hear_until("error")
        assert (error["code"], error["fatal"]) == ("language_not_allowed", True)
        assert (await speaker.hear_all())[0] == 1008


async def test_what_a_key_leaves_no_choice_in_is_chosen(door: Door) -> None:
    headers = door.key("english")
    async with client(door.keyed.url, headers=headers) as speaker:
        options = (await speaker.hear())["options"]
        assert (options["language"], options["model"], options["record"]) == ("en", None, "text")
