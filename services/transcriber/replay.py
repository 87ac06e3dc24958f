"""What a session was told before the process that ran it ended: it wins over what would be computed now."""

from collections import Counter

from transcriber.events import (
    EngineFailed,
    Error,
    Event,
    Failed,
    Hypothesis,
    Status,
    Transcription,
    TranscriptionLate,
    Warned,
)
from transcriber.spool import Spool


class Replay:
    """The events in a spool when its work begins, by what they are about. Empty for a new session."""

    def __init__(self, spool: Spool) -> None:
        self._told: Counter[tuple[object, ...]] = Counter()
        self._results: dict[int, Hypothesis | EngineFailed] = {}
        self.late: set[int] = set()
        """Utterances whose text was told late."""
        cursor = spool.events()
        while (numbered := cursor.next()) is not None:
            event = numbered[1]
            self._told[_identity(event)] += 1
            if isinstance(event, Transcription):
                self._results[event.utterance] = Hypothesis(
                    event.utterance, event.text, event.words, True, event.language, event.times
                )
            elif isinstance(event, TranscriptionLate):
                self.late.add(event.utterance)
            elif isinstance(event, Failed) and event.utterance is not None:
                self._results[event.utterance] = EngineFailed(
                    event.utterance, Error(event.error.code, event.error.message)
                )

    def told(self, event: Event) -> bool:
        """Whether the event was told before; each counts once."""
        identity = _identity(event)
        if not self._told[identity]:
            return False
        self._told[identity] -= 1
        return True

    def result(self, utterance: int) -> Hypothesis | EngineFailed | None:
        """The final that was told of an utterance."""
        return self._results.pop(utterance, None)


def _identity(event: Event) -> tuple[object, ...]:
    if isinstance(event, Failed) and event.utterance is None:
        return ("Failed", event.error.code, event.error.field)
    if isinstance(event, Warned):
        return ("Warned", event.code, event.at)
    if isinstance(event, Status):
        return ("Status", event.options)
    kind = "final" if isinstance(event, Transcription | Failed) else type(event).__name__
    about = getattr(event, "utterance", None) or getattr(event, "turn", None)
    return (kind, about)


def statuses_told(spool: Spool) -> list[Status]:
    """What its client was told that the session is; more than one when a `start` changed it."""
    cursor, statuses = spool.events(), list[Status]()
    while (numbered := cursor.next()) is not None:
        if isinstance(numbered[1], Status):
            statuses.append(numbered[1])
    return statuses
