"""How loud samples are."""

import numpy as np
import pytest

from transcriber.audio.levels import levels
from transcriber.audio.pcm import SILENCE_DBFS


def test_a_full_scale_square_wave_is_0_dbfs_and_nothing_at_all_has_a_level_too() -> None:
    square, sine = np.sign(np.sin(np.arange(512) + 0.5)), np.sin(2 * np.pi * np.arange(512) / 64)
    rows = np.stack([square, square / 10, sine, np.zeros(512)]).astype(np.float32)
    assert levels(rows) == pytest.approx([0.0, -20.0, -3.01, SILENCE_DBFS], abs=0.01)
    assert float(levels(rows[1])) == pytest.approx(-20.0, abs=0.01)
