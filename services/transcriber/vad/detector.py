"""What a detector is: frames in, speech probabilities out, with a state per track."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float32]
"""16 kHz float32, shape (frames, 512)."""

Probability = NDArray[np.float32]
"""In [0, 1], shape (frames,)."""


class DetectorTrack(Protocol):
    """One track's state; frames must be given in order, one call at a time."""

    async def detect(self, frames: Frames) -> Probability: ...


class Detector(Protocol):
    """Shared by all sessions, so that frames of many can be judged at once."""

    def track(self) -> DetectorTrack: ...

    async def close(self) -> None: ...
