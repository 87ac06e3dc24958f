"""Fixtures of services whose engine is a stub that knows the demo recording; a suite's conftest imports them."""

import asyncio
import contextlib
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.openai_stub import OpenAIStub, knowing_demo
from tests.service_process import ServiceProcess


@contextlib.contextmanager
def served(stub: OpenAIStub) -> Generator[OpenAIStub]:
    """The stub on a loop in a thread, so that it serves tests whatever their own loops do."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(stub.__aenter__(), loop).result(5)
        yield stub
    finally:
        asyncio.run_coroutine_threadsafe(stub.__aexit__(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@contextlib.contextmanager
def stubbed_settings() -> Generator[dict[str, str]]:
    """The same for whoever has no fixtures."""
    with served(OpenAIStub(knowing_demo())) as stub:
        yield stub.settings


@pytest.fixture(scope="session")
def knowing_stub() -> Generator[OpenAIStub]:
    with served(OpenAIStub(knowing_demo())) as stub:
        yield stub


@pytest.fixture
def stub(knowing_stub: OpenAIStub) -> Generator[OpenAIStub]:
    """What the engine asks; its script is empty again behind each test."""
    yield knowing_stub
    knowing_stub.script.clear()


@pytest.fixture(scope="session")
def openai_settings(knowing_stub: OpenAIStub) -> dict[str, str]:
    return knowing_stub.settings


@pytest.fixture
def own_service(openai_settings: dict[str, str], tmp_path: Path) -> Generator[ServiceProcess]:
    """One that a test starts itself, and may end."""
    process = ServiceProcess(tmp_path, drain_seconds=0, **openai_settings)
    yield process
    process.__exit__()
