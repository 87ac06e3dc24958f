"""What Pulumi's engine tells of a preview or a refresh, one JSON object a line, and what of it a reader wants to know:
which resources would change and how, and what went wrong. Values of properties are left behind, only names are kept."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

OPERATIONS = ("replace", "delete", "update", "create")
"""In the order of what they may cost."""
_SAME_AS = {
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "discard-replaced": "replace",
    "remove-pending-replace": "replace",
    "read-replacement": "replace",
    "import": "create",
    "import-replacement": "replace",
}
_COLOURS = re.compile(r"<\{%.*?%\}>|\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Step:
    """What would be done to a resource: `changed` are its properties that differ, `forcing` those that make it a
    replacement."""

    operation: str
    kind: str
    name: str
    changed: tuple[str, ...] = ()
    forcing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the engine told of a stack. `finished` says whether it came to its end, without an error."""

    steps: tuple[Step, ...] = ()
    errors: tuple[str, ...] = ()
    unchanged: int = 0
    finished: bool = False

    def count(self, operation: str) -> int:
        return sum(step.operation == operation for step in self.steps)


@dataclass(slots=True)
class _Collected:
    steps: dict[str, Step] = field(default_factory=dict[str, Step])
    refreshed: set[str] = field(default_factory=set[str])
    errors: list[str] = field(default_factory=list[str])
    unchanged: int = 0
    finished: bool = False


def read(lines: Iterable[str]) -> Plan:
    """The plan; a last line that was cut off, as by a process that was killed, is left out."""
    found = _Collected()
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            _collect(found, event)
    steps = sorted(found.steps.values(), key=lambda step: (OPERATIONS.index(step.operation), step.kind, step.name))
    return Plan(tuple(steps), tuple(found.errors), found.unchanged, found.finished and not found.errors)


def _collect(found: _Collected, event: dict[str, Any]) -> None:
    for name in ("resourcePreEvent", "resOutputsEvent", "resOpFailedEvent"):
        if name in event:
            _step(found, event[name]["metadata"])
    if (said := event.get("diagnosticEvent")) and said.get("severity") == "error":
        _error(found, said["message"])
    if (broken := event.get("policyEvent")) and broken.get("enforcementLevel") == "mandatory":
        _error(found, f"{broken.get('policyName', 'policy')}: {broken['message']}")
    if failed := event.get("errorEvent"):
        _error(found, failed.get("error", ""))
    if summary := event.get("summaryEvent"):
        found.unchanged = int(summary.get("resourceChanges", {}).get("same", 0))
        found.finished = summary.get("result", "succeeded") == "succeeded"


def _error(found: _Collected, message: str) -> None:
    text = _COLOURS.sub("", message).strip()
    if text and text not in found.errors:
        found.errors.append(text)


def _step(found: _Collected, metadata: dict[str, Any]) -> None:
    """A refresh tells of its outcome only in the second of a resource's two events."""
    operation = _SAME_AS.get(metadata["op"], metadata["op"])
    urn, kind = metadata["urn"], metadata["type"]
    if operation == "refresh":
        found.refreshed.add(urn)
    if urn in found.refreshed and operation == "update" and _same(metadata):
        return
    if operation not in OPERATIONS or kind.startswith("pulumi:"):
        return
    earlier = found.steps.get(urn)
    if earlier and earlier.operation == "replace":
        operation = "replace"
    changed, forcing = _properties(metadata)
    known = (earlier.changed, earlier.forcing) if earlier else ((), ())
    found.steps[urn] = Step(operation, kind, urn.split("::", 3)[-1], changed or known[0], forcing or known[1])


def _same(metadata: dict[str, Any]) -> bool:
    """A refresh says `update` of what it found as it was, too."""
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    return all(old.get(part) == new.get(part) for part in ("inputs", "outputs"))


def _properties(metadata: dict[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if metadata["op"] == "create":
        return (), ()
    detailed: dict[str, Any] = metadata.get("detailedDiff") or {}
    forcing = {path for path, change in detailed.items() if str(change.get("diffKind", "")).endswith("-replace")}
    forcing |= set(metadata.get("keys") or ())
    changed = set(detailed) or set(metadata.get("diffs") or ()) or _differing(metadata)
    return tuple(sorted(changed | forcing)), tuple(sorted(forcing))


def _differing(metadata: dict[str, Any]) -> set[str]:
    """Names of top-level inputs that are not what they were."""
    old, new = (((metadata.get(age) or {}).get("inputs")) for age in ("old", "new"))
    if not old or not new:
        return set()
    return {name for name in {**old, **new} if not name.startswith("__") and old.get(name) != new.get(name)}
