"""Short films whose audio begins later than their picture."""

import io
from fractions import Fraction

import av
import numpy as np

RATE = 48_000
PICTURES = 25
SECONDS = 2
_FRAME = 1024


def film(container: str, late_seconds: float, audio: str) -> bytes:
    """2 s of pictures at 25 a second, and of a tone that begins so much later."""
    file = io.BytesIO()
    options = {"movflags": "frag_keyframe+empty_moov+delay_moov"} if container == "mp4" else {}
    with av.open(file, "w", format=container, container_options=options) as out:
        video = out.add_stream("mpeg4", rate=PICTURES)
        video.width = video.height = 32
        sound = out.add_stream(audio, rate=RATE, layout="mono")
        for at in range(SECONDS * PICTURES):
            picture = av.VideoFrame(32, 32, "yuv420p")
            picture.pts, picture.time_base = at, Fraction(1, PICTURES)
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        tone = (0.5 * np.sin(np.arange(_FRAME) * 0.2)).astype(np.float32).reshape(1, -1)
        for at in range(SECONDS * RATE // _FRAME):
            frame = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
            frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
            frame.pts = at * _FRAME + round(late_seconds * RATE)
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return file.getvalue()
