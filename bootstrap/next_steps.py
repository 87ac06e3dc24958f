"""What to do once the account is prepared."""

import re
from collections.abc import Sequence

from bootstrap.cli import the_stack

IDS = re.compile(r"@\d+")


def told(repository: str, environments: Sequence[str], account: str, region: str) -> str:
    """In commands."""
    outputs = {each["OutputKey"]: each["OutputValue"] for each in the_stack()["Outputs"]}
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
