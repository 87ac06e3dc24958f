"""Audio from standard input to a transcriber, its text to standard output: `python live.py URL < speech.wav`."""

import json
import os
import sys
import threading

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

CHUNK_BYTES = 4096
MESSAGE_BYTES = 2**20
"""`complete` holds the whole text: up to 512 KiB."""


def send(socket: ClientConnection) -> None:
    """All of standard input as it comes, in a thread: text is read at the same time."""
    try:
        while chunk := os.read(sys.stdin.fileno(), CHUNK_BYTES):
            socket.send(chunk)
        socket.send("END")
    except ConnectionClosed:
        pass  # whoever reads is told why


def show(message: dict[str, str]) -> bool:
    """Whether the session is complete. What is not known here is left alone: there may be more one day."""
    kind = message["type"]
    if kind == "transcription" and message["text"]:
        print(message["text"], flush=True)
    elif kind in ("warning", "error"):
        print(f"{message['code']}: {message['message']}", file=sys.stderr)
    return kind == "complete"


def main(url: str) -> int:
    key = os.environ.get("TRANSCRIBER_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    complete = False
    try:
        with connect(url, additional_headers=headers, max_size=MESSAGE_BYTES) as socket:
            threading.Thread(target=send, args=(socket,), daemon=True).start()
            for message in socket:
                complete = show(json.loads(message)) or complete
    except InvalidStatus as refusal:
        print(f"refused: HTTP {refusal.response.status_code} {refusal.response.body.decode()}", file=sys.stderr)
    except (OSError, ConnectionClosed) as problem:
        print(f"no connection: {problem}", file=sys.stderr)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
