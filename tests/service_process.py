"""The service as users run it: a process of its own, on loopback, with a folder of its own."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

SERVE = (sys.executable, "-m", "transcriber", "serve")
START_SECONDS = 40
STOP_SECONDS = 20


class ServiceProcess:
    """Use as a context manager: started inside, gone behind. Settings are given by their names in lower case."""

    def __init__(self, folder: Path, *, command: Sequence[str] = SERVE, **settings: object) -> None:
        self.folder = folder
        self._command = command
        self.settings = {name.upper(): str(value) for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self.port = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PORT": "0", "DATA_DIR": str(self.data), "LOG_FORMAT": "json", **self.settings}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def _log_path(self) -> Path:
        return self.folder / "service.log"

    def launch(self) -> Self:
        """Start it without waiting until it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def start(self) -> Self:
        """Start it and wait until it serves."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not (running := re.search(r"Running on https?://127\.0\.0\.1:(\d+)", self.log_text())):
            assert self._process is not None
            assert self._process.poll() is None, f"the service ended:\n{self.log_text()}"
            assert time.monotonic() < deadline, f"the service does not start:\n{self.log_text()}"
            time.sleep(0.02)
        self.port = int(running[1])
        return self

    def log_text(self) -> str:
        """All it has logged since it was last started."""
        return self._log_path.read_bytes()[self._log_start :].decode()

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines()]

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Until it has ended; the exit code."""
        assert self._process is not None
        return self._process.wait(STOP_SECONDS)

    def stored(self, session_id: str) -> Path:
        """The folder of a session in the store."""
        (folder,) = self.data.glob(f"*/*/*/*-{session_id}")
        return folder

    def leftovers(self) -> list[str]:
        """Files of the data folder that are no recording and no transcript, but for the marks of running stores."""
        files = (path.relative_to(self.data) for path in self.data.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in files if path.parts[0] in ("spool", ".tmp") and path.name != "lock")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        """No matter what state it is in, and with the processes that it started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
