"""Expressions of GitHub's workflows, as far as these here use them. A name that nothing has is an error: GitHub takes
it for an empty text, which is how a misspelt one goes unseen."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Context = Mapping[str, Any]

_INSIDE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\|\||&&|==|!=|[!(),])|([A-Za-z_][\w.-]*))")
_LITERALS = {"true": True, "false": False, "null": None}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"fromJSON": json.loads, "cancelled": lambda: False}


class Unknown(Exception):
    """Nothing has this name."""


def evaluate(text: str, context: Context) -> Any:
    """Of what stands inside the braces.

    Raises:
        Unknown: a name that the context has not.
        ValueError: it is no expression.
    """
    parser = _Parser(text, context)
    value = parser.either()
    if parser.tokens:
        raise ValueError(f"what is {parser.tokens[0]} in {text!r}?")
    return value


def filled(value: Any, context: Context) -> Any:
    """A value of a workflow with its expressions evaluated; one that is nothing else keeps its type."""
    if isinstance(value, dict):
        return {name: filled(each, context) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, context) for each in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\s*\$\{\{([^}]*)\}\}\s*", value):
        return evaluate(whole[1], context)
    return _INSIDE.sub(lambda found: shown(evaluate(found[1], context)), value)


def holds(condition: str, context: Context) -> bool:
    """Of an `if`, with braces or without."""
    inside = _INSIDE.fullmatch(condition.strip())
    return bool(evaluate(inside[1] if inside else condition, context))


def shown(value: Any) -> str:
    """As GitHub puts it into a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


class _Parser:
    """By descent; what binds least is outermost."""

    def __init__(self, text: str, context: Context) -> None:
        self.tokens: list[tuple[str, str]] = []
        self._context = context
        place = 0
        while text[place:].strip():
            if not (found := _TOKEN.match(text, place)):
                raise ValueError(f"what is {text[place:]!r}?")
            kind = next(
                kind for kind, part in zip(("text", "sign", "name"), found.groups(), strict=True) if part is not None
            )
            self.tokens.append((kind, found[found.lastindex or 0]))
            place = found.end()

    def _take(self, *signs: str) -> bool:
        if self.tokens and self.tokens[0][0] == "sign" and self.tokens[0][1] in signs:
            self.tokens.pop(0)
            return True
        return False

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        if self._take("=="):
            return value == self._single()
        if self._take("!="):
            return value != self._single()
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not self._single()
        if self._take("("):
            value = self.either()
            self._expect(")")
            return value
        kind, text = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind == "text":
            return text.replace("''", "'")
        if kind != "name":
            raise ValueError(f"{text!r} where a value must be")
        return self._called(text) if self._take("(") else self._named(text)

    def _called(self, name: str) -> Any:
        given: list[Any] = []
        while not self._take(")"):
            given.append(self.either())
            self._take(",")
        if name not in _FUNCTIONS:
            raise Unknown(f"{name}()")
        return _FUNCTIONS[name](*given)

    def _named(self, path: str) -> Any:
        if path in _LITERALS:
            return _LITERALS[path]
        value: Any = self._context
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise Unknown(path)
            value = value[part]
        return value

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise ValueError(f"{sign} is missing")
