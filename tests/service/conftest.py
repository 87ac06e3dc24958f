"""One service for all tests that don't need one of their own."""

from collections.abc import Generator

import pytest

from tests.service_process import ServiceProcess
from tests.stubbed_engine import knowing_stub, openai_settings, own_service, stub

__all__ = ["knowing_stub", "openai_settings", "own_service", "stub"]


@pytest.fixture(scope="session")
def service(openai_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Generator[ServiceProcess]:
    with ServiceProcess(
        tmp_path_factory.mktemp("service"), utterance_deadline_seconds=1, resume_seconds=2, **openai_settings
    ) as running:
        yield running
