"""Prepare an AWS account: `python -m bootstrap OWNER/REPO`. Shows what it would change, and asks; may be run again."""

import argparse
import getpass
import json
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from bootstrap import parameters
from bootstrap.cli import STACK, Stopped, aws, missing, say, the_stack
from bootstrap.next_steps import told
from bootstrap.parameters import UNMADE, WAITING
from bootstrap.scopes import ENVIRONMENTS
from bootstrap.template import TEMPLATE

PROVIDER = "oidc-provider/token.actions.githubusercontent.com"
ASKED = {
    "api-keys": "the clients' API keys, as one line of what `transcriber keys` writes",
    "openai-api-key": "OpenAI's key; not needed with engine: local",
    "smoke-api-key": "a client's key for the test after a deployment; not needed without API keys",
}
"""SSM parameters by the end of their name. `token-secret` is made here."""
REPOSITORY = re.compile(r"[\w-]+/[\w.-]+|[\w-]+@\d+/[\w.-]+@\d+", re.ASCII)

Ask = Callable[[str], str]


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


def planned(values: dict[str, str], status: str) -> tuple[str, list[str]]:
    """A change set, and a line for each of its changes; without any, there is none either."""
    kind = "UPDATE" if status and status != WAITING else "CREATE"
    given = {
        "StackName": STACK,
        "ChangeSetName": f"bootstrap-{secrets.token_hex(4)}",
        "ChangeSetType": kind,
        "TemplateBody": TEMPLATE.read_text(),
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
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


def apply(values: dict[str, str], ask: Ask, bucket: str) -> None:
    """Bring the stack to what the template says, when told so. `bucket` is that of the states."""
    status = str(the_stack().get("StackStatus", ""))
    if status in UNMADE:
        remove()
        status = ""
    if status in ("", WAITING) and there(bucket):
        raise Stopped(
            f"the bucket {bucket} is there and {STACK} is not: it was kept of an earlier time, with states that keys of"
            " that time open. Empty it and delete it, with its versions, then run this again"
        )
    name, changes = planned(values, status)
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


def _environments(text: str) -> str:
    chosen = [name for name in ENVIRONMENTS if name in text.split(",")]
    if not chosen or set(text.split(",")) - set(ENVIRONMENTS):
        raise argparse.ArgumentTypeError("is dev, prod or dev,prod")
    return ",".join(chosen)


def _repository(text: str) -> str:
    if not REPOSITORY.fullmatch(text):
        raise argparse.ArgumentTypeError("is OWNER/REPO, or OWNER@OWNER_ID/REPO@REPO_ID")
    return text


def main(arguments: Sequence[str] | None = None, *, ask: Ask = input, ask_secret: Ask = getpass.getpass) -> int:
    parser = argparse.ArgumentParser(
        prog="bootstrap",
        description=__doc__,
        epilog="What is left out is as the last time, and the first time as in brackets.",
    )
    parser.add_argument("repository", type=_repository, help="OWNER/REPO, or OWNER@OWNER_ID/REPO@REPO_ID")
    parser.add_argument(
        "--environments", type=_environments, help="which of them this account has: dev, prod or dev,prod (dev,prod)"
    )
    parser.add_argument("--hosted-zone", help="ID of the zone to write names into, * for any (*)")
    parser.add_argument("--budget-email", help="who is told of costs; without one there is no budget")
    parser.add_argument("--budget-dollars", type=int, help="a month (200)")
    chosen = parser.parse_args(arguments)
    try:
        account = aws("sts", "get-caller-identity")["Account"]
        region = aws("ec2", "describe-availability-zones")["AvailabilityZones"][0]["RegionName"]
        given, kept = parameters.of(chosen)
        environments = given["Environments"].split(",")
        parameters.require_place(environments, account, region)
        say(
            f"Account {account}, region {region}, for {' and '.join(environments)}: state, its keys, roles for GitHub"
            " Actions, budget."
        )
        if kept:
            say(f"As the last time: {', '.join(f'{key} {value}' for key, value in kept.items())}")
        given |= {"SubjectPrefix": f"repo:{chosen.repository}", "GitHubProviderArn": others_provider()}
        apply(given, ask, f"transcriber-state-{account}-{region}")
        for environment in environments:
            store(environment, ask_secret)
        say(told(chosen.repository, environments, account, region))
    except Stopped as problem:
        sys.stderr.write(f"bootstrap: {problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
