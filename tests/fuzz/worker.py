"""Fuzzes one target in a process of its own: `python -m tests.fuzz.worker MODULE NAME FOLDER [libFuzzer's options]`."""

import random
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["transcriber", "h11", "wsproto"]):
    from tests.fuzz.targets import targets_of


def main() -> None:
    module, name, folder, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["transcriber", "h11", "wsproto"]):
        target = targets_of(module)[name]
    for number, seed in enumerate(target.seeds().values()):
        (Path(folder) / f"seed-{number}").write_bytes(seed[: target.max_bytes])

    def mutate(data: bytes, max_bytes: int, seed: int) -> bytes:
        chance = random.Random(seed)
        return target.mutation(data, chance, lambda part, most: atheris.Mutate(part, max(1, most)))[:max_bytes]

    warnings.simplefilter("error")
    arguments = [sys.argv[0], *options, f"-max_len={target.max_bytes}", folder]
    atheris.Setup(arguments, target.check, custom_mutator=mutate)
    atheris.Fuzz()


main()
