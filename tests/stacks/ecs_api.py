"""ECS's API over HTTP, as far as it is asked after a deployment."""

import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .standin.refusal import Refused

Answer = Callable[[str, dict[str, Any]], Mapping[str, Any]]
"""By operation and request; raises Refused."""


def given(answers: Mapping[str, Mapping[str, Any]]) -> Answer:
    """The answers by operation; any other is denied."""

    def answer(operation: str, _: dict[str, Any]) -> Mapping[str, Any]:
        if operation not in answers:
            raise Refused("AccessDeniedException", f"not authorized to perform: ecs:{operation}")
        return answers[operation]

    return answer


@contextmanager
def ecs_api(answer: Answer) -> Generator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """The address, and what was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((operation, request))
            try:
                self._reply(200, answer(operation, request))
            except Refused as refused:
                self._reply(400, {"__type": refused.code, "message": refused.message})

        def _reply(self, status: int, content: Mapping[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
