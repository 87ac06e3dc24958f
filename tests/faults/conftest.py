"""Services for the heavy suite, and what of it this machine does not allow."""

from tests.faults.networks import possible
from tests.stubbed_engine import knowing_stub, openai_settings, own_service, stub

__all__ = ["knowing_stub", "openai_settings", "own_service", "stub"]

NETWORKS = possible()
collect_ignore = [] if NETWORKS else ["test_half_open.py"]


def pytest_report_header() -> str:
    return "" if NETWORKS else "half-open sockets: not tried, since network namespaces need Linux and root"
