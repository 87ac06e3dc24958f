"""What a change costs: nothing but what it is about."""

import subprocess
from collections.abc import Callable

import pytest

from .builder import Builder
from .deployed import STACKS, Deployed

pytestmark = pytest.mark.timeout(600)

IMAGE, TASK, SERVICE = (
    "docker-build:index:Image image",
    "aws:ecs/taskDefinition:TaskDefinition task",
    "aws:ecs/service:Service transcriber-dev",
)
REPLACED = {"create-replacement", "replace", "delete-replaced"}


def _change_source(deployed: Deployed, text: str = "# changed\n") -> None:
    with (deployed.root / "services/transcriber/__init__.py").open("a") as file:
        file.write(text)


def _running(deployed: Deployed) -> dict[str, object]:
    (history,) = deployed.account().deployments.values()
    return dict(history[-1])


def test_a_changed_source_changes_image_task_and_service_alone(
    deployed: Deployed, building: Builder, printed: Callable[[str], None]
) -> None:
    before = building.registry.tags("transcriber-dev")
    _change_source(deployed)
    changed = deployed.do("up", "service")
    steps = changed.steps()
    assert {name: set(done) - REPLACED for name, done in steps.items()} == {
        IMAGE: {"update"},
        TASK: set(),
        SERVICE: {"update"},
    }
    assert _running(deployed)["status"] == "SUCCESSFUL"
    after = building.registry.tags("transcriber-dev")
    assert {tag for tag in before if after[tag] != before[tag]} <= {"buildcache"}
    assert len(after) == len(before) + 1
    others = {name: deployed.do("up", name, "dev", "--expect-no-changes") for name in STACKS}
    assert {name for name, again in others.items() if again.steps()} == set()
    printed(f"a changed source: image, task definition, service; {changed.seconds:.0f} s; then 0 changes in all five")


def test_what_is_not_in_the_image_changes_nothing(deployed: Deployed, building: Builder) -> None:
    before = building.registry.tags("transcriber-dev")
    deployed.commit()
    with (deployed.root / "README.md").open("a") as file:
        file.write("More.\n")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run(("git", *author, "commit", "-qam", "Say more"), cwd=deployed.root, check=True)
    (deployed.root / "services/notes.txt").write_text("not committed")
    (deployed.root / "services/transcriber/__pycache__").mkdir(exist_ok=True)
    (deployed.root / "services/transcriber/__pycache__/x.pyc").write_bytes(b"x")
    assert deployed.do("up", "service", "dev", "--expect-no-changes").steps() == {}
    assert building.registry.tags("transcriber-dev") == before


def test_going_back_to_a_digest_builds_and_deletes_nothing(
    deployed: Deployed, building: Builder, printed: Callable[[str], None]
) -> None:
    first = deployed.outputs("service")["image_digest"]
    _change_source(deployed, "# to be rolled back\n")
    deployed.do("up", "service")
    images = building.registry.tags("transcriber-dev")
    deployed.configure("dev", image_digest=first)
    back = deployed.do("up", "service")
    assert building.registry.tags("transcriber-dev") == images
    assert set(back.steps()) == {IMAGE, TASK, SERVICE}
    printed(f"a rollback: the image leaves the state, task definition and service; 0 tags, {back.seconds:.0f} s")
    assert deployed.outputs("service")["image_digest"] == first
    assert _running(deployed)["running"] == deployed.outputs("service")["task_definition_arn"]
    deployed.configure("dev", image_digest=None)
    deployed.do("up", "service")
    assert building.registry.tags("transcriber-dev").items() >= {
        item for item in images.items() if item[0] != "buildcache"
    }


def test_a_digest_that_the_registry_does_not_have(deployed: Deployed) -> None:
    deployed.configure("dev", image_digest=f"sha256:{'0' * 64}")
    before = deployed.account()
    refused = deployed.do("preview", "service", succeeds=False)
    assert "ImageNotFoundException" in refused.output
    assert deployed.account() == before


def test_a_redeployment_replaces_tasks_and_nothing_else(deployed: Deployed) -> None:
    deployed.configure("dev", redeploy="2026-11-25")
    assert deployed.do("up", "service").steps() == {SERVICE: ["update"]}
    (history,) = deployed.account().deployments.values()
    assert len(history) == 2
    assert history[0]["running"] == history[1]["running"]


def test_a_build_that_fails_leaves_the_service_alone(deployed: Deployed) -> None:
    before = _running(deployed)
    dockerfile = deployed.root / "Dockerfile"
    good = dockerfile.read_text()
    dockerfile.write_text(good.replace("requirements/server.txt", "requirements/gone.txt"))
    failed = deployed.do("up", "service", succeeds=False)
    assert set(failed.steps()) <= {IMAGE}
    assert _running(deployed) == before
    dockerfile.write_text(good)
    assert deployed.do("up", "service").steps().keys() <= {IMAGE}
    assert _running(deployed) == before


def test_a_rollback_that_looks_like_success_is_told(deployed: Deployed) -> None:
    """Tasks that ask for more than the execution role may read stop; ECS goes back to those before them."""
    before = _running(deployed)
    with deployed.engine.ledger.open() as account:
        for policy in account.of("aws:iam/rolePolicy:RolePolicy"):
            policy.inputs["policy"] = policy.inputs["policy"].replace("logs:PutLogEvents", "logs:GetLogEvents")
    _change_source(deployed, "# unlucky\n")
    failed = deployed.do("up", "service", succeeds=False)
    assert "rolled back" in failed.diagnostics()
    assert "logs:PutLogEvents" in failed.diagnostics()
    assert _running(deployed)["running"] == before["running"]
    assert _running(deployed)["status"] == "ROLLBACK_SUCCESSFUL"


def test_somebody_elses_change_is_seen(deployed: Deployed) -> None:
    with deployed.engine.ledger.open() as account:
        (repository,) = account.of("aws:ecr/repository:Repository")
        repository.inputs["imageTagMutability"] = "MUTABLE"
    drifted = deployed.do("refresh", "ecr", "dev", "--preview-only", "--expect-no-changes", succeeds=False)
    assert "aws:ecr/repository:Repository" in drifted.output or "aws:ecr:Repository" in drifted.output


def test_a_renamed_component_replaces_nothing(deployed: Deployed) -> None:
    program = deployed.root / "stacks/cluster/__main__.py"
    renamed = (
        program.read_text()
        .replace('    "fargate",\n', '    "capacity",\n', 1)
        .replace(
            "log_days=config.log_days),\n",
            'log_days=config.log_days),\n    pulumi.ResourceOptions(aliases=[pulumi.Alias(name="fargate")]),\n',
        )
    )
    program.write_text(f"import pulumi\n\n{renamed}")
    assert "capacity" in program.read_text()
    assert "aliases" in program.read_text()
    done = deployed.do("up", "cluster")
    assert done.planned().keys() <= {"update"}, done.planned()
    assert done.steps() == {}
