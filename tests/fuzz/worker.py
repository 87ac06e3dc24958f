"""Fuzzes one target in a process of its own: `python -m tests.fuzz.worker NAME FOLDER [libFuzzer's options]`."""

import random
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["transcriber", "h11", "wsproto"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name, folder, *options = sys.argv[1:]
    target = TARGETS[name]
    corpus = Path(folder)
    corpus.mkdir()
    for number, seed in enumerate(target.seeds().values()):
        (corpus / f"seed-{number}").write_bytes(seed[: target.max_bytes])

    def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
        return target.mutation(data, random.Random(seed), lambda part, most: atheris.Mutate(part, max(1, most)))[
            :max_bytes
        ]

    warnings.simplefilter("error")
    atheris.Setup(
        [sys.argv[0], *options, f"-max_len={target.max_bytes}", folder], target.check, custom_mutator=mutate
    )
    atheris.Fuzz()


main()
