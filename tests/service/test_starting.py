"""Starting it, and what it says when it can't."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests import lj001
from tests.checked_client import transcribe
from tests.service_process import ServiceProcess


def test_a_port_that_is_taken(own_service: ServiceProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own_service.settings["PORT"] = str(port)
        assert own_service.launch().wait() == 2
    said = own_service.log_text()
    assert said == f"transcriber: can't listen on 127.0.0.1:{port}: Address already in use (HOST, PORT)\n"


def test_wrong_settings_are_told_all_at_once_and_nothing_else_happens(own_service: ServiceProcess) -> None:
    own_service.settings |= {"PORT": "eighty", "MAX_SESSIONS": "0", "LOG_LEVEL": "CHATTY", "ENDPOINTING_MS": "600 ms"}
    assert own_service.launch().wait() == 2
    said = own_service.log_text()
    assert all(f"\n  {name}: must be " in said for name in ("PORT", "MAX_SESSIONS", "LOG_LEVEL", "ENDPOINTING_MS"))
    assert "Traceback" not in said
    assert "eighty" not in said, "it may have been a key"
    assert not own_service.data.exists()


def test_settings_are_read_from_a_file_too(own_service: ServiceProcess) -> None:
    (own_service.folder / ".env").write_text("MAX_SESSIONS=0\nENGINE=local\n")
    assert own_service.launch().wait() == 2
    assert "MAX_SESSIONS" in own_service.log_text()


def test_a_folder_that_can_not_be_used(own_service: ServiceProcess) -> None:
    own_service.data.write_text("no folder")
    assert own_service.launch().wait() == 1
    last = own_service.log()[-1]
    assert (last["level"], last["event"].startswith("can't start: ")) == ("error", True)
    assert "Traceback" not in own_service.log_text()


async def test_hypercorn_by_hand_serves_and_says_what_is_missing(
    openai_settings: dict[str, str], tmp_path: Path
) -> None:
    command = (sys.executable, "-m", "hypercorn", "--bind", "127.0.0.1:0", "transcriber.asgi:app")
    with ServiceProcess(tmp_path, command=command, **openai_settings) as by_hand:
        assert "served by hand: no draining on SIGTERM" in by_hand.log_text()
        speaker = await transcribe(by_hand.url, lj001.wav(9.955, 11.9), "END")
        assert speaker.received[-1]["full_transcription"] == "in being comparatively modern."
        by_hand.send_signal(signal.SIGTERM)
        assert by_hand.wait() == 0


BEGINNING = "import sys; from transcriber.__main__ import main; print('{}', flush=True); sys.exit(main(['serve']))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_starts_ends_it_without_a_traceback(
    openai_settings: dict[str, str], tmp_path: Path, number: int
) -> None:
    """At many moments: while modules are imported, while the parts are made."""
    starting = ServiceProcess(tmp_path, command=(sys.executable, "-c", BEGINNING), **openai_settings)
    for tenths in (1, 4, 7, 11, 15):
        starting.launch()
        while not starting.log_text():
            time.sleep(0.005)
        time.sleep(tenths / 10)
        starting.send_signal(number)
        assert starting.wait() in (-number, 128 + number, 0)
        assert "Traceback" not in starting.log_text()


@pytest.mark.parametrize("event_loop", ["asyncio", "uvloop"])
def test_ctrl_c_again_and_again_ends_it_well(own_service: ServiceProcess, event_loop: str) -> None:
    """Also at the very end, when the event loop is gone."""
    own_service.settings["EVENT_LOOP"] = event_loop
    own_service.start()
    pid = own_service.pid
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        own_service.send_signal(signal.SIGINT)
        time.sleep(0.005)
    assert own_service.wait() == 0
    assert {line["level"] for line in own_service.log()} == {"info"}
