"""What a client's credential lets it choose: the options of its session stay within, whenever they are set."""

from dataclasses import dataclass, replace

from transcriber.events import Error, Options, Record

RECORDS: tuple[Record, ...] = ("none", "text", "audio+text")
"""From the least that may be kept to the most."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Without anything given, whatever the service can do."""

    models: tuple[str, ...] = ()
    """Any, if none is named."""
    languages: tuple[str, ...] = ()
    """ISO 639-1; any, and detection too, if none is named."""
    record: Record = "audio+text"
    """The most that may be kept."""

    def applied(self, options: Options, default_model: str) -> Options | Error:
        """The options with what was left open chosen from what is allowed, and no more recorded than may be; an error
        for what was asked and is not allowed. `default_model` is what the engine takes where none is named."""
        if options.model and self.models and options.model not in self.models:
            return Error("model_not_allowed", _allows("model", self.models), "model")
        if options.language and self.languages and options.language not in self.languages:
            return Error("language_not_allowed", _allows("language", self.languages), "language")
        model, language = options.model, options.language
        if not model and self.models and default_model not in self.models:
            model = self.models[0]
        if not language and self.languages:
            language = self.languages[0]
        return replace(options, model=model, language=language, record=least(options.record, self.record))


def least(one: Record, other: Record) -> Record:
    """What of both keeps less."""
    return RECORDS[min(RECORDS.index(one), RECORDS.index(other))]


def _allows(what: str, allowed: tuple[str, ...]) -> str:
    return f"This credential allows no such {what}; it allows: {', '.join(allowed)}."
