"""A browser whose microphone plays the demo recording, and a service as it is out of the box."""

from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest

from tests import lj001
from tests.browser import chromium
from tests.service_process import ServiceProcess

SPEECH_SECONDS = 11.9


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    with ServiceProcess(tmp_path_factory.mktemp("local"), engine="local", allowed_origins="*") as running:
        yield running


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("microphone") / "speech.wav"
    path.write_bytes(lj001.wav(0, SPEECH_SECONDS))
    return path


@pytest.fixture
async def page(microphone: Path) -> AsyncIterator[chromium.Page]:
    async with chromium.page(microphone) as opened:
        yield opened
