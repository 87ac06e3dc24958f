"""ECR: repositories and what is set on them."""

import json
from typing import Any

from ..images import delete_all
from ..kinds import Call, Kind, Made, Named, crud, one_of, unique
from ..policies import parse
from ..refusal import Refused
from ..wire import Inputs, is_known

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
POLICY = "aws:ecr/repositoryPolicy:RepositoryPolicy"

_MUTABILITY = ("MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION")
_WRONG = "InvalidParameterException"


def _exclusions(inputs: Inputs) -> None:
    filters, mode = inputs.get("imageTagMutabilityExclusionFilters") or [], inputs.get("imageTagMutability", "MUTABLE")
    if bool(filters) != str(mode).endswith("_WITH_EXCLUSION"):
        raise Refused(_WRONG, f"imageTagMutability {mode} does not go with {len(filters)} exclusion filters")
    if len(filters) > 5:
        raise Refused(_WRONG, "at most five exclusion filters")


def _lifecycle(inputs: Inputs) -> None:
    text = inputs.get("policy")
    if not isinstance(text, str) or not is_known(text):
        return
    try:
        rules = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            _WRONG, "Invalid parameter at 'LifecyclePolicyText': Lifecycle policy validation failure"
        ) from error
    priorities = [rule.get("rulePriority") for rule in rules]
    if not rules or None in priorities or len(set(priorities)) < len(priorities):
        raise Refused(_WRONG, "Lifecycle policy validation failure: every rule needs a rulePriority of its own")
    for rule in rules:
        _lifecycle_rule(rule, max(priorities))


def _lifecycle_rule(rule: dict[str, Any], last: int) -> None:
    selection = rule.get("selection") or {}
    status = selection.get("tagStatus")
    lists = [name for name in ("tagPrefixList", "tagPatternList") if selection.get(name)]
    if status not in ("tagged", "untagged", "any"):
        raise Refused(_WRONG, f"Lifecycle policy validation failure: tagStatus {status!r}")
    if (status == "tagged") != (len(lists) == 1):
        raise Refused(
            _WRONG,
            "Lifecycle policy validation failure: tagged rules alone have one of tagPrefixList and tagPatternList",
        )
    if status == "any" and rule["rulePriority"] != last:
        raise Refused(
            _WRONG, "Lifecycle policy validation failure: a rule with tagStatus any must have the highest rulePriority"
        )
    if selection.get("countType") not in ("imageCountMoreThan", "sinceImagePushed") or not selection.get("countNumber"):
        raise Refused(_WRONG, "Lifecycle policy validation failure: countType and countNumber")
    if (selection["countType"] == "sinceImagePushed") != (selection.get("countUnit") == "days"):
        raise Refused(_WRONG, "Lifecycle policy validation failure: countUnit days goes with sinceImagePushed")
    if (rule.get("action") or {}).get("type") != "expire":
        raise Refused(_WRONG, "Lifecycle policy validation failure: action type must be expire")


def _repository(call: Call) -> None:
    call.need(REPOSITORY, call.inputs["repository"], "RepositoryNotFoundException")


def _document(inputs: Inputs) -> None:
    text = inputs.get("policy")
    if isinstance(text, str) and is_known(text):
        parse(text, _WRONG)


def _empty(call: Call) -> None:
    """Images go with it only if that was asked for."""
    assert call.before is not None
    if call.registry is None or not call.registry.tags(call.before.id):
        return
    if not call.before["forceDelete"]:
        raise Refused(
            "RepositoryNotEmptyException",
            f"The repository '{call.before.id}' cannot be deleted because it still contains images",
        )
    delete_all(call.registry, call.before.id)


def _make(call: Call) -> Made:
    name, account = call.inputs["name"], call.account
    host = call.registry.host if call.registry else f"{account.number}.dkr.ecr.{account.region}.amazonaws.com"
    arn = account.arn("ecr", f"repository/{name}")
    return Made(name, {"arn": arn, "registryId": account.number, "repositoryUrl": f"{host}/{name}"})


def _of_repository(call: Call) -> Made:
    return Made(call.inputs["repository"], {"registryId": call.account.number})


KINDS = (
    Kind(
        REPOSITORY,
        _make,
        crud("ecr", "CreateRepository", read="DescribeRepositories", update="PutImageTagMutability"),
        frozenset({"name", "encryptionConfigurations"}),
        named=Named(
            longest=256, pattern=r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*", code=_WRONG
        ),
        checks=(one_of("imageTagMutability", _MUTABILITY, _WRONG), _exclusions),
        rules=(unique(REPOSITORY, ("name",), "RepositoryAlreadyExistsException"),),
        leaving=(_empty,),
    ),
    Kind(
        LIFECYCLE,
        _of_repository,
        crud("ecr", "PutLifecyclePolicy", read="GetLifecyclePolicy", delete="DeleteLifecyclePolicy"),
        frozenset({"repository"}),
        checks=(_lifecycle,),
        rules=(_repository,),
    ),
    Kind(
        POLICY,
        _of_repository,
        crud("ecr", "SetRepositoryPolicy", read="GetRepositoryPolicy", delete="DeleteRepositoryPolicy"),
        frozenset({"repository"}),
        checks=(_document,),
        rules=(_repository,),
    ),
)
