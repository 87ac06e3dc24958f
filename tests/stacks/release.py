"""States of releases, to bring up over them what there is now. `python -m tests.stacks.release` writes down that of
this version, as the programs here make it: at a release, behind its last change.

A folder for each version: a file for each stack, with nothing of the machine, time or secrets; and `differs.json`, the
steps that an `up` over it takes beside those of a changed source, by stack.
"""

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

import transcriber

from .builder import Builder, builder
from .deployed import STACKS, Deployed
from .standin import schema
from .standin.account import Account, Resource
from .standin.work import visible

RELEASES = Path(__file__).parent / "releases"
DIFFERS = "differs.json"
REGISTRY = "registry.invalid"
"""Stands for the registry's host and port."""
_LEFT_OUT = ("created", "modified", "sourcePosition", "stackTrace", "propertyDependencies")
"""Of a machine or a time, or said again by `dependencies`."""
_SECRET = "4dabf18193072939515e22adb298388d"
"""The key by which Pulumi knows a secret in a state."""


def scrubbed(exported: Mapping[str, Any], host: str) -> dict[str, Any]:
    """What is kept of an exported state. Outputs that are inputs as well are left out."""
    manifest = exported["deployment"]["manifest"]
    resources = [_scrubbed(resource) for resource in exported["deployment"]["resources"]]
    kept = {"manifest": {name: manifest[name] for name in ("magic", "version")}, "resources": resources}
    return dict(json.loads(json.dumps(kept).replace(host, REGISTRY)))


def _scrubbed(resource: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in resource.items() if name not in _LEFT_OUT}
    for name in ("inputs", "outputs"):
        if name in kept:
            kept[name] = _without_secrets(kept[name])
    if "outputs" in kept and "inputs" in kept:
        given = kept["inputs"]
        kept["outputs"] = {
            name: value for name, value in kept["outputs"].items() if name not in given or given[name] != value
        }
    return kept


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if _SECRET in value:
            return {
                **{name: text for name, text in value.items() if name == _SECRET},
                "plaintext": json.dumps("secret"),
            }
        return {name: _without_secrets(item) for name, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def restored(kept: Mapping[str, Any], host: str, salt: str) -> dict[str, Any]:
    """As Pulumi imports it into a stack whose passphrase has this salt."""
    whole = json.loads(json.dumps(kept).replace(REGISTRY, host))
    for resource in whole["resources"]:
        if "outputs" in resource and "inputs" in resource:
            resource["outputs"] = visible(resource["inputs"]) | resource["outputs"]
    whole["manifest"]["time"] = "2026-01-01T00:00:00Z"
    whole["secrets_providers"] = {"type": "passphrase", "state": {"salt": salt}}
    return {"version": 3, "deployment": whole}


def fill(account: Account, states: Iterable[Mapping[str, Any]]) -> None:
    """The account in which restored states were brought up."""
    for state in states:
        for item in state["deployment"]["resources"]:
            declared = schema.resource_type(item["type"]) if item["type"].startswith("aws:") else None
            if declared and item.get("custom") and not item.get("external"):
                own = {
                    name: value
                    for name, value in item["outputs"].items()
                    if name in declared.outputs or name not in item["inputs"]
                }
                account.resources.append(Resource(item["type"], item["id"], item["urn"], item["inputs"], own))
    for definition in account.of("aws:ecs/taskDefinition:TaskDefinition"):
        account.revisions[definition["family"]] = int(definition["revision"])
    for service in account.of("aws:ecs/service:Service"):
        running = service["taskDefinition"]
        account.deployments[service.arn] = [
            {
                "arn": service.arn.replace(":service/", ":service-deployment/") + "/0",
                "asked": running,
                "running": running,
                "triggers": service.inputs.get("triggers") or {},
                "status": "SUCCESSFUL",
                "reasons": [],
                "created": 0,
            }
        ]


def write(folder: Path, deployed: Deployed, building: Builder) -> None:
    """What is brought up, as a release's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in STACKS:
        exported = deployed.engine.run("stack", "export", "--show-secrets", "-s", "dev", work=deployed.stack(name))
        kept = scrubbed(json.loads(exported.output), building.registry.host)
        lines = ",\n".join(json.dumps(resource, sort_keys=True) for resource in kept["resources"])
        text = f'{{"manifest": {json.dumps(kept["manifest"])}, "resources": [\n{lines}\n]}}\n'
        (folder / f"{name}.json").write_text(text)
    (folder / DIFFERS).write_text("{}\n")


def bring_back(folder: Path, deployed: Deployed, building: Builder) -> None:
    """Into an environment `dev` whose stacks have nothing."""
    salt = yaml.safe_load((deployed.root / "Pulumi.dev.yaml").read_text())["encryptionsalt"]
    kept = {name: json.loads((folder / f"{name}.json").read_text()) for name in STACKS}
    states = {name: restored(state, building.registry.host, salt) for name, state in kept.items()}
    with deployed.engine.ledger.open() as account:
        fill(account, states.values())
    for name, state in states.items():
        file = deployed.engine.folder / f"{name}.json"
        file.write_text(json.dumps(state))
        deployed.engine.run("stack", "import", "--file", str(file), "-s", "dev", work=deployed.stack(name))


def main() -> None:
    folder = RELEASES / transcriber.__version__
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        (scratch / "builder").mkdir()
        with builder(scratch / "builder") as building:
            deployed = Deployed.at(scratch / "up", building)
            deployed.initialise("dev")
            deployed.up("dev")
            write(folder, deployed, building)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
