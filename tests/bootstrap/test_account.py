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
given = json.load(sys.stdin) if "file:///dev/stdin" in words else None
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([words, given]) + "\\n")
for asked, out, error in json.loads((folder / "answers").read_text()):
    if asked == " ".join(words[:2]) or asked == " ".join(words[:3]):
        sys.stderr.write(error)
        sys.stdout.write(out)
        sys.exit(254 if error else 0)
"""
ABSENT = "Stack with id transcriber-bootstrap does not exist"
OUTPUTS = [
    {"OutputKey": f"{key}{name}", "OutputValue": value.format(name.lower())}
    for name in ("Dev", "Prod")
    for key, value in (("BackendUrl", "s3://state/{}?region=eu-west-1"), ("SecretsProvider", "awskms:///{}"))
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
        self.says("ec2 describe-availability-zones", {"AvailabilityZones": [{"RegionName": "eu-west-1"}]})
        self.says("iam list-open-id-connect-providers", {"OpenIDConnectProviderList": []})
        self.says("cloudformation describe-stacks", THERE)
        self.says("cloudformation create-change-set", {"Id": "the-set"})
        self.says("cloudformation describe-change-set", {"Changes": [CHANGE]})
        self.says("ssm get-parameters-by-path", {"Parameters": []})

    def says(self, command: str, answer: Any = None, *, error: str = "") -> None:
        self.answers[command] = (json.dumps(answer) if answer is not None else "", error)
        listed = [[asked, *answer] for asked, answer in self.answers.items()]
        (self._folder / "answers").write_text(json.dumps(listed))

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
    assert "  pulumi login 's3://state/dev?region=eu-west-1'\n" in out
    assert "  pulumi stack init prod --secrets-provider 'awskms:///prod'\n" in out
    assert "  gh variable set PULUMI_BACKEND_URL_PROD --body 's3://state/prod?region=eu-west-1'\n" in out


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


def test_secrets_are_in_no_argument_and_not_shown(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run() == 0
    stored = cli.calls("ssm put-parameter")
    assert len(stored) == 8
    assert {given["Type"] for _, given in stored} == {"SecureString"}
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
