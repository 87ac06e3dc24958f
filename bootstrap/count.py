"""How many actions each role may take, and on what: `python -m bootstrap.count`."""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from bootstrap import template
from bootstrap.scopes import ENVIRONMENTS
from bootstrap.template import Document, Place

READING = re.compile(r"[\w-]+:(BatchCheck|BatchGet|Describe|Get|List)\w*\*?|kms:Decrypt")
HEAD = ("role", "actions", "that change", "of these by name", "by tag", "anywhere")


@dataclass(frozen=True)
class Row:
    """Distinct actions. One that changes something counts where it reaches furthest."""

    name: str
    actions: int
    changing: int
    named: int
    tagged: int
    anywhere: int

    def cells(self) -> tuple[str, ...]:
        numbers = (self.actions, self.changing, self.named, self.tagged, self.anywhere)
        return (f"`{self.name}`", *map(str, numbers))


def rows() -> list[Row]:
    """The roles', then what bounds the roles that the deploying ones make."""
    place = Place()
    of_roles = [row(role, template.documents(role, place).values()) for role in template.roles()]
    bounds = [template.boundary(place, environment) for environment in ENVIRONMENTS]
    return [*of_roles, *(row(arn.rpartition("/")[2], [document]) for arn, document in bounds)]


def row(name: str, documents: Iterable[Document]) -> Row:
    reach: dict[str, int] = {}
    for document in documents:
        for statement in document["Statement"]:
            if statement["Effect"] == "Allow":
                for action in statement["Action"]:
                    reach[action] = max(reach.get(action, 0), _reach(statement))
    changing = [far for action, far in reach.items() if not READING.fullmatch(action)]
    return Row(name, len(reach), len(changing), changing.count(0), changing.count(1), changing.count(2))


def _reach(statement: Document) -> int:
    """0 by name, 1 by tag, 2 anywhere in the account."""
    if "Tag/" in str(statement.get("Condition", {})):
        return 1
    return 2 if statement["Resource"] == ["*"] else 0


def table() -> str:
    """In Markdown."""
    lines = [HEAD, tuple("---" for _ in HEAD), *(each.cells() for each in rows())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    sys.stdout.write(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
