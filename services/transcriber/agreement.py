"""How much of a text that is still being guessed can be relied on: what two successive guesses agree on.

LocalAgreement, from Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial
Hypothesis Selection" (2020).
"""


class LocalAgreement:
    """The guesses at one utterance. What they once agreed on counts, although a later guess may be without it."""

    def __init__(self) -> None:
        self._guess: tuple[str, ...] = ()
        self._agreed: tuple[str, ...] = ()

    def stable_words(self, text: str) -> int:
        """The newest guess is `text`: how many of its first words are agreed on."""
        words = tuple(text.split())
        common = _common_prefix(self._guess, words)
        if common[: len(self._agreed)] == self._agreed:
            self._agreed = common
        self._guess = words
        return len(_common_prefix(self._agreed, words))


def _common_prefix(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        length += 1
    return first[:length]
