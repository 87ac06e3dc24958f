"""What a message of 20 ms costs the server: processor time for each, many sessions at once.

The same messages go to the bare `websockets` package, to Quart and Hypercorn as they come, to those with the fixes of
`transport`, and to the whole service without its detector: connection, spool, decoding and samples.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from bench import _command
from tests.transport.raw_client import BINARY, frame, handshake

_MESSAGE_BYTES = 640
_PATH = "/ws?encoding=pcm_s16le&sample_rate=16000&record=none"
_SERVERS = ("bare", "stock", "ours", "service")
_LOOPS = ("asyncio", "uvloop")
_SETTLE_SECONDS = 0.5


def main() -> None:
    parser = _command.options(__doc__)
    parser.add_argument("--sessions", type=int, default=200, help="at once (200)")
    parser.add_argument("--rate", type=int, default=2000, help="messages a second, of all together (2000)")
    parser.add_argument("--seconds", type=float, default=6, help="of sending, per server and round (6)")
    parser.add_argument("--rounds", type=int, default=3, help="the servers take turns (3)")
    arguments = parser.parse_args()
    costs: dict[tuple[str, str], list[float]] = {}
    for number in range(arguments.rounds):
        for loop in _LOOPS:
            for name in _SERVERS:
                _command.announce(f"round {number + 1}: {name} on {loop}")
                cost = _cost(name, loop, arguments.sessions, arguments.rate, arguments.seconds)
                costs.setdefault((name, loop), []).append(cost)
    rows = [
        {"server": name, "loop": loop, "µs a message": _median(values), "least": min(values), "most": max(values)}
        for (name, loop), values in sorted(costs.items(), key=lambda item: item[0][1])
    ]
    notes = [
        f"{arguments.sessions} sessions, {arguments.rate} messages of {_MESSAGE_BYTES} bytes a second, evenly spread, "
        f"{arguments.seconds:g} s each; user and system time of the server's process; median of {arguments.rounds}.",
        "bare: the `websockets` package; stock: Quart and Hypercorn; ours: with `transport`; service: all but the "
        "detector, which here only looks at loudness.",
    ]
    _command.report(rows, notes, as_json=arguments.json)


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _cost(name: str, loop: str, sessions: int, rate: int, seconds: float) -> float:
    """Microseconds of processor time for one message."""
    with _running(name, loop) as (process, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(_client(port)) for _ in range(sessions)]
        time.sleep(_SETTLE_SECONDS)
        before = _cpu_seconds(process)
        count = _send(clients, rate, seconds)
        time.sleep(_SETTLE_SECONDS)
        return 1e6 * (_cpu_seconds(process) - before) / count


def _send(clients: list[socket.socket], rate: int, seconds: float) -> int:
    """One message after the other, each client in its turn; how many."""
    message, started, count = frame(BINARY, bytes(_MESSAGE_BYTES)), time.perf_counter(), 0
    while (now := time.perf_counter() - started) < seconds:
        while count < now * rate:
            clients[count % len(clients)].sendall(message)
            count += 1
        time.sleep(0.001)
    return count


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def _client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(handshake(_PATH))
        answer = client.recv(4096)
        assert b" 101 " in answer, answer
        yield client


@contextlib.contextmanager
def _running(name: str, loop: str) -> Iterator[tuple[psutil.Process, int]]:
    command = (sys.executable, "-m", "bench._sinks", name, loop)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with _client(port):
                pass
            yield psutil.Process(process.pid), port
        finally:
            process.kill()


if __name__ == "__main__":
    main()
