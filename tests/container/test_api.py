"""The image `api` under the limits of the smallest Fargate task, against a server that answers as OpenAI's does."""

import signal
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tests import lj001
from tests.calls import check_kept, end_amid_calls
from tests.checked_client import client, transcribe
from tests.container.container import Container
from tests.container.docker import Docker
from tests.http_get import get
from tests.native_server import until
from tests.s3_server import s3_server

pytestmark = pytest.mark.timeout(600)

SMALLEST_TASK = ("--cpus", "0.25", "--memory", "512m", "--memory-swap", "512m")
SPEECH = lj001.wav(0, 12)

Make = Callable[..., Container]


@pytest.fixture
def make(engine: Docker, api: str, openai_settings: dict[str, str], tmp_path: Path) -> Generator[Make]:
    """Containers that are gone behind the test."""
    made: list[Container] = []

    def new(*options: str, **settings: object) -> Container:
        folder = tmp_path / f"container-{len(made)}"
        made.append(Container(engine, api, folder, (*SMALLEST_TASK, *options), **{**openai_settings, **settings}))
        return made[-1]

    yield new
    for container in made:
        container.__exit__()


async def test_from_a_cold_start_to_the_end_of_a_task(make: Make, printed: Callable[[str], None]) -> None:
    service = make(drain_seconds=2).start()
    serving = time.monotonic() - service.started_at
    speaker = await transcribe(service.url, lj001.wav(9.955, 11.9), "END")
    first_text = time.monotonic() - service.started_at
    assert speaker.text == "in being comparatively modern."
    healthy = service.until_healthy()
    assert service.in_it("id", "--user", "--real") == "10001"
    assert "NoNewPrivs:\t1" in service.in_it("cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in service.in_it("cat", "/proc/1/status")
    printed(
        f"0.25 vCPU, from docker run: serves after {serving:.1f} s, first transcript of 2 s of speech after"
        f" {first_text:.1f} s, healthy after {healthy:.1f} s; memory {service.memory_bytes() / 1e6:.0f} MB"
    )
    ending = await end_amid_calls(service, ["polite"] * 3, [(0, signal.SIGTERM)], speaking_seconds=6)
    assert ending.exit_code == 0
    assert {call.close for call in ending.calls} == {(1012, "service restart")}
    check_kept(service, ending)


async def test_draining_is_alive_but_takes_no_sessions(make: Make) -> None:
    service = make(drain_seconds=30).start()
    service.until_healthy()
    async with client(service.url) as speaker:
        await speaker.hear()
        await speaker.stream(SPEECH[:100_000])
        service.send_signal(signal.SIGTERM)
        await speaker.hear_until("warning")
        assert (get(service.port, "/health")[0], get(service.port, "/live")[0]) == (503, 200)
        seen = len(service.state["Health"]["Log"])
        await until(lambda: len(service.state["Health"]["Log"]) > seen)
        assert service.health == "healthy"
        await speaker.say("END")
        await speaker.hear_until("complete")
    assert service.wait() == 0


async def test_recordings_go_to_s3(make: Make) -> None:
    with s3_server() as s3:
        bucket = s3.make_bucket()
        given = {name.lower(): value for name, value in s3.environment.items()}
        service = make(s3_bucket=bucket, **given).start()
        speaker = await transcribe(service.url, SPEECH, "END")
        complete = speaker.received[-1]
        assert complete["storage"]["state"] == "stored"
        listed = s3.client.list_objects_v2(Bucket=bucket)["Contents"]
        kept = {str(item["Key"]).rpartition("/")[2]: str(item["Key"]) for item in listed}
        assert {"audio.wav", "transcript.json"} <= set(kept)
        recording = s3.client.get_object(Bucket=bucket, Key=kept["audio.wav"])["Body"].read()
        assert recording[44:] == SPEECH[44:]
        service.send_signal(signal.SIGTERM)
        assert service.wait() == 0
        assert service.leftovers() == []


async def test_nothing_is_written_outside_of_the_volume(make: Make) -> None:
    service = make("--read-only=false").start()
    await transcribe(service.url, SPEECH, "END")
    service.send_signal(signal.SIGTERM)
    assert service.wait() == 0
    assert service.changed_files() == []


def test_a_folder_of_roots_is_told_at_the_start(make: Make, root_owned: Path) -> None:
    service = make("--volume", f"{root_owned}:/spool", spool_dir="/spool").launch()
    assert service.wait() == 1
    said = service.log()[-1]["event"]
    assert said == "can't start: the spool /spool can't be used by user 10001: it may not write there"


def test_as_it_is_built_it_listens_to_all_and_is_found_healthy(make: Make) -> None:
    service = make(reachable=False, allow_anonymous="true").launch()
    service.until_healthy()
    assert "Running on http://0.0.0.0:8080" in service.log_text()


def test_a_signal_while_it_is_loaded_ends_it(make: Make) -> None:
    service = make().launch()
    deadline = time.monotonic() + 20
    while "/numpy/" not in service.mapped_files():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    service.send_signal(signal.SIGTERM)
    assert service.wait() == 128 + signal.SIGTERM
