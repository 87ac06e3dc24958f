"""A server that behaves as OpenAI's transcription API does, over real HTTP on loopback, and remembers what it was sent.

In a test: `async with OpenAIStub() as stub: ... stub.base_url`; by itself: `python -m tests.openai_stub --port 8001`.
"""

import argparse
import asyncio
import contextlib
import io
import re
import wave
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.stub_server import Reply, StubServer, json_reply

KEY = "stub-key"
MAX_BODY_BYTES = 26_214_400
MIN_SECONDS = 0.1


@dataclass(frozen=True)
class Spoken:
    """A word of a transcript, punctuation included; seconds from the start of the audio."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Request:
    """What came: form fields by name without brackets, and the audio of the WAV file."""

    path: str
    headers: dict[str, str]
    fields: dict[str, list[str]]
    filename: str
    file: bytes
    samples: NDArray[np.int16]
    sample_rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    def __getitem__(self, name: str) -> str | None:
        """The first value of a form field."""
        return self.fields[name][0] if name in self.fields else None


def error(status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str) -> Reply:
    """An error as the API tells it; header names with underscores for hyphens."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return json_reply({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, **headers)


@dataclass(frozen=True)
class Model:
    """What a model knows."""

    formats: frozenset[str] = frozenset({"json", "text"})
    words: bool = False
    hints: bool = False
    prompt: bool = True
    logprobs: bool = False
    translates: bool = False


MODELS = {
    "gpt-transcribe": Model(frozenset({"json"}), hints=True),
    "gpt-4o-transcribe": Model(logprobs=True),
    "gpt-4o-mini-transcribe": Model(logprobs=True),
    "gpt-4o-transcribe-diarize": Model(prompt=False),
    "whisper-1": Model(frozenset({"json", "text", "verbose_json"}), words=True, translates=True),
}

Transcribe = Callable[[Request], str | Sequence[Spoken]]
"""What is said in the audio of a request. A text without times is spread evenly over it."""


def reading(clip: NDArray[np.int16], words: Sequence[Spoken], sample_rate: int = 16_000) -> Transcribe:
    """The words of a known recording whose middle lies in the audio, which must be an exact stretch of it."""
    known = clip.astype("<i2").tobytes()

    def transcribe(request: Request) -> Sequence[Spoken]:
        audio = np.trim_zeros(request.samples, "b").astype("<i2").tobytes()
        place = known.find(audio) if audio else -1
        while place > 0 and place % 2:
            place = known.find(audio, place + 1)
        if place < 0:
            return ()
        first = place / 2 / sample_rate
        last = first + request.seconds
        inside = [word for word in words if first <= (word.start + word.end) / 2 < last]
        return [Spoken(word.text, max(word.start - first, 0.0), word.end - first) for word in inside]

    return transcribe


Turn = Reply | Callable[[Reply], Reply] | None
"""How to answer: with this, with what is made of the right answer, or with the right answer."""


class OpenAIStub(StubServer):
    """`script` holds the turns of the next requests; after it, all are answered rightly."""

    def __init__(
        self,
        transcribe: Transcribe | str = "The quick brown fox.",
        *,
        key: str = KEY,
        models: dict[str, Model] | None = None,
        language: str = "english",
        port: int = 0,
    ) -> None:
        """A text is heard whatever the audio. `models` are known beside OpenAI's own. `language` is what Whisper hears,
        by its English name."""
        super().__init__(port=port)
        self._transcribe: Transcribe = (lambda _: transcribe) if isinstance(transcribe, str) else transcribe
        self.script: deque[Turn] = deque()
        self.requests: list[Request] = []
        """All that had the right key and a readable file."""
        self.logprob = -0.1
        self.no_speech_prob = 0.01
        self._key = key
        self._models = MODELS | (models or {})
        self._language = language

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def settings(self) -> dict[str, str]:
        """What makes a service ask it."""
        return {"engine": "openai", "openai_base_url": self.base_url, "openai_api_key": self._key}

    @property
    def seconds_sent(self) -> float:
        """Seconds of audio in all requests."""
        return sum(request.seconds for request in self.requests)

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if headers.get("authorization") != f"Bearer {self._key}":
            return error(401, "Incorrect API key provided.", code="invalid_api_key")
        if (method, path) == ("GET", "/v1/models"):
            listed = [{"id": name, "object": "model", "created": 0, "owned_by": "stub"} for name in self._models]
            return json_reply({"object": "list", "data": listed})
        if method != "POST" or path not in ("/v1/audio/transcriptions", "/v1/audio/translations"):
            return error(404, f"Invalid URL ({method} {path})")
        if len(body) > MAX_BODY_BYTES:
            return error(413, "Maximum content size limit exceeded")
        try:
            request = _request(path, headers, body)
        except (ValueError, EOFError, wave.Error):
            return error(400, "The audio file could not be decoded or its format is not supported.", param="file")
        self.requests.append(request)
        turn = self.script.popleft() if self.script else None
        if isinstance(turn, Reply):
            return turn
        right = self._answer(request)
        return turn(right) if turn else right

    def _answer(self, request: Request) -> Reply:
        model = self._models.get(request["model"] or "")
        if model is None:
            return error(404, "The model does not exist", param="model", code="model_not_found")
        if request.seconds < MIN_SECONDS:
            message = "Audio file is too short. Minimum audio length is 0.1 seconds."
            return error(400, message, param="file", code="audio_too_short")
        wrong = _wrong_field(model, request)
        if wrong is not None:
            return wrong
        said = self._transcribe(request)
        words = _spread(said, request.seconds) if isinstance(said, str) else list(said)
        return self._formatted(model, request, words)

    def _formatted(self, model: Model, request: Request, words: list[Spoken]) -> Reply:
        text = " ".join(word.text for word in words)
        if request["response_format"] == "text":
            return Reply(body=text.encode() + b"\n", headers={"Content-Type": "text/plain; charset=utf-8"})
        if request["response_format"] != "verbose_json":
            answer: dict[str, Any] = {"text": text, "usage": {"type": "duration", "seconds": round(request.seconds)}}
            if model.hints:
                answer["languages"] = [{"code": code} for code in request.fields.get("languages", ["en"])]
            if request["include"] == "logprobs":
                answer["logprobs"] = [{"token": word.text, "logprob": self.logprob, "bytes": []} for word in words]
            return json_reply(answer)
        translated = request.path.endswith("translations")
        segment = {"id": 0, "seek": 0, "start": 0.0, "end": request.seconds, "text": f" {text}", "tokens": []}
        segment |= {"temperature": 0.0, "compression_ratio": 1.2}
        segment |= {"avg_logprob": self.logprob, "no_speech_prob": self.no_speech_prob}
        answer = {"task": "translate" if translated else "transcribe", "language": self._language, "text": text}
        answer |= {"duration": request.seconds, "segments": [segment] if text else []}
        if "word" in request.fields.get("timestamp_granularities", []):
            answer["words"] = [
                {"word": re.sub(r"[^\w'’-]", "", word.text), "start": word.start, "end": word.end} for word in words
            ]
        return json_reply(answer)


def _wrong_field(model: Model, request: Request) -> Reply | None:
    """What the API says to a field that the model doesn't know, or a value of it."""
    name, form = request["model"], request["response_format"] or "json"
    if form not in model.formats:
        message = f"response_format '{form}' is not compatible with model '{name}'. Use 'json' or 'text' instead."
        return error(400, message, param="response_format", code="unsupported_value")
    translation = request.path.endswith("translations")
    allowed = dict.fromkeys(("model", "response_format", "temperature", "stream"), True) | {
        "language": not model.hints and not translation,
        "languages": model.hints,
        "keywords": model.hints,
        "prompt": model.prompt,
        "include": model.logprobs,
        "timestamp_granularities": model.words and form == "verbose_json" and not translation,
    }
    for field_name in request.fields:
        if not allowed.get(field_name):
            return error(400, f"{field_name} is not supported by model '{name}'.", param=field_name)
    if translation and not model.translates:
        return error(400, f"The model '{name}' does not translate.", param="model")
    return None


def _request(path: str, headers: dict[str, str], body: bytes) -> Request:
    """Raises ValueError, EOFError or wave.Error: not a form with a WAV file last."""
    boundary = re.search(r"multipart/form-data; boundary=(.+)", headers.get("content-type", ""))
    if boundary is None:
        raise ValueError("not a form")
    fields: dict[str, list[str]] = {}
    parts = (b"\r\n" + body).split(f"\r\n--{boundary[1]}".encode())[1:-1]
    for part in parts:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        names = dict(re.findall(r'(\w+)="([^"]*)"', head.decode()))
        if names["name"] != "file":
            fields.setdefault(names["name"].removesuffix("[]"), []).append(content.decode())
            continue
        with wave.open(io.BytesIO(content)) as file:
            if (file.getnchannels(), file.getsampwidth()) != (1, 2):
                raise ValueError("not 16-bit mono")
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            return Request(path, headers, fields, names["filename"], content, samples, file.getframerate())
    raise ValueError("no file")


def _spread(text: str, seconds: float) -> list[Spoken]:
    words = text.split()
    length = seconds / max(len(words), 1)
    return [Spoken(word, index * length, (index + 1) * length) for index, word in enumerate(words)]


def knowing_demo() -> Transcribe:
    """The demo's own words."""
    from tests import lj001

    return reading(lj001.samples(), [Spoken(word.text, word.start, word.end) for word in lj001.words()])


async def _serve(port: int, transcribe: str | Transcribe, key: str) -> None:
    async with OpenAIStub(transcribe, key=key, port=port) as stub:
        print(stub.base_url, flush=True)  # noqa: T201 - says where it is
        await asyncio.Event().wait()


def main() -> None:
    """Answer with one text until interrupted; the first line of output is the base URL."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--text", default="The quick brown fox.", help="what is heard in any audio")
    parser.add_argument("--demo", action="store_true", help="hear what is said in the demo recording instead")
    parser.add_argument("--key", default=KEY, help="the API key to be given")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        transcribe = knowing_demo() if arguments.demo else arguments.text
        asyncio.run(_serve(arguments.port, transcribe, arguments.key))


if __name__ == "__main__":
    main()
