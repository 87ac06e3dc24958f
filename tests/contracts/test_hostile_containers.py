"""Streams that refer to something outside themselves: nothing of it is opened, whatever the container."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest

from tests.corpus import encoded
from tests.decoding import outcome
from tests.opened_files import Canary, canary
from tests.wavs import speechlike, wav
from transcriber.events import Error

SOUND = wav(speechlike(16_000, 0.5), 16_000)


def hls(target: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode()


def hls_key(target: str) -> bytes:
    return f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:1,\ndata:,x\n#EXT-X-ENDLIST\n'.encode()


def concat(target: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{target}'\nduration 1\n".encode()


def dash(target: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT1S"><Period>'
        f'<AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="1"><BaseURL>{target}</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>"
    ).encode()


def sdp(target: str) -> bytes:
    port = target.rpartition(":")[2].partition("/")[0] if target.startswith("http") else "9"
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} TCP 0\n".encode()


def m3u_in_riff(target: str) -> bytes:
    """A WAV whose only chunk is a playlist."""
    list_ = hls(target)
    return b"RIFF" + struct.pack("<I", 12 + len(list_)) + b"WAVEdata" + struct.pack("<I", len(list_)) + list_


def asf_reference(target: str) -> bytes:
    return f"[Reference]\r\nRef1={target}\r\n<ASX version='3'><Entry><Ref href='{target}'/></Entry></ASX>".encode()


def movie(kind: bytes) -> Callable[[str], bytes]:
    """QuickTime whose track has its samples elsewhere: `url `, or an alias with an absolute path."""

    def made(target: str) -> bytes:
        stream, own = encoded("mov"), struct.pack(">I4sI", 12, b"url ", 1)
        body = alias(target) if kind == b"alis" else target.encode() + b"\0"
        entry = struct.pack(">I4sI", 12 + len(body), kind, 0) + body
        at = stream.index(own)
        referring = bytearray(stream[:at] + entry + stream[at + len(own) :])
        for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
            position = referring.rindex(box, 0, at) - 4
            (size,) = struct.unpack_from(">I", referring, position)
            struct.pack_into(">I", referring, position, size + len(entry) - len(own))
        mdat = referring.index(b"mdat")
        (size,) = struct.unpack_from(">I", referring, mdat - 4)
        referring[mdat + 4 : mdat - 4 + size] = bytes(size - 8)
        return bytes(referring)

    return made


def alias(target: str) -> bytes:
    """A Mac OS alias record as FFmpeg reads it: volume and file name, then tagged paths (type 2 is absolute)."""
    path = target.removeprefix("file://").encode()
    record = bytes(10) + b"\x04disk".ljust(28, b"\0") + bytes(12)
    record += b"\x05other".ljust(64, b"\0") + bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    tagged = struct.pack(">HH", 2, len(path)) + path + bytes(len(path) % 2)
    tagged += struct.pack(">HH", 18, len(path)) + path + bytes(len(path) % 2)
    return record + tagged + struct.pack(">Hh", 0xFFFF, 0)


REFERRING: Mapping[str, Callable[[str], bytes]] = {
    "HLS": hls,
    "HLS key": hls_key,
    "concat": concat,
    "DASH": dash,
    "SDP": sdp,
    "playlist in WAV": m3u_in_riff,
    "ASX": asf_reference,
    "QuickTime url": movie(b"url "),
    "QuickTime alias": movie(b"alis"),
}
DISGUISES = {
    "as it is": b"",
    "ID3": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "FLAC": b"fLaC",
    "WAV": b"RIFF\xff\xff\xff\x7fWAVE",
    "MP4": b"\x00\x00\x00\x08wide",
    "ASF": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "MP3": bytes.fromhex("fffb9064"),
    "CAF": b"caff\x00\x01\x00\x00",
}


def targets(watched: Canary) -> list[str]:
    path, port = str(watched.path), watched.port
    return [
        *(path, f"file://{path}", f"file:{path}", f"subfile,,start,0,end,0,,:{path}", f"concat:{path}|{path}"),
        *(f"http://127.0.0.1:{port}/x.ts", f"tcp://127.0.0.1:{port}", f"crypto:http://127.0.0.1:{port}/x"),
    ]


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("container", REFERRING)
async def test_what_a_stream_refers_to_is_not_opened(container: str, disguise: str, tmp_path: Path) -> None:
    with canary(tmp_path / "canary.wav", SOUND) as watched:
        for target in targets(watched):
            stream = DISGUISES[disguise] + REFERRING[container](target)
            end = await outcome(stream, 0)
            assert watched.touched() == [], (container, target)
            assert not isinstance(end, Error) or end.code == "unsupported_audio"


def test_the_canary_sings(tmp_path: Path) -> None:
    """What is not restricted opens both, so that the test above can fail."""
    with canary(tmp_path / "canary.wav", SOUND) as watched:
        list_ = tmp_path / "list.ffconcat"
        list_.write_bytes(concat(str(watched.path)))
        with av.open(str(list_), format="concat", options={"safe": "0"}) as container:
            assert sum(frame.samples for frame in container.decode(audio=0)) == 8000
        assert watched.touched() == ["file"]
        with pytest.raises((av.error.FFmpegError, OSError)):
            av.open(f"tcp://127.0.0.1:{watched.port}?timeout=100000", format="wav", timeout=0.2).close()
        assert watched.touched() == ["address"]


def test_a_movie_that_refers_is_one_that_ffmpeg_would_follow(tmp_path: Path) -> None:
    """So that it is what it is taken for. Of `url ` entries FFmpeg knows, but follows aliases alone."""
    with canary(tmp_path / "canary.mov", encoded("mov")) as watched:
        referring = tmp_path / "referring.mov"
        referring.write_bytes(movie(b"alis")(str(watched.path)))
        options = {"enable_drefs": "1", "use_absolute_path": "1"}
        with av.open(str(referring), format="mov", options=options) as container:
            heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
        assert watched.touched() == ["file"]
        assert heard.any()
