"""An `up` over what an earlier release brought up does what its folder says, and else what any change does."""

import json
from pathlib import Path

import pytest

from .builder import Builder
from .deployed import STACKS, Deployed
from .release import DIFFERS, RELEASES, bring_back
from .standin.catalogue import KINDS

pytestmark = pytest.mark.timeout(600)

OF_ANY_CHANGE = {
    "docker-build:index:Image image",
    "aws:ecs/taskDefinition:TaskDefinition task",
    "aws:ecs/service:Service transcriber-dev",
}


@pytest.mark.parametrize("folder", sorted(RELEASES.iterdir()), ids=lambda folder: folder.name)
def test_an_up_over_a_release_does_what_is_declared(building: Builder, tmp_path: Path, folder: Path) -> None:
    deployed = Deployed.at(tmp_path / "release", building)
    deployed.initialise("dev")
    bring_back(folder, deployed, building)
    before = len(deployed.account().resources)
    done = {name: deployed.do("up", name).steps() for name in STACKS}
    done["service"] = {name: steps for name, steps in done["service"].items() if name not in OF_ANY_CHANGE}
    assert {name: steps for name, steps in done.items() if steps} == json.loads((folder / DIFFERS).read_text())
    assert before > 60
    (history,) = deployed.account().deployments.values()
    assert history[-1]["status"] == "SUCCESSFUL"
    assert all(deployed.do("preview", name, "dev", "--expect-no-changes").code == 0 for name in STACKS)
    assert {item.type for item in deployed.account().resources} <= set(KINDS)


@pytest.mark.parametrize("folder", sorted(RELEASES.iterdir()), ids=lambda folder: folder.name)
def test_a_release_s_state_holds_no_secret_and_nothing_of_a_machine(folder: Path) -> None:
    text = "".join(path.read_text() for path in folder.iterdir())
    assert [word for word in ("ciphertext", "localhost", "/tmp/", "file://", "sourcePosition") if word in text] == []
    assert len(text) < 200_000
