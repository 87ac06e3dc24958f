"""How loud samples are. Apart from `pcm`, which the command line needs where numpy is not installed."""

import numpy as np
from numpy.typing import NDArray

from transcriber.audio.pcm import SILENCE_DBFS


def levels(stretches: NDArray[np.float32]) -> NDArray[np.floating]:
    """How loud each row of samples is, in dBFS: 0 is a full-scale square wave."""
    power = np.mean(np.square(stretches), axis=-1)
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DBFS / 10)))
