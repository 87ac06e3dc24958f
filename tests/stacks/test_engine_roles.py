"""All five stacks under the deploying role of bootstrap/: brought up, changed, looked at, taken down. Every right that
it has is missed by one of these, or is listed with the reason why that can't be shown here."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from bootstrap import template
from stacks.environment import ecs

from .builder import Builder
from .deployed import STACKS, Deployed
from .ecs_api import ecs_api
from .engine import ROOT
from .rights import PLACE, Right, documents, every_change, missed, principal, recorded, refused, rights
from .standin.account import Account, Resource
from .standin.asking import Asked
from .standin.policies import allows, listed
from .standin.services import tasks
from .standin.services.identity import ROLE as ROLES
from .standin.services.identity import policies_of
from .state_store import Store, state_store

pytestmark = pytest.mark.timeout(1200)

ROLE = "transcriber-deploy-dev"
KEY = "awskms:///arn:aws:kms:us-east-1:123456789012:key/dev?region=us-east-1"
EVERYTHING = {
    "access_logs": True,
    "alarm_email": "ops@example.com",
    "domain": "dev.example.com",
    "flow_logs": True,
    "hosted_zone": "example.com",
    "image_readers": "210987654321",
}
CHANGED = {
    "availability_zones": 3,
    "container_insights": "enhanced",
    "keep_images": 40,
    "log_days": 30,
    "max_sessions": 30,
    "max_tasks": 3,
    "nat_gateways": "per_az",
    "recordings_days": 60,
}


UNSEEN = {
    "ecr:DescribeImages": "looking an image up by its name: tests/workflows/test_rights.py shows it",
    "ssm:GetParameter": "the key of the smoke test: tests/workflows/test_rights.py shows it",
}
"""What AWS asks for and nothing here shows, and what for."""
REPOSITORY = "arn:aws:ecr:us-east-1:123456789012:repository/transcriber-dev"
REGISTRY = {
    ("HEAD", "blobs"): ("ecr:BatchCheckLayerAvailability",),
    ("GET", "blobs"): ("ecr:GetDownloadUrlForLayer",),
    ("POST", "uploads"): ("ecr:InitiateLayerUpload",),
    ("PATCH", "uploads"): ("ecr:UploadLayerPart",),
    ("PUT", "uploads"): ("ecr:UploadLayerPart", "ecr:CompleteLayerUpload"),
    ("HEAD", "manifests"): ("ecr:BatchGetImage",),
    ("GET", "manifests"): ("ecr:BatchGetImage",),
    ("PUT", "manifests"): ("ecr:PutImage",),
}
"""What ECR asks IAM, of whom its token is, about requests to a registry."""
TASK = "aws:ecs/taskDefinition:TaskDefinition"
HERE = {"aws:RequestedRegion": "us-east-1"}


@dataclass(frozen=True)
class Lived:
    """What was asked while an environment came, changed and went, or would be by a change of any property; `before` is
    the account before it went."""

    asked: list[Asked]
    by_changes: list[Asked]
    before: Account
    after: Account


@pytest.fixture(scope="module")
def lived(building: Builder, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("roles")
    made = Deployed.at(folder, building)
    with state_store(documents(ROLE)) as store:
        made.engine.environment |= {"STANDIN_PRINCIPAL": principal(ROLE, folder), **store.environment("dev")}
        earlier = len(building.requests())
        account, by_changes, checked = _live(made)
        pushed = [each for method, path in building.requests()[earlier:] for each in _of_registry(method, path)]
        asked = [*made.engine.ledger.asked(), *map(vars, [*store.asked, *pushed, *checked])]
        return Lived(recorded(asked), by_changes, account, made.account())


def _of_registry(method: str, path: str) -> list[Asked]:
    kind = next((kind for kind in ("uploads", "blobs", "manifests") if f"/{kind}/" in path), "")
    return [Asked(action, REPOSITORY, HERE) for action in REGISTRY.get((method, kind), ())]


def _check(account: Account) -> list[Asked]:
    """What the check after an `up` asks ECS."""
    [service] = account.of("aws:ecs/service:Service")
    [definition] = [each for each in account.of(TASK) if each.arn == service["taskDefinition"]]
    digest = json.loads(definition["containerDefinitions"])[0]["image"].partition("@")[2]
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    with ecs_api(lambda operation, request: tasks.answer(account, operation, request)) as (address, asked):
        client = boto3.client("ecs", endpoint_url=address, region_name="us-east-1", **keys)
        found = ecs.Service(service["cluster"], service["name"])
        assert ecs.problems(client, found, task_definition=definition.arn, digest=digest) == []
    return [Asked(f"ecs:{operation}", "*", HERE) for operation, _ in asked]


def _live(made: Deployed) -> tuple[Account, list[Asked], list[Asked]]:
    """The account before all of it is taken down, what changes of it would ask, and the check after an `up`."""
    made.configure("dev", **EVERYTHING)
    for name in STACKS:
        made.engine.run("stack", "init", "dev", "--no-select", "--secrets-provider", KEY, work=made.stack(name))
    made.up()
    made.configure("dev", **CHANGED)
    (made.root / "services/transcriber/added.py").write_text("ADDED = True\n")
    made.up()
    for name in STACKS:
        made.do("refresh", name)
    account = made.account()
    checked = _check(account)
    by_changes = recorded(map(vars, every_change(account, "dev")))
    made.configure("dev", nat_gateways="none", engine="local", openai_model=None)
    made.do("up", "network")
    made.down()
    return account, by_changes, checked


def test_the_role_brings_up_changes_looks_and_takes_down(lived: Lived) -> None:
    assert refused(documents(ROLE), [*lived.asked, *lived.by_changes]) == []
    assert len(lived.before.resources) > 80
    assert {item.type for item in lived.after.resources} == {TASK}


@pytest.mark.parametrize("right", [each for each in rights(ROLE) if each.action not in UNSEEN], ids=str)
def test_without_a_right_something_is_refused(lived: Lived, right: Right) -> None:
    assert missed(ROLE, right, [*lived.asked, *lived.by_changes]) != []


def test_rights_that_are_not_shown_are_those_with_a_reason(lived: Lived, printed: Callable[[str], None]) -> None:
    everything = rights(ROLE)
    in_runs = [each for each in everything if missed(ROLE, each, lived.asked)]
    shown = [each for each in everything if missed(ROLE, each, [*lived.asked, *lived.by_changes])]
    assert {each.action for each in everything if each not in shown} == UNSEEN.keys()
    printed(
        f"{len(everything)} rights of {ROLE}: {len(in_runs)} missed by the runs, {len(shown)} with changes of any "
        f"property; {len(everything) - len(shown)} not shown"
    )


def test_the_roles_that_it_makes_are_bounded_and_need_nothing_beyond(lived: Lived) -> None:
    arn, bounds = template.boundary(PLACE, "dev")
    made = lived.before.of(ROLES)
    assert len(made) == 3
    assert {role["permissionsBoundary"] for role in made} == {arn}
    assert [needed for role in made for needed in _needed(lived.before, role) if not allows([bounds], *needed)] == []


VIA = {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}


def _needed(account: Account, role: Resource) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (action, resource, VIA)
        for document in policies_of(account, role)
        for statement in listed(document["Statement"])
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]


@pytest.mark.parametrize(
    "change",
    [
        Asked("iam:CreateRole", "arn:aws:iam::123456789012:role/transcriber-dev-x", {}),
        Asked("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/transcriber-dev-x", {}),
        Asked("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/transcriber-deploy-dev", {}),
        Asked("iam:AttachRolePolicy", "arn:aws:iam::123456789012:role/transcriber-dev-x", {}),
        Asked("iam:DeleteRolePermissionsBoundary", "arn:aws:iam::123456789012:role/transcriber-dev-x", {}),
        Asked("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/transcriber-boundary-dev", {}),
        Asked("iam:UpdateAssumeRolePolicy", "arn:aws:iam::123456789012:role/transcriber-deploy-dev", {}),
        Asked("iam:PassRole", "arn:aws:iam::123456789012:role/transcriber-deploy-dev", {}),
        Asked("sts:AssumeRole", "arn:aws:iam::123456789012:role/transcriber-deploy-prod", {}),
    ],
    ids=lambda asked: f"{asked.action} {asked.resource.rpartition('/')[2]}",
)
def test_it_can_not_give_itself_more(change: Asked) -> None:
    assert refused(documents(ROLE), [change]) == [change]


def test_it_reaches_nothing_of_another_environment(lived: Lived) -> None:
    """What dev was asked, about prod's things and by prod's tags."""
    asked = [_of_prod(each) for each in lived.asked if not _reads(each.action)]
    allowed = [each for each in asked if each not in refused(documents(ROLE), [each])]
    assert {each.action for each in allowed} == {
        "iam:CreateServiceLinkedRole",
        "route53:ChangeResourceRecordSets",
        "sns:Unsubscribe",
    }


NOT_APART = {"iam:CreateServiceLinkedRole", "route53:ChangeResourceRecordSets", "sns:Unsubscribe"}
"""The account has these roles once; a zone has names of both; IAM knows no resource for the last."""


def _of_prod(asked: Asked) -> Asked:
    context = {
        key: value.replace("transcriber-dev", "transcriber-prod") if key.startswith("iam:") else value
        for key, value in asked.context.items()
    }
    tags = {key: "prod" for key in context if key.endswith("Tag/environment")}
    return Asked(asked.action, asked.resource.replace("dev", "prod"), context | tags)


def _reads(action: str) -> bool:
    return action.partition(":")[2].startswith(("Describe", "Get", "List"))


AWS = """#!/bin/sh
# aws s3api get-object --bucket BUCKET --key dev/KEY FILE
[ -f "$STATE/${6#dev/}" ] && cp "$STATE/${6#dev/}" "$7" || { echo "(NoSuchKey)" >&2; exit 254; }
"""


def test_the_preview_role_sees_everything_changes_nothing_and_decrypts_nothing(
    deployed: Deployed, tmp_path: Path
) -> None:
    deployed.configure("dev", max_sessions=30)
    more = {**_opened(deployed, tmp_path), "STANDIN_PRINCIPAL": principal("transcriber-preview", tmp_path)}
    planned = {name: deployed.do("preview", name, **more).planned() for name in STACKS}
    assert planned == {name: {} for name in STACKS} | {"service": {"replace": 1, "update": 1}}
    for name in STACKS:
        deployed.do("refresh", name, "dev", "--preview-only", "--run-program", **more)
    before = deployed.account().resources
    refused = deployed.do("up", "service", succeeds=False, **more)
    assert "transcriber-preview/run-1 is not authorized to perform: ecs:RegisterTaskDefinition" in refused.diagnostics()
    assert deployed.account().resources == before
    asked = Asked("kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/dev", {})
    assert not allows(documents("transcriber-preview"), asked.action, asked.resource, asked.context)


def _opened(deployed: Deployed, folder: Path) -> dict[str, str]:
    """The variables for the state as a role sees it that has no key."""
    program = folder / "bin/aws"
    program.parent.mkdir()
    program.write_text(AWS)
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": "s3://state/dev",
        "STATE": str(deployed.engine.folder / "backend"),
    }
    command = [sys.executable, str(ROOT / ".github/scripts/state.py"), "open", "dev", str(folder / "plain")]
    done = subprocess.run(command, cwd=deployed.root, env=environment, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def _state(store: Store, environment: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Pulumi's CLI on one project, with this bucket."""
    (folder / "Pulumi.yaml").write_text("name: transcriber-ecr\nruntime: python\n")
    variables = {"PATH": os.environ["PATH"], "PULUMI_HOME": str(folder / "home"), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    return subprocess.run(
        ["pulumi", *arguments, "--non-interactive"],
        cwd=folder,
        env={**variables, **store.environment(environment)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("role", "environment"),
    [
        (ROLE, "prod"),
        ("transcriber-deploy-prod", "dev"),
        ("transcriber-preview", "dev"),
        ("transcriber-preview", "prod"),
    ],
)
def test_states_are_open_to_their_own_role(tmp_path: Path, role: str, environment: str) -> None:
    """Though the preview role may read the file, Pulumi gets no further with it."""
    key = KEY.replace("dev", environment)
    with state_store(documents(f"transcriber-deploy-{environment}")) as store:
        done = _state(store, environment, tmp_path, "stack", "init", environment, "--secrets-provider", key)
        assert done.returncode == 0, done.stderr
        done = _state(store, environment, tmp_path, "config", "set", "--stack", environment, "--secret", "x", "y")
        assert done.returncode == 0, done.stderr
        before, store.policies = dict(store.objects), documents(role)
        for command in (("stack", "export", "--show-secrets"), ("stack", "rm", "--yes"), ("config", "--show-secrets")):
            done = _state(store, environment, tmp_path, *command, "--stack", environment)
            assert done.returncode != 0, done.stdout
        assert store.refused
        assert store.objects == before
