"""What a page does that records its microphone: blobs of MediaRecorder, live to a service, and kept to be looked at."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from tests.browser.chromium import Page

KINDS = (
    "audio/webm;codecs=opus",
    "audio/webm;codecs=pcm",
    "audio/mp4;codecs=opus",
    "audio/mp4;codecs=mp4a.40.2",
    "audio/ogg;codecs=opus",
)
"""That some browser or other makes."""

_RECORD = """
async (kind, url, seconds, slice) => {
  const plain = {echoCancellation: false, noiseSuppression: false, autoGainControl: false};
  const stream = await navigator.mediaDevices.getUserMedia({audio: plain});
  const recorder = new MediaRecorder(stream, {mimeType: kind});
  const blobs = [], messages = [];
  let socket = null, closed = Promise.resolve(null);
  if (url) {
    socket = new WebSocket(url);
    socket.onmessage = message => messages.push(message.data);
    closed = new Promise(go => { socket.onclose = close => go([close.code, close.reason]); });
    await new Promise((go, fail) => { socket.onopen = go; socket.onerror = () => fail(new Error('no connection')); });
  }
  recorder.ondataavailable = blob => {
    blobs.push(blob.data);
    if (socket && blob.data.size) socket.send(blob.data);
  };
  const stopped = new Promise(go => { recorder.onstop = go; });
  recorder.start(slice);
  await new Promise(go => setTimeout(go, 1000 * seconds));
  recorder.stop();
  await stopped;
  stream.getTracks().forEach(track => track.stop());
  if (socket) socket.send('END');
  const close = await closed;
  const bytes = new Uint8Array(await new Blob(blobs).arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return {kind: recorder.mimeType, sizes: blobs.map(blob => blob.size), data: btoa(text), messages, close};
}
"""


@dataclass(frozen=True)
class Recording:
    """What came of one."""

    kind: str
    """As the recorder calls it."""
    sizes: list[int]
    """Of its blobs."""
    data: bytes
    messages: list[dict[str, Any]]
    """Of the service."""
    close: tuple[int, str] | None

    @property
    def blobs(self) -> list[bytes]:
        starts = [sum(self.sizes[:number]) for number in range(len(self.sizes))]
        return [self.data[start : start + size] for start, size in zip(starts, self.sizes, strict=True)]

    @property
    def text(self) -> str:
        return " ".join(message["text"] for message in self.messages if message["type"] == "transcription")


async def kinds_of(page: Page) -> list[str]:
    """What its MediaRecorder offers."""
    return await page.run("kinds => kinds.filter(kind => MediaRecorder.isTypeSupported(kind))", list(KINDS))


async def record(page: Page, kind: str, seconds: float, url: str | None = None, slice_ms: int = 100) -> Recording:
    """Record so long, and stream it as it is made if there is a URL of a service."""
    made = await page.run(_RECORD, kind, url, seconds, slice_ms)
    close = made["close"]
    messages = [json.loads(message) for message in made["messages"]]
    return Recording(
        made["kind"], made["sizes"], base64.b64decode(made["data"]), messages, (close[0], close[1]) if close else None
    )
