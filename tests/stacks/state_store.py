"""S3 and KMS as Pulumi's backend uses them, on a free port: what is asked is held against policies, as IAM would."""

import base64
import contextlib
import hashlib
import json
import re
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from xml.sax.saxutils import escape

from .standin.asking import Asked
from .standin.policies import Document, allows

BUCKET = "transcriber-state-123456789012-us-east-1"
_ACTIONS = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "DELETE": "s3:DeleteObject"}


@dataclass
class Store:
    """`policies` None lets everything through. What KMS encrypts is told by its prefix alone."""

    url: str = ""
    policies: list[Document] | None = None
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    refused: list[Asked] = field(default_factory=list)

    def environment(self, name: str) -> dict[str, str]:
        """What has Pulumi use it for an environment."""
        return {
            "AWS_ACCESS_KEY_ID": "AKIA0000000000000000",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "x",
            "PULUMI_BACKEND_URL": f"s3://{BUCKET}/{name}?region=us-east-1&use_path_style=true",
        }

    def permits(self, action: str, resource: str, context: dict[str, str]) -> bool:
        asked = Asked(action, resource, {"aws:RequestedRegion": "us-east-1", **context})
        self.asked.append(asked)
        if self.policies is None or allows(self.policies, action, resource, asked.context):
            return True
        self.refused.append(asked)
        return False


@contextlib.contextmanager
def state_store(policies: list[Document] | None = None) -> Iterator[Store]:
    store = Store(policies=policies)
    handler = type("Handler", (_Handler,), {"store": store})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        store.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    store: Store
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        """KMS: its one address."""
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        asked = json.loads(self._body())
        key = asked.get("KeyId") or base64.b64decode(asked["CiphertextBlob"]).decode().partition("|")[0]
        if not self.store.permits(f"kms:{action}", key, {}):
            self._answer(400, json.dumps({"__type": "AccessDeniedException", "message": f"{action} on {key}"}).encode())
        elif action == "Encrypt":
            sealed = base64.b64encode(f"{key}|{asked['Plaintext']}".encode()).decode()
            self._answer(200, json.dumps({"CiphertextBlob": sealed, "KeyId": key}).encode())
        else:
            plain = base64.b64decode(asked["CiphertextBlob"]).decode().partition("|")[2]
            self._answer(200, json.dumps({"Plaintext": plain, "KeyId": key}).encode())

    def do_GET(self) -> None:
        path, query = self._asked()
        if not path:
            self._list(query)
        elif not self._permitted(path):
            return
        elif path in self.store.objects:
            self._answer(200, self.store.objects[path])
        else:
            self._missing()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        path, _ = self._asked()
        body = self._body()
        source = urllib.parse.unquote(self.headers.get("x-amz-copy-source", "")).lstrip("/").partition("/")[2]
        if not self._permitted(path) or (source and not self._permitted(source, "s3:GetObject")):
            return
        if source:
            self.store.objects[path] = self.store.objects[source]
            self._answer(200, b"<CopyObjectResult><ETag>&quot;0&quot;</ETag></CopyObjectResult>")
        else:
            self.store.objects[path] = body
            self._answer(200, b"")

    def do_DELETE(self) -> None:
        path, _ = self._asked()
        if self._permitted(path):
            self.store.objects.pop(path, None)
            self._answer(204, b"")

    def _asked(self) -> tuple[str, dict[str, str]]:
        url = urllib.parse.urlsplit(self.path)
        return urllib.parse.unquote(url.path).lstrip("/").partition("/")[2], dict(
            urllib.parse.parse_qsl(url.query, keep_blank_values=True)
        )

    def _permitted(self, path: str, action: str = "") -> bool:
        if self.store.permits(action or _ACTIONS[self.command], f"arn:aws:s3:::{BUCKET}/{path}", {}):
            return True
        self._answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
        return False

    def _missing(self) -> None:
        self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>There is no such key</Message></Error>")

    def _list(self, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        if not self.store.permits("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", {"s3:prefix": prefix}):
            self._answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
            return
        keys, folders = [], set[str]()
        for key in sorted(self.store.objects):
            if key.startswith(prefix):
                inside, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
                if cut:
                    folders.add(prefix + inside + cut)
                else:
                    keys.append(key)
        found = "".join(self._entry(key) for key in keys)
        found += "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders)
        )
        text = f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        self._answer(200, text.encode())

    def _entry(self, key: str) -> str:
        size, changed = len(self.store.objects[key]), "2026-01-01T00:00:00.000Z"
        return f"<Contents><Key>{escape(key)}</Key><LastModified>{changed}</LastModified><Size>{size}</Size></Contents>"

    def _body(self) -> bytes:
        """Also of uploads in signed chunks."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        plain = b""
        while (line := re.match(rb"([0-9a-f]+)[^\r\n]*\r\n", body)) and (size := int(line[1], 16)):
            plain += body[line.end() : line.end() + size]
            body = body[line.end() + size + 2 :]
        return plain

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD" and code != 204:
            self.wfile.write(body)
