"""For every test: no setting from the developer's environment, no network but loopback, no hurry for Hypothesis."""

import os
import sys
from dataclasses import fields

from hypothesis import HealthCheck, settings

from transcriber.settings import Settings

LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

settings.register_profile("transcriber", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("transcriber")

for setting in fields(Settings):
    os.environ.pop(setting.name.upper(), None)
os.environ["HF_HUB_OFFLINE"] = "1"


def _refuse_foreign_networks(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith(LOOPBACK):
            raise AssertionError(f"a test connects to {host}")


sys.addaudithook(_refuse_foreign_networks)
