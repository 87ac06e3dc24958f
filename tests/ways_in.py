"""Every way in that must be refused, each tried on a running service: what is asked, and what must be answered."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service_process import ServiceProcess
from transcriber.api_keys import ApiKey, KeyLimits, dump, new_key
from transcriber.tokens import Ticket, sign

SECRET = "the secret that both services sign their tokens with"
ANSWER_SECONDS = 10
KEYS = {
    "alice": KeyLimits(),
    "bob": KeyLimits(),
    "revoked": KeyLimits(),
    "english": KeyLimits(languages=("en",), models=("gpt-transcribe",), record="text", session_seconds=60),
    "one-at-once": KeyLimits(sessions=1),
    "one-a-minute": KeyLimits(sessions_per_minute=1),
    "no-audio": KeyLimits(audio_seconds_per_day=0),
    "prometheus": KeyLimits(sessions=0, metrics=True),
}


@dataclass(frozen=True)
class Answer:
    status: int
    code: str
    """Of the error in its body."""
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True)
class Door:
    """Two services: one that asks for keys, and one that has none; and the keys of the first."""

    keyed: ServiceProcess
    anonymous: ServiceProcess
    keys: dict[str, str]

    def key(self, name: str = "alice") -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[name]}"}

    def token(self, name: str = "alice", **asked: object) -> str:
        """One that the service gives for a key."""
        made = ask(self.keyed.port, "POST", "/v1/tokens", self.key(name), json.dumps(asked).encode())
        assert made.status == 201, made
        return made.body["token"]

    def handshake(self, path: str = "/ws", headers: dict[str, str] | None = None) -> Answer:
        return handshake(self.keyed.port, path, headers)


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """One request over a connection of its own, written as it is given."""
    lines = {"Host": f"127.0.0.1:{port}", "Connection": "close", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return ask_raw(port, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)


def handshake(port: int, path: str = "/ws", headers: dict[str, str] | None = None) -> Answer:
    """What a WebSocket client asks; a socket that was opened so is gone at once."""
    upgrade = {
        "Host": f"127.0.0.1:{port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in upgrade.items())
    return ask_raw(port, f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())


def ask_raw(port: int, request: bytes) -> Answer:
    """Any bytes at all."""
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        status = int(status_line.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while status != 101 and len(body) < int(headers.get("content-length", 0)) and (data := connection.recv(65536)):
            body += data
    values: Any = json.loads(body) if headers.get("content-type") == "application/json" else {}
    return Answer(
        status, (values.get("error") or {}).get("code", "") if isinstance(values, dict) else "", values, headers
    )


@dataclass(frozen=True)
class Way:
    name: str
    status: int
    code: str
    tried: Callable[[Door], Answer]


def _with(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def _twice(door: Door) -> Answer:
    path = f"/ws?token={door.token()}"
    assert door.handshake(path).status == 101
    return door.handshake(path)


def _expired(door: Door) -> Answer:
    path = f"/ws?token={door.token(expires_in_seconds=1)}"
    time.sleep(1.1)
    return door.handshake(path)


def _lengthened(door: Door) -> Answer:
    """The payload of one token with the signature of another."""
    one, other = door.token(expires_in_seconds=600), door.token(expires_in_seconds=1)
    return door.handshake(f"/ws?token={one.rpartition('.')[0]}.{other.rpartition('.')[2]}")


def _of_a_revoked_key(door: Door) -> Answer:
    ticket = Ticket("0123456789ab", int(time.time()) + 60)
    return door.handshake(f"/ws?token={sign(ticket, SECRET.encode())}")


def _signed_by_another(door: Door) -> Answer:
    key_id = new_key("alice", KeyLimits())[1].id
    return door.handshake(f"/ws?token={sign(Ticket(key_id, int(time.time()) + 60), b'guessed' * 8)}")


def _one_too_many(door: Door) -> Answer:
    port, headers = door.keyed.port, door.key("one-at-once")
    with socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) as first:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        first.sendall(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{head}"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert first.recv(64).startswith(b"HTTP/1.1 101")
        return door.handshake(headers=headers)


def _too_soon(door: Door) -> Answer:
    door.handshake(headers=door.key("one-a-minute"))
    return door.handshake(headers=door.key("one-a-minute"))


def _padded(door: Door) -> Answer:
    return door.handshake(headers={**door.key(), "X-Padding": "x" * 40_000})


def _raw(door: Door, *lines: str, body: str = "") -> Answer:
    return ask_raw(door.keyed.port, "\r\n".join([*lines, "", body]).encode("latin-1"))


def _tokens(door: Door, body: bytes, **headers: str) -> Answer:
    return ask(door.keyed.port, "POST", "/v1/tokens", {**door.key(), **headers}, body)


WAYS = (
    Way("no key", 401, "no_credential", lambda door: door.handshake()),
    Way("a wrong key", 401, "invalid_credential", lambda door: _shown(door, "trk_guessed")),
    Way("an empty key", 401, "invalid_credential", lambda door: door.handshake(headers={"Authorization": "Bearer"})),
    Way("a key cut short", 401, "invalid_credential", lambda door: _shown(door, door.keys["bob"][:-1])),
    Way("a key and more", 401, "invalid_credential", lambda door: _shown(door, door.keys["bob"] + "A")),
    Way("a key's hash", 401, "invalid_credential", lambda door: _shown(door, _hashes(door)[0].sha256)),
    Way("a revoked key", 401, "invalid_credential", lambda door: door.handshake(headers=door.key("revoked"))),
    Way(
        "a key as Basic",
        401,
        "invalid_credential",
        lambda door: door.handshake(headers={"Authorization": f"Basic {door.keys['alice']}"}),
    ),
    Way(
        "two different keys",
        401,
        "invalid_credential",
        lambda door: door.handshake(headers={**door.key("alice"), "X-API-Key": door.keys["bob"]}),
    ),
    Way("a key in the URL", 401, "key_in_url", lambda door: door.handshake(f"/ws?token={door.keys['alice']}")),
    Way("a key as an option", 400, "unknown_field", lambda door: door.handshake(f"/ws?api_key={door.keys['alice']}")),
    Way("a replayed token", 401, "token_used", _twice),
    Way("an expired token", 401, "token_expired", _expired),
    Way("a token made longer", 401, "invalid_credential", _lengthened),
    Way("a token of a revoked key", 401, "invalid_credential", _of_a_revoked_key),
    Way("a token signed by another", 401, "invalid_credential", _signed_by_another),
    Way("half a token", 401, "invalid_credential", lambda door: door.handshake("/ws?token=trt_e30.")),
    Way(
        "a token for more tokens",
        401,
        "token_not_allowed",
        lambda door: ask(door.keyed.port, "POST", "/v1/tokens", _with(door.token()), b"{}"),
    ),
    Way(
        "a token for more than its key",
        400,
        "invalid_field",
        lambda door: ask(door.keyed.port, "POST", "/v1/tokens", door.key("english"), b'{"languages": ["de"]}'),
    ),
    Way(
        "a page of another origin",
        403,
        "foreign_origin",
        lambda door: _page(door, "https://evil.example"),
    ),
    Way(
        "a page of no origin",
        403,
        "foreign_origin",
        lambda door: _page(door, "null"),
    ),
    Way(
        "a page whose name begins like ours",
        403,
        "foreign_origin",
        lambda door: _page(door, f"http://127.0.0.1:{door.keyed.port}.evil.example"),
    ),
    Way(
        "a page on another port",
        403,
        "foreign_origin",
        lambda door: _page(door, "http://127.0.0.1:1"),
    ),
    Way("a model not allowed", 403, "model_not_allowed", lambda door: _english(door, "model=whisper-1")),
    Way("a language not allowed", 403, "language_not_allowed", lambda door: _english(door, "language=de")),
    Way("one session too many", 429, "key_sessions_exceeded", _one_too_many),
    Way("sessions too fast", 429, "key_rate_exceeded", _too_soon),
    Way("no audio left", 429, "key_audio_exceeded", lambda door: door.handshake(headers=door.key("no-audio"))),
    Way(
        "a key for metrics only",
        429,
        "key_sessions_exceeded",
        lambda door: door.handshake(headers=door.key("prometheus")),
    ),
    Way("HTTP without a key", 401, "no_credential", lambda door: ask(door.keyed.port, "POST", "/v1/tokens")),
    Way("any path without a key", 401, "no_credential", lambda door: ask(door.keyed.port, "GET", "/admin")),
    Way(
        "metrics through a proxy",
        401,
        "no_credential",
        lambda door: ask(door.keyed.port, "GET", "/metrics", {"X-Forwarded-For": "127.0.0.1"}),
    ),
    Way(
        "metrics with a key for sessions",
        403,
        "metrics_not_allowed",
        lambda door: ask(door.keyed.port, "GET", "/metrics", {"X-Forwarded-For": "127.0.0.1", **door.key()}),
    ),
    Way(
        "metrics with a forged address",
        401,
        "no_credential",
        lambda door: ask(door.keyed.port, "GET", "/metrics", {"Forwarded": "for=::1", "Remote-Addr": "127.0.0.1"}),
    ),
    Way("a path out of the root", 404, "not_found", lambda door: _get(door, "/../../../../etc/passwd")),
    Way("a path out of the root, encoded", 404, "not_found", lambda door: _get(door, "/%2e%2e/%2e%2e/etc/passwd")),
    Way("a method that is not there", 405, "method_not_allowed", lambda door: _get(door, "/v1/tokens")),
    Way("an oversized body", 413, "request_too_large", lambda door: _tokens(door, b" " * (2 << 20))),
    Way("a body that is no JSON", 400, "invalid_json", lambda door: _tokens(door, b"\xff{")),
    Way("a field that is not there", 400, "invalid_field", lambda door: _tokens(door, b'{"owner": "bob"}')),
    Way("another key's session", 404, "unknown_session", lambda door: _of_alice(door, "bob", "")),
    Way("another key's recording", 404, "unknown_session", lambda door: _of_alice(door, "bob", "/audio")),
    Way("another key's transcript", 404, "unknown_session", lambda door: _of_alice(door, "bob", "/transcript.txt")),
    Way("another key's session, deleted", 404, "unknown_session", lambda door: _of_alice(door, "bob", "", "DELETE")),
    Way("another key's job", 404, "unknown_job", lambda door: _job_of_alice(door, "bob")),
    Way("another key's session, resumed", 404, "unknown_session", lambda door: _resumed(door, "bob")),
    Way("a session by a path", 404, "not_found", lambda door: _get(door, "/v1/sessions/..%2f..%2fkeys.json")),
    Way("a transcript by a path", 404, "unknown_format", lambda door: _of_alice(door, "alice", "/transcript.%2e%2e")),
    Way("sessions of a named owner", 400, "unknown_field", lambda door: _get(door, "/v1/sessions?owner=bob")),
    Way(
        "an oversized head",
        431,
        "request_head_too_large",
        _padded,
    ),
    Way(
        "a request in a request",
        501,
        "unsupported_transfer_coding",
        lambda door: _raw(
            door,
            "POST /v1/tokens HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Length: 6",
            "Transfer-Encoding: chunked, identity",
            body="0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        ),
    ),
    Way(
        "a body of two lengths",
        400,
        "bad_request",
        lambda door: _raw(
            door,
            "POST /v1/tokens HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            body="0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
        ),
    ),
    Way(
        "two lengths",
        400,
        "bad_request",
        lambda door: _raw(
            door, "POST /v1/tokens HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 2", "Content-Length: 40", body="{}"
        ),
    ),
    Way(
        "two hosts",
        400,
        "bad_request",
        lambda door: _raw(door, "GET / HTTP/1.1", "Host: 127.0.0.1", "Host: evil.example"),
    ),
    Way("no host", 400, "bad_request", lambda door: _raw(door, "GET / HTTP/1.1", "X-Forwarded-Host: 127.0.0.1")),
    Way(
        "a key with a line break",
        400,
        "bad_request",
        lambda door: _raw(door, "GET /ws HTTP/1.1", "Host: 127.0.0.1", "Authorization: Bearer a\0b"),
    ),
    Way(
        "no keys at all: forwarded by a proxy",
        403,
        "forwarded_header",
        lambda door: handshake(door.anonymous.port, headers={"X-Forwarded-For": "203.0.113.9"}),
    ),
    Way(
        "no keys at all: forwarded, in the standard's words",
        403,
        "forwarded_header",
        lambda door: ask(door.anonymous.port, "GET", "/metrics", {"Forwarded": "for=203.0.113.9"}),
    ),
    Way(
        "no keys at all: a name that the DNS gave",
        403,
        "unknown_host",
        lambda door: handshake(door.anonymous.port, headers={"Host": "evil.example", "Origin": "http://evil.example"}),
    ),
    Way(
        "no keys at all: a page of another origin",
        403,
        "foreign_origin",
        lambda door: handshake(door.anonymous.port, headers={"Origin": "https://evil.example"}),
    ),
)


def _shown(door: Door, text: str) -> Answer:
    return door.handshake(headers=_with(text))


def _page(door: Door, origin: str) -> Answer:
    return door.handshake(headers={**door.key(), "Origin": origin})


def _english(door: Door, query: str) -> Answer:
    return door.handshake(f"/ws?{query}", door.key("english"))


def _session_of_alice(door: Door) -> str:
    """One that is over and listed."""
    assert door.handshake(headers=door.key()).status == 101
    deadline = time.monotonic() + ANSWER_SECONDS
    while not (listed := ask(door.keyed.port, "GET", "/v1/sessions", door.key()).body["sessions"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return listed[-1]["session_id"]


def _of_alice(door: Door, name: str, what: str, method: str = "GET") -> Answer:
    path = f"/v1/sessions/{_session_of_alice(door)}{what}"
    return ask(door.keyed.port, method, path, door.key(name))


def _job_of_alice(door: Door, name: str) -> Answer:
    headers = {**door.key(), "Content-Type": "audio/wav"}
    taken = ask(door.keyed.port, "POST", "/v1/jobs", headers, b"RIFF no audio")
    assert taken.status == 202, taken
    return ask(door.keyed.port, "GET", f"/v1/jobs/{taken.body['id']}", door.key(name))


def _resumed(door: Door, name: str) -> Answer:
    """With the token of a session that waits for alice."""
    head = "".join(f"{name}: {value}\r\n" for name, value in door.key().items())
    with socket.create_connection(("127.0.0.1", door.keyed.port), ANSWER_SECONDS) as first:
        first.sendall(
            f"GET /ws?resume=true HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{head}"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        received = b""
        while b'"resume_token":"' not in received:
            received += first.recv(65536)
        token = received.partition(b'"resume_token":"')[2].partition(b'"')[0].decode()
    return door.handshake(f"/ws?resume_token={token}", door.key(name))


def _get(door: Door, path: str) -> Answer:
    return ask(door.keyed.port, "GET", path, door.key())


def _hashes(door: Door) -> list[ApiKey]:
    entries = json.loads(Path(door.keyed.settings["API_KEYS_FILE"]).read_text())
    return [ApiKey(entry["name"], entry["sha256"]) for entry in entries]


@contextmanager
def open_door(folder: Path, settings: dict[str, str]) -> Iterator[Door]:
    """Both services, with a key that was revoked while they ran."""
    made = {name: new_key(name, limits) for name, limits in KEYS.items()}
    file = folder / "keys.json"
    file.write_text(dump(key for _, key in made.values()))
    with ExitStack() as running:
        keyed = ServiceProcess(folder / "keyed", api_keys_file=file, token_secret=SECRET, **settings)
        anonymous = ServiceProcess(folder / "anonymous", **settings)
        door = Door(
            running.enter_context(keyed),
            running.enter_context(anonymous),
            {name: text for name, (text, _) in made.items()},
        )
        assert door.handshake(headers=door.key("revoked")).status == 101
        file.write_text(dump(key for name, (_, key) in made.items() if name != "revoked"))
        yield door
