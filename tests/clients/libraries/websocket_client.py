"""What examples/python does, with websocket-client: callbacks, and a thread that sends."""

import json
import os
import sys
import threading

import websocket

complete = False


def send(app: websocket.WebSocketApp) -> None:
    try:
        while chunk := os.read(0, 4096):
            app.send_bytes(chunk)
        app.send_text("END")
    except websocket.WebSocketException:
        pass


def hear(_: websocket.WebSocket, data: str) -> None:
    global complete  # noqa: PLW0603 - the client knows no other place
    event = json.loads(data)
    if event["type"] == "transcription" and event["text"]:
        print(event["text"], flush=True)
    elif event["type"] in ("warning", "error"):
        print(event["code"], file=sys.stderr)
    complete = complete or event["type"] == "complete"


def fail(_: websocket.WebSocket, problem: Exception) -> None:
    if isinstance(problem, websocket.WebSocketBadStatusException):
        print(f"HTTP {problem.status_code}", file=sys.stderr)


socket = websocket.WebSocketApp(
    sys.argv[1],
    subprotocols=["transcriber"],
    header={"Authorization": f"Token {os.environ['TRANSCRIBER_API_KEY']}"},
    on_open=lambda app: threading.Thread(target=send, args=(app,), daemon=True).start(),
    on_message=hear,
    on_error=fail,
)
socket.run_forever()
sys.exit(0 if complete else 1)
