"""Services for the heavy suite."""

from tests.stubbed_engine import knowing_stub, openai_settings, own_service, stub

__all__ = ["knowing_stub", "openai_settings", "own_service", "stub"]
