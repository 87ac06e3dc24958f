"""What workflows ask AWS for past Pulumi, as a dry run sees it, held against the roles that bootstrap/ gives them."""

import pytest

from tests.stacks.rights import PLACE, Right, documents, missed, refused, rights
from tests.stacks.standin.asking import Asked
from tests.workflows import dry_run
from tests.workflows.conftest import Play
from tests.workflows.dry_run import ACCOUNTS
from tests.workflows.standin import Call

pytestmark = pytest.mark.timeout(240)

STATES = "arn:aws:s3:::transcriber-state-123456789012-us-east-1"
SHOWN = {
    "transcriber-preview": {("PreviewPolicy", "s3:GetObject")},
    "transcriber-deploy-dev": {
        ("LookPolicy", "ecr:DescribeImages"),
        ("DevServicePolicy", "ecr:BatchGetImage"),
        ("DevServicePolicy", "ecr:PutImage"),
        ("DevStatePolicy", "s3:GetObject"),
        ("DevStatePolicy", "ssm:GetParameter"),
    },
    "transcriber-deploy-prod": {
        ("LookPolicy", "ecr:DescribeImages"),
        ("ProdStatePolicy", "ecr:BatchGetImage"),
        ("ProdStatePolicy", "ecr:PutImage"),
        ("ProdStatePolicy", "s3:GetObject"),
        ("ProdStatePolicy", "ssm:GetParameter"),
    },
}
"""Rights that the scripts need: without one, a step is refused."""


def _asked(call: Call) -> Asked:
    """With both environments in one account, and the state where bootstrap puts it."""
    service, command, *_ = call.arguments
    action = f"{service.removesuffix('api')}:{''.join(word.title() for word in command.split('-'))}"
    resource = {
        "ecr": lambda: f"arn:aws:ecr:us-east-1:{PLACE.account}:repository/{call.option('--repository-name')}",
        "s3api": lambda: f"{STATES}/{call.option('--key')}",
        "ssm": lambda: f"arn:aws:ssm:us-east-1:{PLACE.account}:parameter{call.option('--name')}",
    }[service]()
    return Asked(action, resource, {"aws:RequestedRegion": call.told["AWS_REGION"]})


@pytest.fixture(scope="session")
def asked(play: Play) -> dict[str, list[Asked]]:
    """By role, all that any workflow asks."""
    found: dict[str, list[Asked]] = {role: [] for role in SHOWN}
    for happening in (*dry_run.ALL, dry_run.BUILT_BY_DEV):
        for job in play(happening).jobs:
            if job.role:
                found[job.role.rpartition("/")[2]] += map(_asked, job.called("aws"))
    return found


@pytest.mark.parametrize("role", SHOWN)
def test_what_is_asked_is_allowed(asked: dict[str, list[Asked]], role: str) -> None:
    assert asked[role]
    assert refused(documents(role), asked[role]) == []


@pytest.mark.parametrize("role", SHOWN)
def test_without_these_a_step_is_refused(asked: dict[str, list[Asked]], role: str) -> None:
    needed = {(right.policy, right.action) for right in rights(role) if missed(role, right, asked[role])}
    assert needed == SHOWN[role]


def test_registries_of_other_accounts_are_asked_by_their_number(play: Play) -> None:
    (prod,) = [job for job in play(dry_run.MERGED).jobs if job.environment == "prod"]
    assert {call.option("--registry-id") for call in prod.called("aws", "ecr")} == {ACCOUNTS["dev"]}


@pytest.mark.parametrize(
    ("role", "other"),
    [("transcriber-deploy-dev", "transcriber-deploy-prod"), ("transcriber-preview", "transcriber-deploy-dev")],
)
def test_no_role_would_do_for_another(asked: dict[str, list[Asked]], role: str, other: str) -> None:
    assert refused(documents(role), asked[other]) != []


def test_a_right_is_one_action_of_one_statement() -> None:
    assert Right("ProdStatePolicy", 3, "ssm:GetParameter") in rights("transcriber-deploy-prod")
