"""Prepare an AWS account: `python -m bootstrap OWNER/REPO`. Shows what it would change, and asks; may be run again."""

import argparse
import getpass
import json
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from bootstrap.scopes import ENVIRONMENTS
from bootstrap.template import TEMPLATE

STACK = "transcriber-bootstrap"
PROVIDER = "oidc-provider/token.actions.githubusercontent.com"
ASKED = {
    "api-keys": "the clients' API keys, as one line of what `transcriber keys` writes",
    "openai-api-key": "OpenAI's key; not needed with engine: local",
    "smoke-api-key": "a client's key for the test after a deployment; not needed without API keys",
}
"""SSM parameters by the end of their name. `token-secret` is made here."""
WAITING = "REVIEW_IN_PROGRESS"
"""For its first change set to be executed."""
UNMADE = ("CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""What a first time that failed leaves: CloudFormation does nothing with such a stack but delete it."""
REPOSITORY = re.compile(r"[A-Za-z0-9-]+(@\d+)?/[\w.-]+?(@\d+)?", re.ASCII)
IDS = re.compile(r"@\d+")

Ask = Callable[[str], str]


class Stopped(Exception):
    """Why nothing more is done; its text is for people."""


def aws(*arguments: str, given: str = "") -> Any:
    """What the AWS CLI answers, decoded; None for nothing. `given` is its standard input: values are in no argument.

    Raises:
        Stopped: with what it says, as it fails.
    """
    command = ["aws", *arguments, "--output", "json"]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Stopped("there is no `aws`: install the AWS CLI, version 2, and give it credentials") from None
    if done.returncode:
        raise Stopped(done.stderr.strip() or f"aws {' '.join(arguments[:2])} failed")
    return json.loads(done.stdout) if done.stdout.strip() else None


def missing(problem: Stopped) -> bool:
    """Whether it means that a stack or a resource of it is not there."""
    return "does not exist" in str(problem)


def stack_status() -> str:
    """Empty if there is none."""
    try:
        return str(aws("cloudformation", "describe-stacks", "--stack-name", STACK)["Stacks"][0]["StackStatus"])
    except Stopped as problem:
        if missing(problem):
            return ""
        raise


def others_provider() -> str:
    """The ARN of an OIDC provider of GitHub that this stack has not made, or nothing. An account has one at most."""
    listed = aws("iam", "list-open-id-connect-providers")["OpenIDConnectProviderList"]
    found = [each["Arn"] for each in listed if each["Arn"].endswith(PROVIDER)]
    if not found:
        return ""
    try:
        where = ("--stack-name", STACK, "--logical-resource-id", "GitHubProvider")
        own = aws("cloudformation", "describe-stack-resource", *where)["StackResourceDetail"].get("PhysicalResourceId")
    except Stopped as problem:
        if not missing(problem):
            raise
        own = ""
    return "" if found[0] == own else str(found[0])


def planned(parameters: dict[str, str], status: str) -> tuple[str, list[str]]:
    """A change set, and a line for each of its changes; without any, there is none either."""
    kind = "UPDATE" if status and status != WAITING else "CREATE"
    given = {
        "StackName": STACK,
        "ChangeSetName": f"bootstrap-{secrets.token_hex(4)}",
        "ChangeSetType": kind,
        "TemplateBody": TEMPLATE.read_text(),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(given))
        file.flush()
        # From a file and not from standard input, which the CLI would read twice.
        name = aws("cloudformation", "create-change-set", "--cli-input-json", f"file://{file.name}")["Id"]
    failed = ""
    try:
        aws("cloudformation", "wait", "change-set-create-complete", "--change-set-name", name)
    except Stopped as problem:
        failed = str(problem)
    described = aws("cloudformation", "describe-change-set", "--change-set-name", name)
    if failed:
        aws("cloudformation", "delete-change-set", "--change-set-name", name)
        reason = described.get("StatusReason", failed)
        if "didn't contain changes" in reason or "No updates" in reason:
            return "", []
        raise Stopped(reason)
    return name, [_change(each["ResourceChange"]) for each in described["Changes"]]


def _change(change: dict[str, Any]) -> str:
    replaced = " (replaced)" if change.get("Replacement") == "True" else ""
    return f"  {change['Action'].lower():8}{change['ResourceType']:28}{change['LogicalResourceId']}{replaced}"


def apply(parameters: dict[str, str], ask: Ask, bucket: str) -> None:
    """Bring the stack to what the template says, when told so. `bucket` is that of the states."""
    status = stack_status()
    if status in UNMADE:
        remove()
        status = ""
    if status in ("", WAITING) and there(bucket):
        raise Stopped(
            f"the bucket {bucket} is there and {STACK} is not: it was kept of an earlier time, with states that keys of"
            " that time open. Empty it and delete it, with its versions, then run this again"
        )
    name, changes = planned(parameters, status)
    if not changes:
        say(f"{STACK}: nothing to change")
        return
    say(f"{STACK}: this would be done\n" + "\n".join(changes))
    if ask("Do it? Only yes does: ").strip() != "yes":
        discard(name, status)
        raise Stopped("nothing was changed")
    run = f"bootstrap-{secrets.token_hex(8)}"
    aws("cloudformation", "execute-change-set", "--change-set-name", name, "--client-request-token", run)
    ended = "stack-update-complete" if status and status != WAITING else "stack-create-complete"
    try:
        aws("cloudformation", "wait", ended, "--stack-name", STACK)
    except Stopped as problem:
        reasons = failures(run) or [str(problem)]
        raise Stopped("\n".join([f"{STACK}: taken back, as", *reasons, "mend that, and run this again"])) from None
    say(f"{STACK}: done")


def failures(run: str) -> list[str]:
    """What failed in this run, first things first, in CloudFormation's words."""
    events = aws("cloudformation", "describe-stack-events", "--stack-name", STACK)["StackEvents"]
    failed = [
        each
        for each in reversed(events)
        if each.get("ClientRequestToken") == run and each["ResourceStatus"].endswith("_FAILED")
    ]
    reasons = {each["LogicalResourceId"]: each.get("ResourceStatusReason", "") for each in failed}
    return [f"  {name}: {reason}" for name, reason in reasons.items() if "cancelled" not in reason]


def remove() -> None:
    aws("cloudformation", "delete-stack", "--stack-name", STACK)
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", STACK)
    say(f"{STACK}: took away what a run left that failed")


def there(bucket: str) -> bool:
    """Whether the account has it."""
    return any(each["Name"] == bucket for each in aws("s3api", "list-buckets")["Buckets"])


def discard(change_set: str, status: str) -> None:
    """As if it had never been asked for: a stack that only waits for its first change set goes with it."""
    aws("cloudformation", "delete-change-set", "--change-set-name", change_set)
    if status in ("", WAITING):
        aws("cloudformation", "delete-stack", "--stack-name", STACK)


def store(environment: str, ask: Ask) -> None:
    """Put an environment's missing secrets into SSM. Those that are there are neither read nor changed."""
    folder = f"/transcriber/{environment}"
    there = {each["Name"] for each in aws("ssm", "get-parameters-by-path", "--path", folder)["Parameters"]}
    for end in ("token-secret", *ASKED):
        name = f"{folder}/{end}"
        if name in there:
            say(f"{name}: is there")
            continue
        value = (
            secrets.token_hex(32) if end == "token-secret" else ask(f"{name}: {ASKED[end]} (empty: later): ").strip()
        )
        if value:
            stored = ("--name", name, "--type", "SecureString", "--value", "file:///dev/stdin")
            aws("ssm", "put-parameter", *stored, given=value)
        say(f"{name}: {'stored' if value else 'left out'}")


def told(repository: str, environments: Sequence[str], account: str, region: str) -> str:
    """What to do next."""
    described = aws("cloudformation", "describe-stacks", "--stack-name", STACK)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    variables, commands = {"AWS_REGION": region}, list[str]()
    for environment in environments:
        end, name = environment.upper(), environment.capitalize()
        backend, provider = outputs[f"BackendUrl{name}"], outputs[f"SecretsProvider{name}"]
        variables |= {
            f"AWS_ACCOUNT_ID_{end}": account,
            f"PULUMI_BACKEND_URL_{end}": backend,
            f"PULUMI_SECRETS_PROVIDER_{end}": provider,
        }
        commands += [
            f"  pulumi login '{backend}'",
            f"  pulumi stack init {environment} --secrets-provider '{provider}'",
            f"  make up ENV={environment}",
        ]
    lines = [f"  gh variable set {key} --body '{value}'" for key, value in variables.items()]
    lines += [line for environment in environments for line in _protected(repository, environment)]
    return "\n".join(["Tell GitHub:", *lines, "On this machine:", *commands])


POLICY = "deployment_branch_policy"
BRANCHES = f"-F '{POLICY}[protected_branches]=false' -F '{POLICY}[custom_branch_policies]=true'"
APPROVAL = "-F 'reviewers[][type]=User' -F \"reviewers[][id]=$(gh api user --jq .id)\""


def _protected(repository: str, environment: str) -> list[str]:
    """Commands for an environment that takes what is on main alone, prod's after somebody approved it. One that nobody
    made GitHub makes by itself, without any rule."""
    path = f"repos/{IDS.sub('', repository)}/environments/{environment}"
    rules = f"{BRANCHES} {APPROVAL}" if environment == "prod" else BRANCHES
    policies = f"  gh api --method POST {path}/deployment-branch-policies"
    released = [f"{policies} -f name='v*' -f type=tag"] if environment == "dev" else []
    return [f"  gh api --method PUT {path} {rules}", f"{policies} -f name=main", *released]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _environments(text: str) -> tuple[str, ...]:
    chosen = tuple(name for name in ENVIRONMENTS if name in text.split(","))
    if not chosen or set(text.split(",")) - set(ENVIRONMENTS):
        raise argparse.ArgumentTypeError("is dev, prod or dev,prod")
    return chosen


def _repository(text: str) -> str:
    if not REPOSITORY.fullmatch(text):
        raise argparse.ArgumentTypeError("is OWNER/REPO, or OWNER@OWNER_ID/REPO@REPO_ID")
    return text


def main(arguments: Sequence[str] | None = None, *, ask: Ask = input, ask_secret: Ask = getpass.getpass) -> int:
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("repository", type=_repository, help="OWNER/REPO, or OWNER@OWNER_ID/REPO@REPO_ID")
    parser.add_argument(
        "--environments",
        type=_environments,
        default=",".join(ENVIRONMENTS),
        help="which of them this account has, dev, prod or dev,prod (%(default)s)",
    )
    parser.add_argument("--hosted-zone", default="*", help="ID of the zone to write names into; any if left out")
    parser.add_argument("--budget-email", default="", help="who is told of costs; without one there is no budget")
    parser.add_argument("--budget-dollars", type=int, default=200, help="a month (%(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        account = aws("sts", "get-caller-identity")["Account"]
        region = aws("ec2", "describe-availability-zones")["AvailabilityZones"][0]["RegionName"]
        names = " and ".join(chosen.environments)
        say(f"Account {account}, region {region}, for {names}: state, its keys, roles for GitHub Actions, budget.")
        parameters = {
            "Environments": ",".join(chosen.environments),
            "SubjectPrefix": f"repo:{chosen.repository}",
            "HostedZone": chosen.hosted_zone,
            "GitHubProviderArn": others_provider(),
            "BudgetDollars": str(chosen.budget_dollars),
            "BudgetEmail": chosen.budget_email,
        }
        apply(parameters, ask, f"transcriber-state-{account}-{region}")
        for environment in chosen.environments:
            store(environment, ask_secret)
        say(told(chosen.repository, chosen.environments, account, region))
    except Stopped as problem:
        sys.stderr.write(f"bootstrap: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
