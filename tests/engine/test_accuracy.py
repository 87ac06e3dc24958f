"""What the models hear, in words wrong of a hundred, and what they make of no speech."""

import dataclasses
from collections.abc import Callable

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from tests import lj001
from tests.engine.asking import CLIP, job_of, passage, recognize
from transcriber.audio.pcm import SAMPLE_RATE
from transcriber.engines.engine import Recognition, Samples
from transcriber.engines.local_whisper import LocalWhisper

RANDOM = np.random.default_rng(1)
WORST_WER = 0.04
"""The plain library has .016 with tiny.en."""


async def word_error_rate(engine: LocalWhisper, *, final: bool = True, gain: float = 1.0, **options: object) -> float:
    normalize = EnglishTextNormalizer()
    said = [normalize(each.text) for each in lj001.passages()]
    heard = [
        (await recognize(engine, job_of(passage(number) * np.float32(gain), final=final, **options))).text
        for number in range(len(said))
    ]
    return jiwer.wer(said, [normalize(text) for text in heard])


@pytest.mark.parametrize("final", [True, False], ids=["final", "partial"])
async def test_tiny_hears_the_demo(tiny: LocalWhisper, final: bool) -> None:
    assert await word_error_rate(tiny, final=final) <= WORST_WER


async def test_thirty_decibels_quieter_is_speech_all_the_same(tiny: LocalWhisper) -> None:
    assert await word_error_rate(tiny, gain=10 ** (-30 / 20)) <= WORST_WER


async def test_base_hears_the_demo_in_a_trimmed_window(base: LocalWhisper) -> None:
    assert await word_error_rate(base, language="en") <= WORST_WER


async def test_words_are_where_they_are_spoken(tiny: LocalWhisper) -> None:
    (start, end) = (lj001.passages()[0].start, lj001.passages()[1].end)
    second_starts = lj001.passages()[1].start
    heard = await recognize(tiny, job_of(CLIP[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]))
    assert heard.words is not None
    being = next(word for word in heard.words if word.text.startswith("being"))
    assert second_starts - 0.1 <= being.start <= second_starts + 0.6
    assert sum(word.probability or 0 for word in heard.words) / len(heard.words) > 0.6


def pink(seconds: float) -> Samples:
    spectrum = np.fft.rfft(RANDOM.standard_normal(int(seconds * SAMPLE_RATE)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)))
    return (0.1 * noise / np.abs(noise).max()).astype(np.float32)


def hum(seconds: float) -> Samples:
    moments = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.05 * np.sin(2 * np.pi * 50 * moments) + 0.02 * np.sin(2 * np.pi * 150 * moments)).astype(np.float32)


def clicks(seconds: float) -> Samples:
    samples = 0.001 * RANDOM.standard_normal(int(seconds * SAMPLE_RATE))
    samples[:: SAMPLE_RATE // 2] = 0.8
    return samples.astype(np.float32)


@pytest.mark.parametrize("full_context", [False, True], ids=["trimmed", "full"])
@pytest.mark.parametrize("seconds", [1, 3, 8])
@pytest.mark.parametrize("noise", [pink, hum, clicks])
async def test_noise_has_no_text(
    tiny: LocalWhisper, noise: Callable[[float], Samples], seconds: float, full_context: bool
) -> None:
    job = dataclasses.replace(job_of(noise(seconds)), full_context=full_context)
    heard = await recognize(tiny, job)
    assert heard == Recognition("", (), "aligned", "en")
