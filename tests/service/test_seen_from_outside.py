"""What the service shows of itself to whoever runs it; and that what was said is not among it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import lj001
from tests.checked_client import client, refusal, transcribe
from tests.http_get import get
from tests.openai_stub import OpenAIStub, error
from tests.otlp_stub import OtlpStub, attributes
from tests.service_process import ServiceProcess
from tests.stage import until
from tests.stub_server import Reply, json_reply
from tests.ways_in import ask, handshake
from transcriber.api_keys import ApiKey, KeyLimits, digest, dump, new_key

SPEECH = lj001.wav(0, 4)

KEY = "sk-velleity0987654321"
TRANSCRIPT = "xylophrenic"
PROMPT = "quizzacious"
KEYWORD = "zanzibarine"
UPSTREAM = "ombrophilous"
CLIENT = "jumentous"
PLANTED = (KEY, TRANSCRIPT, PROMPT, KEYWORD, UPSTREAM, CLIENT)


class Watched:
    """A service with all that looks at it."""

    def __init__(self, folder: Path) -> None:
        self.engine = OpenAIStub(f"The {TRANSCRIPT} fox.", key=KEY)
        self.collector = OtlpStub()
        self._folder = folder
        self.metrics = ""

    async def __aenter__(self) -> "Watched":
        await self.engine.__aenter__()
        await self.collector.__aenter__()
        self.service = ServiceProcess(
            self._folder,
            engine="openai",
            openai_base_url=self.engine.base_url,
            openai_api_key=KEY,
            log_level="DEBUG",
            emf_namespace="Speech",
            emf_seconds=0.5,
            otel_exporter_otlp_endpoint=self.collector.endpoint,
            utterance_deadline_seconds=1,
            drain_seconds=0,
        )
        await asyncio.to_thread(self.service.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.service.__exit__()
        await self.collector.__aexit__()
        await self.engine.__aexit__()

    async def stop(self) -> None:
        """Look a last time, then end it."""
        _, self.metrics = await asyncio.to_thread(get, self.service.port, "/metrics")
        self.service.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.service.wait) == 0

    def logged(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.service.log() if line["event"] == event]

    def value(self, series: str) -> float:
        """Of a series with its labels, as it was the last time."""
        (line,) = (line for line in self.metrics.splitlines() if line.startswith(f"transcriber_{series} "))
        return float(line.split()[-1])

    def shown(self) -> dict[str, str]:
        """All that is to be seen from outside."""
        traces = b"".join(self.collector.bodies).decode("latin-1")
        return {"log and EMF": self.service.log_text(), "metrics": self.metrics, "traces": traces}


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    async with Watched(tmp_path) as running:
        yield running


async def test_nothing_that_was_said_is_in_logs_metrics_or_traces(watched: Watched) -> None:
    url, script = watched.service.url, watched.engine.script
    hints = {"prompt": f"About {PROMPT}.", "keywords": [KEYWORD]}
    async with client(url, interim_results="true", **hints) as live:
        await live.stream(lj001.wav(0, 2.5), message_bytes=3200, pause_seconds=0.1)
        await live.say("END")
        await live.hear_all()
    assert TRANSCRIPT in live.text
    assert live.of("partial")
    began = await transcribe(url, {"type": "start", **hints}, SPEECH, "END")
    assert TRANSCRIPT in began.text
    for answer in _failures():
        script.extend([answer] * 40)
        failed = await transcribe(url, SPEECH, "END", **hints)
        assert failed.of("error")[0]["code"] == "engine_failed"
        script.clear()
    await _behave_badly(url, hints)
    await watched.stop()

    texts = [path.read_text() for path in watched.service.data.rglob("transcript.txt")]
    records = [path.read_text() for path in watched.service.data.rglob("transcript.json")]
    assert any(TRANSCRIPT in text for text in texts)
    assert any(PROMPT in record and KEYWORD in record for record in records)
    assert not [text for text in texts + records if KEY in text or UPSTREAM in text]
    shown = watched.shown()
    assert all(len(text) > 1000 for text in shown.values())
    found = [(name, word) for name, text in shown.items() for word in PLANTED if word.lower() in text.lower()]
    assert found == []


def _failures() -> list[Reply]:
    """Ways of the engine to say no, each with words that are nobody's business."""
    return [
        error(500, f"The {UPSTREAM} server is down.", x_detail=UPSTREAM),
        error(400, f"{UPSTREAM}: {PROMPT} is no prompt.", param="prompt", code="bad_prompt"),
        error(401, f"Incorrect API key provided: {KEY}."),
        json_reply({"error": f"{UPSTREAM}"}),
        Reply(body=f"{UPSTREAM} {TRANSCRIPT}".encode()),
        json_reply({"text": {UPSTREAM: TRANSCRIPT}}),
        Reply(body=b'{"text": "' + TRANSCRIPT.encode() * 40 + b'"}', cut=True),
    ]


async def _behave_badly(url: str, hints: dict[str, object]) -> None:
    """What a client may do wrong, with words of its own in it."""
    for query in ({CLIENT: CLIENT}, {"language": CLIENT}, {"resume_token": CLIENT}, {"model": CLIENT}):
        await refusal(url, **query)
    async with client(url, **hints) as babbler:
        for message in (CLIENT, f'{{"type": "{CLIENT}"}}', f'{{"type": "configure", "{CLIENT}": 1}}', f'"{CLIENT}'):
            await babbler.blurt(message)
        await babbler.connection.send(CLIENT.encode() * 1000)
        assert (await babbler.hear_all())[0] == 1003
    async with client(url, **hints) as leaver:
        await leaver.stream(SPEECH)
        await leaver.hear_until("speech_started")
        leaver.vanish()


async def test_a_session_is_seen_in_log_metrics_emf_and_traces(watched: Watched) -> None:
    speaker = await transcribe(watched.service.url, SPEECH, "END")
    session_id, complete = speaker.received[0]["session_id"], speaker.received[-1]
    await until(lambda: watched.logged("session over"))
    await asyncio.sleep(0.3)  # the event loop is looked at every 250 ms
    await watched.stop()
    (line,) = watched.logged("session over")
    assert (line["session"], line["end"], line["storage"]) == (session_id, "complete", "stored")
    assert line["utterances"] == line["finals"] == complete["utterances"]
    assert line["received_bytes"] == watched.value("received_bytes_total") == len(SPEECH)
    assert watched.value('sessions_ended_total{end="complete"}') == 1
    assert watched.value("audio_in_seconds_total") == pytest.approx(complete["duration_seconds"], abs=0.04)
    assert watched.value("decoder_cpu_seconds_total") > 0
    assert watched.value("detector_cpu_seconds_total") > 0
    assert watched.value("event_loop_delay_seconds_count") > 0
    emf = watched.logged("metrics")
    assert max(line["AudioIn"] for line in emf) > 0  # type: ignore[type-var]
    assert sum(line["SessionsEnded"] for line in emf) == 1  # type: ignore[misc]
    assert emf[-1]["ActiveSessions"] == 0
    spans = watched.collector.spans
    (session,) = (span for span in spans if span.name == "session")
    assert attributes(session)["transcriber.session"] == session_id
    assert {span.trace_id for span in spans} == {session.trace_id}
    names = [span.name for span in spans]
    assert names.count("utterance") == names.count("engine") == complete["utterances"]


async def test_no_key_and_no_token_is_anywhere(openai_settings: dict[str, str], tmp_path: Path) -> None:
    secret = "xenodochial" * 4
    made = {name: new_key(name, KeyLimits()) for name in ("alice", "revoked")}
    file = tmp_path / "keys.json"
    file.write_text(dump([key for _, key in made.values()]))
    planted = {secret, *(text for text, _ in made.values())}
    async with OtlpStub() as collector:
        service = ServiceProcess(
            tmp_path / "service",
            **openai_settings,
            api_keys_file=file,
            token_secret=secret,
            log_level="DEBUG",
            emf_namespace="Speech",
            otel_exporter_otlp_endpoint=collector.endpoint,
            drain_seconds=0,
        )
        await asyncio.to_thread(service.start)
        with contextlib.ExitStack() as stack:
            stack.callback(service.__exit__)
            answers = await asyncio.to_thread(_tried, service, made["alice"][0], made["revoked"][0], file, planted)
            _, metrics = await asyncio.to_thread(get, service.port, "/metrics")
            service.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(service.wait) == 0
        traces = b"".join(collector.bodies).decode("latin-1")
    assert len(planted) == 6
    shown = {"log and EMF": service.log_text(), "metrics": metrics, "traces": traces, "answers": "".join(answers)}
    files = [path for path in (tmp_path / "service").rglob("*") if path.is_file()]
    assert any(path.parent.name == "tokens" for path in files)
    stored = {str(path): path.read_bytes().decode("latin-1") + str(path) for path in [*files, file]}
    secrets = [part for text in planted for part in (text, text[4:20])]
    assert [name for name, text in (shown | stored).items() if any(part in text for part in secrets)] == []


def _tried(service: ServiceProcess, key: str, revoked: str, file: Path, planted: set[str]) -> list[str]:
    """Keys and tokens shown in every place, good and bad; what was answered, but for tokens asked for."""
    answers: list[str] = []

    def show(path: str = "/ws", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = handshake(service.port, path, named)
        answers.append(f"{answer.headers} {answer.body}")

    for text in (key, f"{key[:-1]}!", revoked):
        show(Authorization=f"Bearer {text}")
        show(f"/ws?token={text}")
        show(f"/ws?{text}={text}")
        show(X_API_Key=f"{text}\t{text}")
        show(Sec_WebSocket_Protocol=f"token.{text}")
        show(f"/ws?resume_token={text}", X_API_Key=text)
    file.write_text(file.read_text().replace('"name": "revoked"', f'"{revoked}": 1'))
    show(X_API_Key=revoked)
    file.write_text("[]")
    show(X_API_Key=revoked)
    file.write_text(dump([ApiKey("alice", digest(key))]))
    for place in ("/ws?token={}", "/ws?language={}", "/{}"):
        token = ask(service.port, "POST", "/v1/tokens", {"X-API-Key": key}).body["token"]
        planted.add(token)
        show(place.format(token))
        show(place.format(token))
    return answers
