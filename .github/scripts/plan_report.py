"""Plans of several stacks as Markdown for a pull request or an issue: `plan_report.py FOLDER --title ... --link ...`.

FOLDER/ENVIRONMENT/NUMBER-STACK.jsonl are the engine's events. Whatever a resource is called, it can neither leave its
cell nor mention anybody: names stand in `<code>` with all their punctuation as entities."""

import argparse
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine_events import OPERATIONS, Plan, Step, read
from plans import STACKS

ENVIRONMENTS = ("dev", "prod")
"""Those that the workflows look at."""

LIMIT_BYTES = 60_000
"""GitHub refuses comments and issues of more than 65,536 characters."""
NAME_CHARACTERS = 120
PROPERTIES = 6
ERROR_CHARACTERS = (1_500, 200)
"""Of what went wrong in a stack; the second where the first is too long in all."""
ABSENT = ".absent"
"""The end of the name of a file that stands for a stack which was never deployed."""
UNSEEN = Plan(errors=("It was not looked at.",))
"""Of a stack that left no file, since what looks at them ended before."""

Plans = Mapping[str, Mapping[str, Plan | None]]
"""By environment and stack, in their order; None where nothing was ever deployed."""


@dataclass(frozen=True, slots=True)
class Heading:
    """`marker` finds the text again; `link` has what was left out."""

    marker: str
    title: str
    link: str


def load(folder: Path) -> dict[str, dict[str, Plan | None]]:
    """What plans.py left there. No stack of no environment is left out: silence would look as if nothing changed."""
    found = {each.name for each in folder.glob("*") if each.is_dir()}
    return {environment: _stacks(folder / environment) for environment in sorted(found.union(ENVIRONMENTS))}


def _stacks(folder: Path) -> dict[str, Plan | None]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    left = {
        file.stem.partition("-")[2]: None if file.suffix == ABSENT else read(file.read_text().splitlines())
        for file in files
    }
    return dict.fromkeys(STACKS, UNSEEN) | left


def report(heading: Heading, plans: Plans) -> str:
    """At most LIMIT_BYTES of UTF-8: as many lines of each table as fit."""
    errors = next((size for size in ERROR_CHARACTERS if _fits(_text(heading, plans, 0, size))), ERROR_CHARACTERS[-1])
    longest = max((len(plan.steps) for stacks in plans.values() for plan in stacks.values() if plan), default=0)
    fitting, too_many = 0, longest + 1
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        if _fits(_text(heading, plans, middle, errors)):
            fitting = middle
        else:
            too_many = middle
    return _text(heading, plans, fitting, errors)


def _fits(text: str) -> bool:
    return len(text.encode()) <= LIMIT_BYTES


def changes(plans: Plans) -> bool:
    return any(plan and plan.steps for stacks in plans.values() for plan in stacks.values())


def failures(plans: Plans) -> bool:
    return any(plan and not plan.finished for stacks in plans.values() for plan in stacks.values())


def _text(heading: Heading, plans: Plans, rows: int, errors: int) -> str:
    parts = [f"<!-- {heading.marker} -->", f"## {_plain(heading.title)}"]
    for environment, stacks in plans.items():
        parts += [f"### {_plain(environment)}", _summary(stacks)]
        for name, plan in stacks.items():
            if plan and _worth(plan):
                parts.append(
                    "\n".join([f"#### {_plain(name)}", *_failure(plan, errors), *_table(plan, rows, heading.link)])
                )
    parts.append(f"[The whole run]({heading.link})")
    return "\n\n".join(parts) + "\n"


def _worth(plan: Plan) -> bool:
    return plan != UNSEEN and bool(plan.steps or plan.errors or not plan.finished)


def _summary(stacks: Mapping[str, Plan | None]) -> str:
    lines = [f"| stack | {' | '.join(OPERATIONS)} | unchanged | |", f"| --- |{' ---: |' * (len(OPERATIONS) + 1)} --- |"]
    lines += [_summary_line(name, plan) for name, plan in stacks.items()]
    return "\n".join(lines)


def _summary_line(name: str, plan: Plan | None) -> str:
    if plan is None:
        return f"| {_plain(name)} |{' |' * (len(OPERATIONS) + 1)} never deployed |"
    counts = [plan.count(operation) for operation in OPERATIONS]
    cells = [f"**{count}**" if count and place < 2 else str(count or "") for place, count in enumerate(counts)]
    outcome = "" if plan.finished else "**not looked at**" if plan == UNSEEN else "**failed**"
    return f"| {_plain(name)} | {' | '.join(cells)} | {plan.unchanged if plan.finished else ''} | {outcome} |"


def _failure(plan: Plan, characters: int) -> list[str]:
    if plan.finished:
        return []
    errors = "\n".join(plan.errors or ("It did not come to its end.",))
    return ["", f"<pre>{_code(_cut(errors, characters), lines=True)}</pre>"]


def _table(plan: Plan, rows: int, link: str) -> list[str]:
    shown = plan.steps[:rows]
    lines = ["", "| | type | name | properties |", "| --- | --- | --- | --- |", *map(_row, shown)] if shown else []
    left = len(plan.steps) - len(shown)
    return [*lines, "", f"{left} more: [the whole run]({link})"] if left else lines


def _row(step: Step) -> str:
    operation = f"**{step.operation}**" if step.operation in OPERATIONS[:2] else step.operation
    return f"| {operation} | {_cell(step.kind)} | {_cell(step.name)} | {_changed(step)} |"


def _changed(step: Step) -> str:
    """Those that force a replacement first."""
    ordered = [*step.forcing, *(name for name in step.changed if name not in step.forcing)]
    shown = [_cell(name) + (" (replaces)" if name in step.forcing else "") for name in ordered[:PROPERTIES]]
    more = [f"{len(ordered) - PROPERTIES} more"] if len(ordered) > PROPERTIES else []
    return ", ".join([*shown, *more])


def _cell(text: str) -> str:
    return f"<code>{_code(_cut(text, NAME_CHARACTERS))}</code>"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _code(text: str, *, lines: bool = False) -> str:
    """Neither Markdown nor HTML, on one line unless `lines`. What directs how text is laid out is dropped."""
    kept = (" " if each in "\r\n\t" and not (lines and each == "\n") else each for each in text)
    visible = (each for each in kept if each == "\n" or unicodedata.category(each)[0] != "C")
    return "".join(each if each.isalnum() or each in " .,-/\n…" else f"&#{ord(each)};" for each in visible)


def _plain(text: str) -> str:
    """A heading of ours: letters, digits and blanks."""
    return re.sub(r"[^\w .,-]", "", text)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--marker", default="transcriber-plan")
    parser.add_argument("--title", required=True)
    parser.add_argument("--link", required=True)
    given = parser.parse_args(arguments)
    sys.stdout.write(report(Heading(given.marker, given.title, given.link), load(given.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
