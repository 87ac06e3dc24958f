"""From settings to parts."""

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import transcriber
from tests.gates import HERE
from tests.openai_stub import KEY, OpenAIStub
from tests.otlp_stub import OtlpStub
from tests.served import as_it_was
from transcriber.app import Service, background, create_app, defaults, limits, make_engine, make_traces
from transcriber.engines.whisper_models import ModelError
from transcriber.events import Options
from transcriber.settings import Settings
from transcriber.tracing import NoTraces


@pytest.fixture(autouse=True)
def _for_this_app_only() -> Iterator[None]:
    with as_it_was():
        yield


def settings_of(folder: Path, **others: object) -> Settings:
    return Settings(**{"engine": "openai", "openai_api_key": KEY, "data_dir": folder / "data", **others})  # type: ignore[arg-type]


def test_settings_become_the_defaults_of_options() -> None:
    assert defaults(Settings()) == Options()
    assert defaults(Settings(default_language="de", endpointing_ms=300)) == Options(language="de", endpointing_ms=300)


def test_settings_become_limits() -> None:
    made = limits(
        Settings(max_sessions=3, max_session_seconds=60, max_session_bytes=1 << 20, max_lag_seconds=2, resume_seconds=9)
    )
    assert (made.sessions, made.session_seconds, made.session_bytes) == (3, 60, 1 << 20)
    assert (made.lag_seconds, made.resume_seconds) == (2, 9)


async def test_the_engine_of_the_settings() -> None:
    async with OpenAIStub() as stub:
        made = make_engine(Settings(openai_base_url=stub.base_url, openai_model="whisper-1", openai_max_requests=3))
        assert (made.description.engine, made.description.model) == ("openai", "whisper-1")
        assert made.capabilities.workers == 3
        await made.close()


def test_a_local_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transcriber.engines.local_whisper", None)
    with pytest.raises(ImportError, match=r"install transcriber\[local\], or set OPENAI_API_KEY"):
        make_engine(Settings())


def test_a_local_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="LOCAL_MODEL"):
        make_engine(Settings(local_model=str(tmp_path)))


def test_a_language_for_all_that_the_model_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"^DEFAULT_LANGUAGE: the model tiny\.en does not know .* LOCAL_MODEL"):
        make_engine(Settings(default_language="fr"))
    assert make_engine(Settings(default_language="en")).description.model == "tiny.en"


async def test_a_service_comes_to_life_and_goes(tmp_path: Path) -> None:
    service = await Service.start(settings_of(tmp_path))
    assert service.engine.description.engine == "openai"
    assert service.sessions.refusal() is None
    assert (tmp_path / "data" / "spool").is_dir()
    await service.stop()
    assert service.sessions.draining
    assert not [path for path in (tmp_path / "data" / ".tmp").iterdir() if path.is_dir()]


async def test_an_app_has_its_service_while_it_serves(tmp_path: Path) -> None:
    app = create_app(settings_of(tmp_path))
    async with app.test_app():
        client = app.test_client()
        assert (await client.get("/health")).status_code == 200
        app.extensions["service"].sessions.draining = True
        assert (await client.get("/health")).status_code == 503
        assert (await client.get("/live")).status_code == 200


async def test_what_can_not_be_used_is_told_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "data").write_text("no folder")
    app = create_app(settings_of(tmp_path))
    with caplog.at_level(logging.ERROR), pytest.raises(SystemExit) as ended:
        await app.startup()
    assert ended.value.code == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"can't start: The folder {tmp_path / 'data'} of the store can't be used: Not a directory"
    ]


async def test_traces_go_where_the_settings_say_and_nowhere_without() -> None:
    assert isinstance(make_traces(Settings()), NoTraces)
    async with OtlpStub() as collector:
        traces = make_traces(Settings(otel_exporter_otlp_endpoint=collector.endpoint, otel_service_name="speech"))
        traces.begin("session").end()
        await traces.close()
        assert [span.name for span in collector.spans] == ["session"]
        assert collector.resources["service.name"] == "speech"


async def test_what_the_parts_know_of_themselves_is_in_the_metrics(tmp_path: Path) -> None:
    app = create_app(settings_of(tmp_path))
    async with app.test_app():
        text = await (await app.test_client().get("/metrics", scope_base=HERE)).get_data(as_text=True)
        service: Service = app.extensions["service"]
        assert f'version="{transcriber.__version__}"' in text
        service.detector.track()
        spool = service.sessions.begin(Options()).spool
        spool.append_audio(bytes(1000))
        read = service.sessions.parts.metrics.read()
        assert read.spool_bytes >= 1000
        assert (read.queue_jobs, read.running_jobs, read.lag_seconds) == (0, 0, 0)


async def test_metrics_go_to_standard_output_where_there_is_a_namespace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for namespace in ("", "Speech"):
        service = await Service.start(settings_of(tmp_path, emf_namespace=namespace))
        await asyncio.sleep(0)
        await service.stop()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Speech"


async def test_what_watches_goes_on_after_a_failure_and_tells_no_message(caplog: pytest.LogCaptureFixture) -> None:
    begun, third = list[int](), asyncio.Event()

    async def watch() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise RuntimeError("planted")
        third.set()
        await asyncio.Event().wait()

    (task,) = background(watch, pause_seconds=0.001)
    async with asyncio.timeout(5):
        await third.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert [record.getMessage() for record in caplog.records] == ["what watches failed, and begins anew"] * 2
