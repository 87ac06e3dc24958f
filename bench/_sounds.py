"""Sounds in which nobody says anything, made from a seed: 16 kHz mono, float32 in [-1, 1], as long as asked for."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench._speech import Clip
from transcriber.audio.pcm import SAMPLE_RATE

Sound = NDArray[np.float32]
Maker = Callable[[float, np.random.Generator], Sound]
"""Seconds and a source of chance."""

_KEYS_HZ = [(low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477, 1633)]
"""Pairs of tones, ITU-T Q.23."""
_TALKERS = 8


def at_level(sound: Sound, dbfs: float) -> Sound:
    """Scaled so that its power is that of a full-scale square wave less so many decibels; no sample beyond 1."""
    power = float(np.sqrt(np.mean(np.square(sound)))) or 1.0
    return np.clip(sound * np.float32(10 ** (dbfs / 20) / power), -1, 1)


def silence(seconds: float, _: np.random.Generator) -> Sound:
    return np.zeros(_count(seconds), np.float32)


def white(seconds: float, rng: np.random.Generator) -> Sound:
    return rng.standard_normal(_count(seconds)).astype(np.float32)


def pink(seconds: float, rng: np.random.Generator) -> Sound:
    """Its power falls by 3 dB an octave."""
    return _coloured(seconds, rng, 0.5)


def brown(seconds: float, rng: np.random.Generator) -> Sound:
    """Its power falls by 6 dB an octave: wind, traffic far away."""
    return _coloured(seconds, rng, 1.0)


def hum(seconds: float, _: np.random.Generator) -> Sound:
    """Mains, with harmonics."""
    return _tones(_moments(seconds), [50.0 * number for number in (1, 2, 3, 5, 7)])


def dtmf(seconds: float, rng: np.random.Generator) -> Sound:
    """Keys pressed for 80 to 200 ms."""
    return _events(seconds, rng, (0.05, 0.6), lambda: _key(rng))


def ringing(seconds: float, _: np.random.Generator) -> Sound:
    """A telephone's ringback: 440 and 480 Hz, 2 s on and 4 s off."""
    moments = _moments(seconds)
    return _tones(moments, [440.0, 480.0]) * (moments % 6 < 2)


def clicks(seconds: float, rng: np.random.Generator) -> Sound:
    """A keyboard: short bursts of noise, pressed and released, in a quiet room."""
    typed = _events(seconds, rng, (0.03, 0.5), lambda: _burst(rng))
    return typed + np.float32(0.002) * white(seconds, rng)


def music(seconds: float, rng: np.random.Generator) -> Sound:
    """Chords and a melody above them, with overtones, in beats."""
    chords = _events(seconds, rng, (0.0, 0.02), lambda: _notes(rng, [48, 52, 55, 60], 1.6))
    melody = _events(seconds, rng, (0.0, 0.1), lambda: _notes(rng, [rng.integers(60, 84)], rng.choice([0.2, 0.4, 0.8])))
    return chords + melody


def hold_music(seconds: float, rng: np.random.Generator) -> Sound:
    """Music through a telephone: 300 to 3400 Hz, eight bits, with noise and dropouts."""
    narrow = _band(music(seconds, rng), 300, 3400)
    peak = float(np.abs(narrow).max()) or 1.0
    coarse = np.round(narrow / peak * 127) / 127 + 0.01 * white(seconds, rng)
    present = np.repeat(rng.random(_count(seconds) // SAMPLE_RATE + 1) > 0.05, SAMPLE_RATE)[: coarse.size]
    return (coarse * present).astype(np.float32)


def babble_of(clips: Sequence[Clip]) -> Maker:
    """Eight people at once, elsewhere in the room."""

    def babble(seconds: float, rng: np.random.Generator) -> Sound:
        mixed = np.zeros(_count(seconds), np.float32)
        for _ in range(_TALKERS):
            spoken = np.concatenate([at_level(clips[index].samples, -25) for index in rng.permutation(len(clips))])
            mixed += np.resize(np.roll(spoken, rng.integers(spoken.size)), mixed.size)
        return mixed

    return babble


QUIET: Mapping[str, tuple[Maker, Sequence[float]]] = {
    "silence": (silence, (-100,)),
    "white noise": (white, (-60, -40, -25)),
    "pink noise": (pink, (-60, -40, -25)),
    "brown noise": (brown, (-40, -25)),
    "hum": (hum, (-50, -30)),
    "DTMF": (dtmf, (-30, -15)),
    "ringing": (ringing, (-30, -15)),
    "keyboard": (clicks, (-45, -30)),
    "music": (music, (-40, -25, -15)),
    "hold music": (hold_music, (-40, -25)),
}
"""By name: how it is made, and how loud."""

BABBLE_DBFS = (-60.0, -50.0, -45.0)


def _count(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _moments(seconds: float) -> NDArray[np.float64]:
    return np.arange(_count(seconds)) / SAMPLE_RATE


def _tones(moments: NDArray[np.float64], frequencies_hz: Sequence[float]) -> Sound:
    return sum((np.sin(2 * np.pi * hz * moments) for hz in frequencies_hz), np.zeros(moments.size)).astype(np.float32)


def _coloured(seconds: float, rng: np.random.Generator, exponent: float) -> Sound:
    spectrum = np.fft.rfft(rng.standard_normal(_count(seconds)))
    # Nothing below 20 Hz, where all the power would be.
    hz = np.maximum(np.fft.rfftfreq(_count(seconds), 1 / SAMPLE_RATE), 20)
    return np.fft.irfft(spectrum / hz**exponent, _count(seconds)).astype(np.float32)


def _band(sound: Sound, low_hz: float, high_hz: float) -> Sound:
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(sound.size, 1 / SAMPLE_RATE)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    return np.fft.irfft(spectrum, sound.size).astype(np.float32)


def _events(
    seconds: float, rng: np.random.Generator, pause_seconds: tuple[float, float], make: Callable[[], Sound]
) -> Sound:
    """One sound after the other, with pauses of random length."""
    result = silence(seconds, rng)
    at = 0
    while at < result.size:
        sound = make()[: result.size - at]
        result[at : at + sound.size] = sound
        at += sound.size + _count(rng.uniform(*pause_seconds))
    return result


def _key(rng: np.random.Generator) -> Sound:
    return _tones(_moments(rng.uniform(0.08, 0.2)), _KEYS_HZ[rng.integers(len(_KEYS_HZ))])


def _burst(rng: np.random.Generator) -> Sound:
    moments = _moments(0.02)
    pressed = rng.standard_normal(moments.size) * np.exp(-moments / 0.003)
    return np.concatenate([pressed, np.zeros(_count(0.06)), 0.4 * pressed]).astype(np.float32)


def _notes(rng: np.random.Generator, numbers: Sequence[int], seconds: float) -> Sound:
    """MIDI numbers, moved together to a random key, plucked."""
    moments = _moments(seconds)
    envelope = np.minimum(moments / 0.01, 1) * np.exp(-moments / (0.6 * seconds))
    key = 2 ** (rng.integers(-3, 4) / 12)
    pitches = [440 * 2 ** ((number - 69) / 12) * key for number in numbers]
    sound = np.zeros(moments.size)
    for overtone in (1, 2, 3, 4):
        sound += _tones(moments, [pitch * overtone for pitch in pitches]) / overtone**1.5
    return (sound * envelope).astype(np.float32)
