"""`make bootstrap`, with a program called `aws` that notes how it is called."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from bootstrap import template
from bootstrap.__main__ import PROVIDER, main

AWS = """#!{python}
import json, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[1:]
given = None
if "--cli-input-json" in words:
    path = words[words.index("--cli-input-json") + 1].removeprefix("file://")
    for _ in range(2):  # As the real one does: standard input is at its end the second time.
        given = json.load(open(path))
elif "file:///dev/stdin" in words:
    given = sys.stdin.read()
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([words, given]) + "\\n")
if "--client-request-token" in words:
    (folder / "run").write_text(words[words.index("--client-request-token") + 1])
run = (folder / "run").read_text() if (folder / "run").exists() else ""
for asked, out, error in json.loads((folder / "answers").read_text()):
    if asked == " ".join(words[:2]) or asked == " ".join(words[:3]):
        sys.stderr.write(error)
        sys.stdout.write(out.replace("THIS RUN", run))
        sys.exit(254 if error else 0)
"""
ABSENT = "Stack with id transcriber-bootstrap does not exist"
OUTPUTS = [
    {"OutputKey": f"{key}{name}", "OutputValue": value.format(name.lower())}
    for name in ("Dev", "Prod")
    for key, value in (("BackendUrl", "s3://state/{}?region=us-east-1"), ("SecretsProvider", "awskms:///{}"))
]
THERE = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": OUTPUTS}]}
OWN = f"arn:aws:iam::123456789012:{PROVIDER}"
CHANGE = {"ResourceChange": {"Action": "Add", "ResourceType": "AWS::S3::Bucket", "LogicalResourceId": "StateBucket"}}


class Cli:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.answers: dict[str, tuple[str, str]] = {}
        program = folder / "aws"
        program.write_text(AWS.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.says("sts get-caller-identity", {"Account": "123456789012"})
        self.says("ec2 describe-availability-zones", {"AvailabilityZones": [{"RegionName": "us-east-1"}]})
        self.says("iam list-open-id-connect-providers", {"OpenIDConnectProviderList": []})
        self.says("cloudformation describe-stacks", THERE)
        self.says("cloudformation create-change-set", {"Id": "the-set"})
        self.says("cloudformation describe-change-set", {"Changes": [CHANGE]})
        self.says("s3api list-buckets", {"Buckets": [{"Name": "another"}]})
        self.says("ssm get-parameters-by-path", {"Parameters": []})

    def says(self, command: str, answer: Any = None, *, error: str = "") -> None:
        self.answers[command] = (json.dumps(answer) if answer is not None else "", error)
        listed = [[asked, *answer] for asked, answer in self.answers.items()]
        (self._folder / "answers").write_text(json.dumps(listed))

    def fails(self, **reasons: str) -> None:
        """By resource, the last to fail first, as CloudFormation tells; before them, one of an earlier run."""
        events = [
            {"LogicalResourceId": name, "ResourceStatusReason": reason, "ClientRequestToken": "THIS RUN"}
            for name, reason in reasons.items()
        ]
        events.append({**events[0], "LogicalResourceId": "Earlier", "ClientRequestToken": "another"})
        events = [{**each, "ResourceStatus": "CREATE_FAILED"} for each in events]
        self.says("cloudformation describe-stack-events", {"StackEvents": events})

    def calls(self, command: str) -> list[tuple[list[str], Any]]:
        lines = (self._folder / "calls").read_text().splitlines()
        return [(words, given) for words, given in map(json.loads, lines) if " ".join(words).startswith(command)]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Cli(tmp_path)


def _run(answer: str = "yes", *arguments: str) -> int:
    return main(["owner/repo", *arguments], ask=lambda _: answer, ask_secret=lambda _: "s3cret-value")


def test_shows_changes_then_makes_them(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    assert len(cli.calls("cloudformation execute-change-set")) == 1
    out = capsys.readouterr().out
    assert "add     AWS::S3::Bucket             StateBucket" in out
    assert "  pulumi login 's3://state/dev?region=us-east-1'\n" in out
    assert "  pulumi stack init prod --secrets-provider 'awskms:///prod'\n" in out
    assert "  gh variable set PULUMI_BACKEND_URL_PROD --body 's3://state/prod?region=us-east-1'\n" in out


def test_environments_are_made_with_their_rules(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """GitHub makes one that is missing by itself, without any: prod would be deployed unasked."""
    assert main(["owner@1/repo@2"], ask=lambda _: "yes", ask_secret=lambda _: "") == 0
    out = capsys.readouterr().out
    dev, prod = (f"repos/owner/repo/environments/{name}" for name in ("dev", "prod"))
    [made] = [line for line in out.splitlines() if f"PUT {prod} " in line]
    assert "'reviewers[][type]=User'" in made
    assert "'deployment_branch_policy[custom_branch_policies]=true'" in made
    assert "reviewers" not in next(line for line in out.splitlines() if f"PUT {dev} " in line)
    assert [line.partition("POST ")[2] for line in out.splitlines() if "POST" in line] == [
        f"{dev}/deployment-branch-policies -f name=main",
        f"{dev}/deployment-branch-policies -f name='v*' -f type=tag",
        f"{prod}/deployment-branch-policies -f name=main",
    ]


def test_what_failed_is_told_in_the_words_of_cloudformation(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    waited = "Waiter StackUpdateComplete failed: Waiter encountered a terminal failure state"
    cli.says("cloudformation wait stack-update-complete", error=waited)
    cli.says("cloudformation describe-stack-events", {"StackEvents": []})
    assert _run() == 1
    assert f"as\n{waited}\n" in capsys.readouterr().err, "there is no better reason"
    cli.fails(
        DevBoundary="Resource creation cancelled",
        DeployDevRole="Role with name transcriber-deploy-dev already exists.",
        PreviewRole="Role with name transcriber-preview already exists.",
    )
    assert _run() == 1
    assert capsys.readouterr().err == (
        "bootstrap: transcriber-bootstrap: taken back, as\n"
        "  PreviewRole: Role with name transcriber-preview already exists.\n"
        "  DeployDevRole: Role with name transcriber-deploy-dev already exists.\n"
        "mend that, and run this again\n"
    )
    assert cli.calls("ssm") == [], "no secrets for what is not there"


def test_a_first_time_that_failed_does_not_keep_the_second_from_it(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudFormation does nothing with such a stack but delete it."""
    cli.says("cloudformation describe-stacks", {"Stacks": [{**THERE["Stacks"][0], "StackStatus": "ROLLBACK_COMPLETE"}]})
    assert _run() == 0
    [(_, change_set)] = cli.calls("cloudformation create-change-set")
    assert change_set["ChangeSetType"] == "CREATE"
    order = [" ".join(words[:3]) for words, _ in cli.calls("cloudformation")]
    assert order.index("cloudformation wait stack-delete-complete") < order.index(
        "cloudformation create-change-set --cli-input-json"
    )
    assert "took away what a run left that failed" in capsys.readouterr().out


def test_a_bucket_of_an_earlier_time_is_told_before_anything_is_made(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.says("cloudformation describe-stacks", error=ABSENT)
    cli.says("s3api list-buckets", {"Buckets": [{"Name": "transcriber-state-123456789012-us-east-1"}]})
    assert _run() == 1
    assert cli.calls("cloudformation create-change-set") == []
    assert "the bucket transcriber-state-123456789012-us-east-1 is there" in capsys.readouterr().err


def test_what_holds_states_is_kept_but_of_a_creation_that_failed() -> None:
    """With `Retain` its names are in the way of the next creation."""
    kinds = ("AWS::S3::Bucket", "AWS::KMS::Key")
    held = [each["DeletionPolicy"] for each in template.template()["Resources"].values() if each["Type"] in kinds]
    assert held == ["RetainExceptOnCreate"] * 3


def test_without_a_yes_nothing_is_changed_and_nothing_left(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("y") == 1
    assert cli.calls("cloudformation execute-change-set") == []
    assert cli.calls("ssm put-parameter") == []
    [(words, _)] = cli.calls("cloudformation delete-change-set")
    assert words[words.index("--change-set-name") + 1] == "the-set"
    assert cli.calls("cloudformation delete-stack") == [], "it was there before"
    assert capsys.readouterr().err == "bootstrap: nothing was changed\n"


@pytest.mark.parametrize("status", ["", "REVIEW_IN_PROGRESS"])
def test_a_stack_that_waits_for_its_first_yes_goes_with_a_no(cli: Cli, status: str) -> None:
    if status:
        cli.says("cloudformation describe-stacks", {"Stacks": [{"StackStatus": status}]})
    else:
        cli.says("cloudformation describe-stacks", error=ABSENT)
    assert _run("no") == 1
    [(_, change_set)] = cli.calls("cloudformation create-change-set")
    assert change_set["ChangeSetType"] == "CREATE"
    [(words, _)] = cli.calls("cloudformation delete-stack")
    assert "transcriber-bootstrap" in words


@pytest.mark.parametrize(("environment", "other"), [("dev", "prod"), ("prod", "dev")])
def test_an_account_for_each_environment(
    cli: Cli, capsys: pytest.CaptureFixture[str], environment: str, other: str
) -> None:
    assert _run("yes", "--environments", environment, "--hosted-zone", "Z0123456789") == 0
    [(_, change_set)] = cli.calls("cloudformation create-change-set")
    given = {each["ParameterKey"]: each["ParameterValue"] for each in change_set["Parameters"]}
    assert (given["Environments"], given["HostedZone"]) == (environment, "Z0123456789")
    assert len(cli.calls("ssm put-parameter")) == 4
    out = capsys.readouterr().out
    assert f"gh variable set AWS_ACCOUNT_ID_{environment.upper()} --body '123456789012'" in out
    assert other not in out.replace("product", "").lower()


@pytest.mark.parametrize("names", ["", "stage", "dev,stage"])
def test_environments_are_those_of_the_template(names: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _run("yes", "--environments", names)
    assert "is dev, prod or dev,prod" in capsys.readouterr().err


def test_parameters_are_those_of_the_template(cli: Cli) -> None:
    assert _run() == 0
    [(_, change_set)] = cli.calls("cloudformation create-change-set")
    given = {each["ParameterKey"]: each["ParameterValue"] for each in change_set["Parameters"]}
    parameters = template.template()["Parameters"]
    assert given.keys() == parameters.keys()
    assert given["Environments"] in parameters["Environments"]["AllowedValues"]
    outputs = template.template()["Outputs"].keys()
    assert outputs == {each["OutputKey"] for each in OUTPUTS}


@pytest.mark.parametrize("name", ["owner", "owner/a/b", "https://github.com/a/b", "owner@1/repo", "owner/repo@2"])
def test_what_github_calls_no_repository_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No token of GitHub's would have such a subject, and no role would let anybody in."""
    with pytest.raises(SystemExit):
        main([name])
    assert "is OWNER/REPO, or OWNER@OWNER_ID/REPO@REPO_ID" in capsys.readouterr().err


def _parameters(cli: Cli) -> dict[str, str]:
    """Those of the last change set."""
    (_, change_set) = cli.calls("cloudformation create-change-set")[-1]
    return {each["ParameterKey"]: each["ParameterValue"] for each in change_set["Parameters"]}


SET = {"Environments": "dev", "HostedZone": "Z012345", "BudgetDollars": "900", "BudgetEmail": "ops@example.com"}


def _made_with(cli: Cli, status: str, **values: str) -> None:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    made = {**THERE["Stacks"][0], "StackStatus": status, "Parameters": given}
    cli.says("cloudformation describe-stacks", {"Stacks": [made]})


def test_what_was_set_the_first_time_is_kept_the_second(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Or rights would reach every zone again, and the budget would go."""
    _made_with(cli, "CREATE_COMPLETE", **SET)
    assert _run() == 0
    assert SET.items() <= _parameters(cli).items()
    out = capsys.readouterr().out
    assert "As the last time: Environments dev, HostedZone Z012345, BudgetDollars 900" in out
    assert "/transcriber/prod/" not in out
    assert _run("yes", "--environments", "dev,prod", "--hosted-zone", "*", "--budget-email", "") == 0
    assert _parameters(cli).items() >= {
        "Environments": "dev,prod", "HostedZone": "*", "BudgetDollars": "900", "BudgetEmail": "",
    }.items()  # fmt: skip


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_what_was_never_made_sets_nothing(cli: Cli, status: str) -> None:
    _made_with(cli, status, **SET)
    assert _run() == 0
    assert _parameters(cli).items() >= {"Environments": "dev,prod", "HostedZone": "*", "BudgetEmail": ""}.items()


@pytest.mark.parametrize(
    ("command", "answer", "told"),
    [
        (
            "sts get-caller-identity",
            {"Account": "999999999999"},
            "this is account 999999999999, which Pulumi.dev.yaml does not allow: set aws:allowedAccountIds there",
        ),
        (
            "ec2 describe-availability-zones",
            {"AvailabilityZones": [{"RegionName": "eu-west-1"}]},
            "this is eu-west-1, and Pulumi.dev.yaml has us-east-1: set AWS_REGION, or aws:region there",
        ),
    ],
)
def test_where_environments_are_not_nothing_is_made(
    cli: Cli, capsys: pytest.CaptureFixture[str], command: str, answer: Any, told: str
) -> None:
    cli.says(command, answer)
    assert _run() == 1
    assert capsys.readouterr().err == f"bootstrap: {told}\n"
    assert cli.calls("cloudformation create-change-set") == []


def test_secrets_are_in_no_argument_and_not_shown(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    stored = cli.calls("ssm put-parameter")
    assert len(stored) == 8
    assert all(words[words.index("--type") + 1] == "SecureString" for words, _ in stored)
    assert "s3cret-value" in [given for _, given in stored]
    assert not any("s3cret-value" in word for words, _ in stored for word in words)
    assert "s3cret-value" not in capsys.readouterr().out


def test_second_run_changes_nothing(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    ends = ("api-keys", "token-secret", "openai-api-key", "smoke-api-key")
    there = [{"Name": f"/transcriber/{name}/{end}"} for name in ("dev", "prod") for end in ends]
    cli.says("ssm get-parameters-by-path", {"Parameters": there})
    cli.says("cloudformation wait change-set-create-complete", error="Waiter failed")
    cli.says(
        "cloudformation describe-change-set", {"StatusReason": "The submitted information didn't contain changes."}
    )
    assert _run() == 0
    assert cli.calls("ssm put-parameter") == []
    assert cli.calls("cloudformation execute-change-set") == []
    assert "nothing to change" in capsys.readouterr().out


@pytest.mark.parametrize(("made_by", "given"), [(OWN, ""), ("", OWN)])
def test_provider_of_the_account_is_used_and_the_own_one_kept(cli: Cli, made_by: str, given: str) -> None:
    cli.says("iam list-open-id-connect-providers", {"OpenIDConnectProviderList": [{"Arn": OWN}]})
    if made_by:
        cli.says("cloudformation describe-stack-resource", {"StackResourceDetail": {"PhysicalResourceId": made_by}})
    else:
        cli.says("cloudformation describe-stack-resource", error=ABSENT)
    assert _run() == 0
    [(_, change_set)] = cli.calls("cloudformation create-change-set")
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in change_set["Parameters"]}
    assert parameters["GitHubProviderArn"] == given
    assert parameters["SubjectPrefix"] == "repo:owner/repo"


def test_failures_are_told_as_aws_tells_them(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    cli.says("sts get-caller-identity", error="Unable to locate credentials")
    assert _run() == 1
    assert capsys.readouterr().err == "bootstrap: Unable to locate credentials\n"
