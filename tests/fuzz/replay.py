"""What is left of fuzzing where there is no atheris: seeds and blind changes of them, one after the other."""

import random

from tests.fuzz.target import Target


def replay(target: Target, *, inputs: int, seed: int) -> None:
    """Checks the seeds as they are, then so many changed ones."""
    chance = random.Random(seed)
    seeds = [content[: target.max_bytes] for content in target.seeds().values()]
    for content in seeds:
        target.check(content)

    def change(data: bytes, max_bytes: int) -> bytes:
        start = chance.randrange(len(data) + 1)
        stop = start + chance.choice((0, 0, 1, 1, 2, 8, 100))
        inserted = chance.choice((b"", chance.randbytes(1), chance.randbytes(4), bytes(4), b"\xff" * 4, data[:stop]))
        return (data[:start] + inserted + data[stop:])[:max_bytes]

    content = seeds[0]
    for _ in range(inputs):
        # From a seed, or on from what came of one.
        content = chance.choice(seeds) if chance.random() < 0.3 else content
        content = target.mutation(content, chance, change)[: target.max_bytes]
        target.check(content)
