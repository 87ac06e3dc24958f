"""A parser with a mistake in it, for the test of the fuzzer."""

from tests.fuzz.target import Target


def _check(data: bytes) -> None:
    if data.startswith(b"pl"):
        raise ValueError("planted")


TARGETS = (Target("planted", _check, lambda: {"harmless": b"-planted"}),)
