"""How much of its window Whisper is shown, how long an answer may be, and which answers are not to be trusted. Pure."""

import itertools
import math
from collections.abc import Sequence

from transcriber.audio.pcm import SAMPLE_RATE

FRAMES_PER_SECOND = 100
"""Mel frames."""
FULL_FRAMES = 3000
"""Whisper's own window, 30 s: what it was trained on."""
MAX_TOKENS = 224
"""Half of the 448 positions of its decoder; the other half is for the prompt."""

REDO_FRAMES = 1600
"""For a second look at what a trimmed window got wrong: as good as Whisper's own window on utterances, at half of its
cost (measured: WER 11.1 % against 11.4 %)."""

_MARGIN_SECONDS = 2
"""Of padding after the audio in a trimmed window; without it Whisper seldom ends its answer."""
_TOKENS_PER_SECOND = 5
_SPARE_TOKENS = 8

_SILENT_PEAK = 10 ** (-65 / 20)
"""−65 dBFS: below it is digital silence, not a quiet speaker."""

_NOISE = ((0.6, -1.0), (0.8, -0.6))
"""From which probability that nobody speaks, and below which average log-probability, an answer is made up. The first
is Whisper's own rule; noise alone mostly passes it with one short word, which the second catches."""
_QUIET_DBFS = -40.0
"""Fifteen decibels below usual speech: there it may be people elsewhere, of whom Whisper makes whole sentences."""
_FAINT = ((11.0, 0.25, 0.0), (14.0, 0.35, -0.5), (14.0, 0.5, 0.0))
"""Like `_NOISE`, for quiet audio without pauses: below which range in dB, from which probability that nobody speaks and
below which average log-probability an answer is made up. Many people at once leave no pauses between words; one does,
however quiet. Measured with tiny.en: eight people at −45 to −60 dBFS have 5 to 13 dB, mostly below 11, and from 0.33 to
0.95 that nobody speaks; one person has 16 dB and more, or 11 to 20 with noise 10 dB below the voice."""
_DOUBTFUL_LOG_PROBABILITY = -1.0
_INVENTED_LOG_PROBABILITY = -1.5

HOLE_SECONDS = 2.0
"""An utterance has no pause this long, so an answer in which no word begins for so long has left some out: a wide beam
likes to stop after a sentence, or to skip one."""

_SUSPECT_COPIES = {1: 4, 2: 3}
"""Copies of one or two words at the end that look like a loop; of longer phrases, two do."""
_CERTAIN_MORE = 2
"""So many copies more are a loop even to somebody who has heard them all."""
_PHRASE_WORDS = 3
"""A phrase as long as this says itself twice in a row where an answer never ends."""
_STAMMER_LETTERS = 24
"""A word that repeats itself for longer is a loop; laughter is shorter."""


def trimmed_frames(samples: int) -> int:
    """The window for so many samples; a function of their number alone, so that batch-mates never matter."""
    seconds = math.ceil(samples / SAMPLE_RATE) + _MARGIN_SECONDS
    return min(seconds * FRAMES_PER_SECOND, FULL_FRAMES)


def redo_frames(samples: int) -> int:
    """The window for a second look at so many samples."""
    return REDO_FRAMES if trimmed_frames(samples) < REDO_FRAMES else FULL_FRAMES


def token_cap(frames: int) -> int:
    """The longest answer for a window: faster speech than anybody's in a trimmed one, Whisper's own limit in a full."""
    if frames >= FULL_FRAMES:
        return MAX_TOKENS
    return _TOKENS_PER_SECOND * (frames // FRAMES_PER_SECOND - _MARGIN_SECONDS) + _SPARE_TOKENS


def is_silent(peak: float) -> bool:
    """Whether audio whose largest sample is `peak` holds nothing at all."""
    return peak < _SILENT_PEAK


def is_noise(log_probability: float, no_speech_probability: float) -> bool:
    """Whether an answer is what Whisper says of audio without speech; the first is the average over its tokens."""
    return any(no_speech_probability > silent and log_probability < unsure for silent, unsure in _NOISE)


def is_elsewhere(log_probability: float, no_speech_probability: float, dbfs: float, range_db: float) -> bool:
    """Whether an answer is what Whisper says of people far away.

    `dbfs` is how loud the audio is, `range_db` how far its loud moments (the 95th percentile of its frames' levels) are
    above its quiet ones (the 10th).
    """
    return dbfs < _QUIET_DBFS and any(
        range_db < crowd and no_speech_probability > silent and log_probability < unsure
        for crowd, silent, unsure in _FAINT
    )


def is_doubtful(log_probability: float) -> bool:
    """Whether a look with the full window may find a better answer."""
    return log_probability < _DOUBTFUL_LOG_PROBABILITY


def is_invented(log_probability: float) -> bool:
    """Whether an answer is too improbable to be of use, even where somebody speaks."""
    return log_probability < _INVENTED_LOG_PROBABILITY


def longest_hole(starts: Sequence[float], seconds: float) -> float:
    """The longest time in which no word of an answer begins, in audio of so many seconds."""
    moments = [0.0, *starts, seconds]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def suspect_surplus(words: Sequence[str]) -> int:
    """How many words at the end seem to repeat those before. A trimmed window mostly fails by saying it all twice."""
    plain = _plain(words)
    half = len(plain) // 2
    doubled = half if half and plain[:half] == plain[half:] else 0
    return max(doubled, _surplus(plain, more=0), _behind_stammer(plain))


def certain_surplus(words: Sequence[str]) -> int:
    """How many words at the end repeat those before so often that nobody said them."""
    plain = _plain(words)
    return max(_surplus(plain, more=_CERTAIN_MORE), _behind_stammer(plain))


def endless_surplus(words: Sequence[str]) -> int:
    """How many words of an answer that was cut off come after the first copy of a phrase that follows itself: Whisper
    did not find the end, and said it again and again, with more words in between at times."""
    plain = _plain(words)
    for start in range(len(plain)):
        for period in range(_PHRASE_WORDS, (len(plain) - start) // 2 + 1):
            behind = start + period
            if plain[start:behind] == plain[behind : behind + period]:
                return len(plain) - behind
    return 0


def _plain(words: Sequence[str]) -> list[str]:
    """Words without case and punctuation; what is only punctuation stays."""
    return ["".join(filter(str.isalnum, word.casefold())) or word.strip() for word in words]


def _behind_stammer(words: Sequence[str]) -> int:
    """How many words there are from the first that is a loop in itself."""
    for place, word in enumerate(words):
        if len(word) > _STAMMER_LETTERS and _surplus(word, more=0) > _STAMMER_LETTERS:
            return len(words) - place
    return 0


def _runs(words: Sequence[str]) -> list[int]:
    """For each place, how many words from there on are those at the beginning (the Z-function: in linear time)."""
    runs = [0] * len(words)
    start = stop = 0
    for place in range(1, len(words)):
        run = min(runs[place - start], max(0, stop - place))
        while place + run < len(words) and words[run] == words[place + run]:
            run += 1
        runs[place] = run
        if place + run > stop:
            start, stop = place, place + run
    return runs


def _surplus(words: Sequence[str], *, more: int) -> int:
    """The longest stretch at the end that comes after its first copy, whatever the phrase's length."""
    surplus = 0
    runs = _runs(words[::-1])
    for period in range(1, len(words) // 2 + 1):
        run = runs[period]
        if run + period >= (_SUSPECT_COPIES.get(period, 2) + more) * period:
            surplus = max(surplus, run)
    return surplus
