"""Word errors of a long text, clip by clip."""

from collections.abc import Sequence
from itertools import accumulate

import jiwer
import numpy as np


def by_clip(said: Sequence[Sequence[str]], heard: Sequence[str]) -> list[int]:
    """How many words of each clip are wrong, missing or too many, after aligning all words of all clips in their order
    with all that was heard. A word too many counts for the clip of the word after it."""
    ends = list(accumulate(len(words) for words in said))
    aligned = jiwer.process_words(" ".join(word for words in said for word in words), " ".join(heard))
    errors = np.zeros(len(said), int)
    for chunk in aligned.alignments[0]:
        if chunk.type == "insert":
            place = min(chunk.ref_start_idx, ends[-1] - 1)
            errors[np.searchsorted(ends, place, side="right")] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            for place in range(chunk.ref_start_idx, chunk.ref_end_idx):
                errors[np.searchsorted(ends, place, side="right")] += 1
    return errors.tolist()
