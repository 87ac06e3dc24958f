"""ECS's API over HTTP, as far as it is asked after a deployment."""

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def ecs_api(answers: Mapping[str, Mapping[str, Any]]) -> Generator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Gives the answers by operation, any other is denied; the address, and what was asked."""
    asked: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            asked.append((operation, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            known = operation in answers
            body = json.dumps(answers[operation] if known else {"__type": "AccessDeniedException"}).encode()
            self.send_response(200 if known else 400)
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
