"""The images with the local engine: their packaged model hears the demo."""

import signal
from pathlib import Path

import pytest

from tests import lj001
from tests.checked_client import transcribe
from tests.container.container import Container
from tests.container.docker import Docker
from tests.container.test_images import check_config

pytestmark = pytest.mark.timeout(600)

TASK = ("--cpus", "1", "--memory", "2g", "--memory-swap", "2g")
SPEECH = lj001.wav(0, 12)


async def check_transcribes(engine: Docker, image: str, folder: Path) -> None:
    with Container(engine, image, folder, TASK) as service:
        speaker = await transcribe(service.url, SPEECH, "END")
        assert speaker.received[0]["engine"] == "local"
        assert speaker.text.lower().startswith("printing, in the only sense with which we are at present concerned")
        assert speaker.received[-1]["storage"]["state"] == "stored"
        session = service.stored(speaker.received[0]["session_id"])
        assert (session / "audio.wav").read_bytes()[44:] == SPEECH[44:]
        service.send_signal(signal.SIGTERM)
        assert service.wait() == 0
        assert service.leftovers() == []


async def test_local(engine: Docker, local: str, tmp_path: Path) -> None:
    await check_transcribes(engine, local, tmp_path)


async def test_cuda_without_a_gpu_computes_as_local_does(engine: Docker, cuda: str, tmp_path: Path) -> None:
    config = engine.inspect(cuda)["Config"]
    check_config(config)
    assert "NVIDIA_VISIBLE_DEVICES=all" in config["Env"]
    await check_transcribes(engine, cuda, tmp_path)
