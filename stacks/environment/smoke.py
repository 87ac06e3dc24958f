"""Whether a service transcribes: the demo's clip through its public door, as a client sends it."""

import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIP, SPOKEN = ROOT / "demo/lj001.wav", ROOT / "demo/lj001.txt"
SHARE_HEARD = 0.8
"""Of the words that are spoken in the clip, how many must be in its transcript."""
SECONDS = 180
"""For all of it; the clip is 52 s of speech, sent as fast as it goes."""
NOT_REACHED, AGAIN_SECONDS = 4, 5
"""The client's exit code where there is no connection, and when it is tried again."""


class Unheard(Exception):
    """The message says what came instead."""


def heard(url: str, *, seconds: float = SECONDS, wait_seconds: float = 0) -> float:
    """The share of the clip's words that came back. Where nothing is reached it is tried again for so long: a name that
    is new is not known everywhere at once.

    Raises:
        Unheard: it was too small, or nothing came.
    """
    until = time.monotonic() + wait_seconds
    try:
        code, text = _transcribe(url, seconds)
        while code == NOT_REACHED and time.monotonic() < until:
            time.sleep(AGAIN_SECONDS)
            code, text = _transcribe(url, seconds)
    except subprocess.TimeoutExpired:
        raise Unheard(f"{url} did not transcribe the demo within {seconds:g} s") from None
    if code:
        raise Unheard(f"{url} did not transcribe the demo (exit code {code}):\n{text}")
    share = share_of(SPOKEN.read_text(), text)
    if share < SHARE_HEARD:
        raise Unheard(f"{url} heard {share:.0%} of the demo's words:\n{text}".rstrip(":\n"))
    return share


def share_of(spoken: str, text: str) -> float:
    """Of the different words that were spoken, how many are in the text."""
    wanted, found = _words(spoken), _words(text)
    return len(wanted & found) / len(wanted)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z']+", text.lower()))


def _transcribe(url: str, seconds: float) -> tuple[int, str]:
    """The exit code and what was said: the text, or what went wrong."""
    command = [sys.executable, "-m", "transcriber", "stream", "--url", url, "--no-record", str(CLIP)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT)  # noqa: S603
    return done.returncode, done.stdout if done.returncode == 0 else done.stderr
