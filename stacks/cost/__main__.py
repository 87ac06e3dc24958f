"""What an environment costs: `python -m stacks.cost dev`.

Reads what is deployed; what a first `up` would make if nothing is; or files: what `pulumi stack export` wrote of each
stack."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pulumi import automation as auto

from stacks.config import own
from stacks.contract import Stack
from stacks.cost import growth, prices, recorded
from stacks.cost.inventory import Inventory, Unpriced, inventory, resources_in
from stacks.cost.table import table
from stacks.environment.files import settings_of
from stacks.environment.nested import Nested

ROOT = Path(__file__).resolve().parents[2]


def deployed(root: Path, environment: str) -> Inventory:
    """What the five stacks have; empty if they have nothing, or the CLI can't say.

    Raises:
        Unpriced: with every type that nothing was decided about.
    """
    try:
        return inventory([each for stack in Stack for each in Nested(root, stack, environment).resources()])
    except (auto.CommandError, FileNotFoundError, OSError):
        return ()


def differences(environment: str, settings: dict[str, str]) -> list[str]:
    """Keys of the environment's file that are not as they were recorded."""
    now = own(settings_of(ROOT, environment)["config"])
    return sorted(key for key in now.keys() | settings.keys() if now.get(key) != settings.get(key))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="cost", description=__doc__)
    parser.add_argument("environment", help="dev, prod …: that of Pulumi.<environment>.yaml")
    parser.add_argument("files", nargs="*", type=Path, help="exports to read instead, of all five stacks")
    parser.add_argument("--growth", action="store_true", help="what 10, 1,000 and 100,000 sessions take, instead")
    parser.add_argument("--save", action="store_true", help="keep what was read as what a first `up` makes")
    asked = parser.parse_args(arguments)
    try:
        found, source = _found(asked.environment, asked.files)
        if asked.save:
            settings = own(settings_of(ROOT, asked.environment)["config"])
            recorded.write(recorded.file_of(asked.environment), settings, found)
        _say(source)
        sys.stdout.write(growth.table(found) if asked.growth else table(asked.environment, found))
    except (Unpriced, ValueError, OSError) as problem:
        _say(str(problem))
        return 1
    if (region := settings_of(ROOT, asked.environment)["config"]["aws:region"]) != prices.REGION:
        _say(f"the environment is in {region}, where prices differ from those of {prices.REGION}")
    return 0


def _found(environment: str, files: Sequence[Path]) -> tuple[Inventory, str]:
    """With what was read, in words."""
    if files:
        return inventory([each for path in files for each in resources_in(path)]), f"read {', '.join(map(str, files))}"
    settings_of(ROOT, environment)
    if found := deployed(ROOT, environment):
        return found, f"read the state of {environment}, which is deployed"
    settings, found = recorded.read(recorded.file_of(environment))
    said = f"{environment} is not deployed, as far as this machine knows: read what a first `make up` makes"
    if changed := differences(environment, settings):
        said += f". Pulumi.{environment}.yaml has other settings than it was recorded with: {', '.join(changed)}"
    return found, said


def _say(text: str) -> None:
    sys.stderr.write(f"cost: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
