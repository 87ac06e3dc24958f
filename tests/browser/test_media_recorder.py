"""What Chromium's MediaRecorder makes of a microphone, live: the words of it, and every sample."""

import re

import jiwer
import numpy as np
import pytest
import soxr

from tests import lj001
from tests.browser.chromium import Page
from tests.browser.conftest import SPEECH_SECONDS
from tests.browser.recording import Recording, kinds_of, record
from tests.corpus import decode_whole
from tests.decoding import cut, decoded, opened
from tests.service_process import ServiceProcess

SAID = " ".join(passage.text for passage in lj001.passages()[:2])
TOLERANCE = 3 / 32768
SINGLE_BYTES = 60_000
MADE = ["audio/webm;codecs=opus", "audio/webm;codecs=pcm", "audio/mp4;codecs=opus"]
DEMUXERS = {"audio/webm": "matroska", "audio/mp4": "mov", "audio/ogg": "ogg"}


def plain(text: str) -> str:
    return re.sub(r"[^\w ]", "", text.lower())


async def test_what_chromium_makes_is_what_is_tried(page: Page) -> None:
    assert await kinds_of(page) == MADE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", MADE)
async def test_what_is_recorded_is_understood_live(page: Page, local: ServiceProcess, kind: str) -> None:
    made = await record(page, kind, SPEECH_SECONDS + 1.5, local.url)
    assert (made.kind, made.close) == (kind, (1000, "complete"))
    assert jiwer.wer(plain(SAID), plain(made.text)) < 0.15, made.text
    complete = made.messages[-1]
    assert complete["received_bytes"] == len(made.data)
    assert abs(complete["duration_seconds"] - SPEECH_SECONDS - 1.5) < 0.7
    (kept,) = local.stored(made.messages[0]["session_id"]).glob("audio.*")
    assert kept.read_bytes() == made.data
    await every_sample(made)


async def every_sample(made: Recording) -> None:
    """However it is cut, it gives what FFmpeg decodes of the whole."""
    samples, rate = decode_whole(made.data, DEMUXERS[made.kind.split(";")[0]])
    mono = samples.mean(axis=0, dtype=np.float64)
    wanted = mono if rate == 16_000 else soxr.resample(mono, rate, 16_000, "HQ")
    random = np.random.default_rng(5)
    edges = [int(edge) for edge in random.integers(0, len(made.data), 200)]
    bytewise = cut(made.data[:SINGLE_BYTES], 1) + cut(made.data[SINGLE_BYTES:], 97)
    for pieces in ([made.data], made.blobs, bytewise, cut(made.data, edges)):
        found, lost = await decoded(opened(made.data), pieces)
        assert lost == 0
        assert abs(found.shape[1] - len(wanted)) <= 1, made.kind
        same = min(found.shape[1], len(wanted))
        np.testing.assert_allclose(found[0, :same], wanted[:same], atol=TOLERANCE, rtol=0)
