"""Jobs without a server."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stage import SPEECH, House, wav
from transcriber.client.errors import ConnectionFailed, Refused
from transcriber.job_archive import JobArchive
from transcriber.jobs import Jobs
from transcriber.offline import KEPT_DAYS, OfflineService, drop_abandoned, in_process, local, own_folder
from transcriber.settings import Settings

AUDIO = wav(SPEECH)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as made:
        yield made


@pytest.fixture
async def service(house: House) -> AsyncIterator[OfflineService]:
    jobs = Jobs(house.sessions, JobArchive(house.store))
    yield OfflineService(jobs)
    await jobs.close()


async def test_a_file_is_transcribed_and_nothing_is_left(service: OfflineService, house: House) -> None:
    job = await service.begin("a.wav", len(AUDIO), {})
    await service.append(job.id, AUDIO[:10], 0, complete=False)
    await service.append(job.id, AUDIO[10:], 10, complete=True)
    async with asyncio.timeout(10):
        while not (await service.job(job.id)).ended:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert len((await service.result(job.id, "txt")).splitlines()) == 3
    assert not list((house.folder / "store").rglob("audio.wav")), "it lies where it came from"
    await service.forget(job.id)
    assert house.transcripts() == []
    with pytest.raises(Refused) as refused:
        await service.job(job.id)
    assert refused.value.code == "unknown_job"


@pytest.mark.parametrize(
    ("options", "size", "code"),
    [
        ({"language": "english"}, 1, "invalid_field"),
        ({"record": "none"}, 1, "invalid_field"),
        ({}, 1 << 50, "file_too_large"),
    ],
    ids=str,
)
async def test_what_is_refused(service: OfflineService, options: dict[str, str], size: int, code: str) -> None:
    with pytest.raises(Refused) as refused:
        await service.begin("a.wav", size, options)
    assert refused.value.code == code


async def test_a_piece_out_of_place(service: OfflineService) -> None:
    job = await service.begin("a.wav", len(AUDIO), {})
    with pytest.raises(Refused) as refused:
        await service.append(job.id, AUDIO, 5, complete=True)
    assert refused.value.code == "wrong_offset"


def test_commands_at_the_same_time_have_folders_of_their_own(tmp_path: Path) -> None:
    with own_folder(tmp_path) as first, own_folder(tmp_path) as second:
        assert first != second
    with own_folder(tmp_path) as again:
        assert again == first
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConnectionFailed), own_folder(tmp_path / "file"):
        pass


@pytest.mark.parametrize("place", ["spool/{}.job", "2026/11/25/20261125T101500Z-{}/job.json"])
def test_a_folder_with_the_jobs_that_were_begun_comes_first(tmp_path: Path, place: str) -> None:
    job = "01a214cc-bac4-743c-ac79-bc1c192d046f"
    left = tmp_path / "2" / place.format(job)
    left.parent.mkdir(parents=True)
    left.touch()
    with own_folder(tmp_path, ["another", job]) as folder, own_folder(tmp_path, [job]) as second:
        assert (folder, second) == (tmp_path / "2", tmp_path / "0")


def test_what_nobody_goes_on_with_is_let_go_of(tmp_path: Path) -> None:
    for name, days in (("old", KEPT_DAYS + 0.1), ("new", KEPT_DAYS - 0.1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "audio-000000000000000").touch()
        record = tmp_path / f"{name}.job"
        record.touch()
        since = time.time() - days * 24 * 3600
        os.utime(record, (since, since))
    drop_abandoned(tmp_path)
    drop_abandoned(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "new.job"]


def test_only_the_engine_is_that_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(engine="openai", openai_api_key="k", s3_bucket="b", emf_namespace="n", spool_dir=tmp_path)
    made = local(settings, tmp_path / "own", 3)
    assert (made.engine, made.s3_bucket, made.emf_namespace) == ("openai", "", "")
    assert (made.data_dir, made.spool_root, made.max_running_jobs) == (tmp_path / "own", tmp_path / "own/spool", 3)


async def test_settings_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PORT", "eighty")
    with pytest.raises(ConnectionFailed, match="PORT"):
        async with in_process(1):
            pass
    monkeypatch.delenv("PORT")
    monkeypatch.setenv("ENGINE", "local")
    monkeypatch.setenv("LOCAL_MODEL", str(tmp_path / "nowhere"))
    with pytest.raises(ConnectionFailed) as failed:
        async with in_process(1):
            pass
    assert failed.value.code == "no_engine"
