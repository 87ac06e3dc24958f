"""Every format from the programs that make it, however its bytes come: are the samples those of the reference?

    make bench-sources ARGS="--seconds 10"

Sources are ffmpeg and sox of the system (written to a pipe, as live), Python's wave, and the MediaRecorder of Chromium
with a microphone that plays speech; what is not installed is left out, and said (`.ci/install-packages bench browser`).
Each stream is decoded whole, in random pieces, and byte by byte (its first 64 KiB, then in pieces of 97 bytes); the
reference is the ffmpeg program's decoding of the whole file as floats at its own rate, mixed and resampled by the same
resampler. `told missing` is how often the stream lacks something by its own times: a browser on a busy machine skips.
`off by` is how many samples longer ours is; `difference` the largest one of a sample, in units of 16 bits.
A minute or two.
"""

import argparse
import asyncio
import io
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from bench.formats import cost, memory
from tests import lj001
from tests.browser import chromium
from tests.browser.recording import kinds_of, record
from tests.decoding import cut, decoded, opened

RATE = 48_000
TEXTS = ("source", "format", "1 byte", "random")
COLUMNS = (
    *("source", "format", "kbit/s", "samples", "told missing", "off by", "difference", "1 byte", "random"),
    *("CPU ms/s", "KiB", "delay s"),
)
SINGLE_BYTES = 64 << 10


@dataclass(frozen=True)
class Made:
    """A stream, and who made it."""

    source: str
    name: str
    stream: bytes


def speech(seconds: float) -> NDArray[np.int16]:
    """The demo recording at 48 kHz, two channels that differ."""
    mono = soxr.resample(lj001.samples()[: round(seconds * 16_000)].astype(np.float32) / 32768, 16_000, RATE, "HQ")
    stereo = np.stack([mono, 0.5 * mono], axis=1)
    return (np.clip(stereo, -1, 1) * 32767).astype(np.int16)


FFMPEG = {
    "wav 16 bits": "-c:a pcm_s16le -f wav",
    "wav 8 bits": "-c:a pcm_u8 -f wav",
    "wav 24 bits": "-c:a pcm_s24le -f wav",
    "wav 32 bits": "-c:a pcm_s32le -f wav",
    "wav float": "-c:a pcm_f32le -f wav",
    "wav A-law": "-c:a pcm_alaw -ar 8000 -ac 1 -f wav",
    "wav µ-law": "-c:a pcm_mulaw -ar 8000 -ac 1 -f wav",
    "wav IMA ADPCM": "-c:a adpcm_ima_wav -f wav",
    "wav G.722": "-c:a adpcm_g722 -ar 16000 -ac 1 -f wav",
    "wav G.726": "-c:a g726 -ar 8000 -ac 1 -f wav",
    "wav G.723.1": "-c:a g723_1 -ar 8000 -ac 1 -b:a 6300 -f wav",
    "webm opus": "-c:a libopus -f webm -live 1",
    "webm vorbis": "-c:a libvorbis -f webm",
    "ogg opus": "-c:a libopus -f ogg -page_duration 200000",
    "ogg vorbis": "-c:a libvorbis -f ogg",
    "ogg flac": "-c:a flac -f ogg",
    "ogg speex": "-c:a libspeex -ar 16000 -ac 1 -f ogg",
    "flac": "-c:a flac -f flac",
    "mp3": "-c:a libmp3lame -f mp3",
    "mp3 with ID3": "-c:a libmp3lame -metadata title=talk -id3v2_version 3 -write_id3v1 1 -f mp3",
    "mp2": "-c:a mp2 -f mp2",
    "aac": "-c:a aac -f adts",
    "mp4 fragmented": "-c:a aac -f mp4 -movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 250000",
    "au": "-c:a pcm_s16be -f au",
    "caf": "-c:a pcm_s16le -f caf",
    "matroska aac": "-c:a aac -f matroska",
    "mpegts aac": "-c:a aac -f mpegts",
    "mpegts ac3": "-c:a ac3 -f mpegts",
    "mpeg mp2": "-c:a mp2 -f mpeg",
    "flv mp3": "-c:a libmp3lame -ar 44100 -f flv",
    "flv aac": "-c:a aac -f flv",
}
"""To a pipe. Formats whose muxers go back are written to a file: AIFF and RF64 from a pipe have sizes of zero in their
headers, so that ffmpeg itself reads nothing of them (the service takes such RF64, and refuses such AIFF)."""
FFMPEG_FILES = {
    "aiff": ("aiff", "-c:a pcm_s16be"),
    "w64": ("w64", "-c:a pcm_s24le"),
    "RF64": ("wav", "-c:a pcm_s16le -rf64 always"),
    "m4a": ("m4a", "-c:a aac"),
    "m4a alac": ("m4a", "-c:a alac"),
    "mov": ("mov", "-c:a pcm_s16le"),
    "mp4 with video": ("mp4", "-f lavfi -i color=s=64x64:r=5 -shortest -c:v mpeg4 -c:a aac"),
    "avi": ("avi", "-c:a libmp3lame"),
    "wma": ("asf", "-c:a wmav2"),
}
SOX = {
    "wav 16 bits": "-t wav -b 16",
    "wav 24 bits": "-t wav -b 24",
    "wav float": "-t wav -e floating-point -b 32",
    "wav µ-law": "-t wav -e u-law -r 8000 -c 1",
    "wavpcm extensible": "-t wavpcm -b 24",
    "flac": "-t flac",
    "ogg vorbis": "-t ogg",
    "mp3": "-t mp3 -C 64",
    "aiff": "-t aiff",
    "au": "-t au -b 16",
    "sphere": "-t sph -b 16",
}
WAVES = {"8 bits": 1, "16 bits": 2, "24 bits": 3, "32 bits": 4}


def from_ffmpeg(source: Path) -> Iterator[Made]:
    base = ["ffmpeg", "-v", "error", "-i", str(source)]
    for name, how in FFMPEG.items():
        yield Made("ffmpeg to a pipe", name, _output([*base, *how.split(), "pipe:1"]))
    with tempfile.TemporaryDirectory() as folder:
        for name, (extension, how) in FFMPEG_FILES.items():
            target = Path(folder) / f"made.{extension}"
            _output([*base, *how.split(), "-y", str(target)])
            yield Made("ffmpeg to a file", name, target.read_bytes())


def from_sox(source: Path) -> Iterator[Made]:
    for name, how in SOX.items():
        yield Made("sox to a pipe", name, _output(["sox", "-D", str(source), *how.split(), "-"]))


def from_wave(samples: NDArray[np.int16]) -> Iterator[Made]:
    for name, width in WAVES.items():
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setnchannels(samples.shape[1])
            writer.setsampwidth(width)
            writer.setframerate(RATE)
            wide = samples.astype("<i4") << 16 if width > 1 else (samples >> 8).astype(np.int32) + 128
            raw = wide.astype("<i4").view(np.uint8).reshape(-1, 4)
            writer.writeframes(raw[:, 4 - width :].tobytes() if width > 1 else raw[:, :1].tobytes())
        yield Made("Python's wave", name, file.getvalue())


async def from_chromium(source: Path, seconds: float) -> list[Made]:
    async with chromium.page(source) as page:
        kinds = await kinds_of(page)
    made: list[Made] = []
    for kind in kinds:
        async with chromium.page(source) as page:
            made.append(Made("MediaRecorder", kind, (await record(page, kind, seconds)).data))
    return made


def _output(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def reference(stream: bytes) -> NDArray[np.float64]:
    """What the ffmpeg program decodes, mixed to one channel at 16 kHz."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(stream)
        file.flush()
        shown = "stream=sample_rate,channels"
        probe = ["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", shown, "-of", "csv=p=0"]
        rate, channels = (int(value) for value in _output([*probe, file.name]).decode().split()[0].split(",")[:2])
        decode = ["ffmpeg", "-v", "error", "-i", file.name, "-map", "0:a:0", "-f", "f32le", "-c:a", "pcm_f32le"]
        raw = np.frombuffer(_output([*decode, "pipe:1"]), "<f4").reshape(-1, channels)
    mono = np.clip(raw, -1, 1).mean(axis=1, dtype=np.float64)
    return mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, "HQ")


async def ours(stream: bytes, pieces: list[bytes]) -> tuple[NDArray[np.float32], int]:
    """Samples, and how often something was told to be missing among them."""
    samples, lost = await decoded(opened(stream), pieces)
    return samples[0], lost


async def row(made: Made, seconds: float, count: int) -> str:
    stream = made.stream
    whole, lost = await ours(stream, [stream])
    edges = [int(edge) for edge in np.random.default_rng(1).integers(0, len(stream), 300)]
    cuts: dict[str, Callable[[], list[bytes]]] = {
        "1 byte": lambda: cut(stream[:SINGLE_BYTES], 1) + cut(stream[SINGLE_BYTES:], 97),
        "random": lambda: cut(stream, edges),
    }
    same = {name: np.array_equal((await ours(stream, pieces()))[0], whole) for name, pieces in cuts.items()}
    wanted = reference(stream)
    length = min(len(whole), len(wanted))
    difference = np.abs(whole[:length] - wanted[:length]).max() * 32768
    cpu, delay = await cost(stream, seconds)
    kib = memory(stream, seconds, count)
    equal = ["yes" if same[name] else "NO" for name in cuts]
    cells = [
        *(
            made.source,
            made.name,
            f"{len(stream) * 8 / seconds / 1000:.0f}",
            len(whole),
            lost,
            f"{len(whole) - len(wanted):+d}",
        ),
        *(f"{difference:.2f}", *equal, f"{cpu:.2f}", f"{kib:.0f}", f"{delay:.1f}"),
    ]
    return f"| {' | '.join(map(str, cells))} |"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="length of each stream")
    parser.add_argument("--streams", type=int, default=10, help="streams at once, for memory")
    arguments = parser.parse_args()
    samples = speech(arguments.seconds)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "speech.wav"
        with wave.open(str(source), "wb") as writer:
            writer.setparams((2, 2, RATE, 0, "NONE", ""))
            writer.writeframes(samples.tobytes())
        made = [*from_wave(samples)]
        made += from_ffmpeg(source) if shutil.which("ffmpeg") else []
        made += from_sox(source) if shutil.which("sox") else []
        made += await from_chromium(source, arguments.seconds) if chromium.installed() else []
    missing = [name for name in ("ffmpeg", "sox", "chromium") if not shutil.which(name)]
    if "ffmpeg" in missing:
        raise SystemExit("ffmpeg is not installed: it is the reference (.ci/install-packages bench)")
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"| {' | '.join('---' if name in TEXTS else '---:' for name in COLUMNS)} |")
    for stream in made:
        print(await row(stream, arguments.seconds, arguments.streams), flush=True)
    if missing:
        print(f"\nNot installed: {', '.join(missing)}.")


if __name__ == "__main__":
    asyncio.run(main())
