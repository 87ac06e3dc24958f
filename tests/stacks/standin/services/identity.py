"""IAM's roles and policies, and KMS's keys."""

import secrets
import string
import uuid

from ..account import Account, Resource
from ..kinds import Call, Kind, Made, Named, crud, unique, within
from ..policies import Document, listed, parse
from ..refusal import Refused
from ..wire import Inputs, is_known

ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY = "aws:iam/policy:Policy"
KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"

_INLINE_CHARACTERS = 10_240
_NAMES = r"[\w+=,.@-]+"

_ANY = {"Effect": "Allow", "Resource": "*"}
MANAGED: dict[str, Document] = {
    "service-role/AmazonECSTaskExecutionRolePolicy": {
        "Statement": [
            _ANY
            | {
                "Action": [
                    "ecr:GetAuthorizationToken",
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:BatchGetImage",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                ]
            }
        ]
    },
}
"""Those of AWS's own policies that are known here."""


def unique_id(prefix: str) -> str:
    """As IAM makes them: AROA… for roles, ANPA… for policies."""
    return prefix + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(17))


def _known(inputs: Inputs, name: str) -> bool:
    return isinstance(inputs.get(name), str) and is_known(inputs[name])


def _trust(inputs: Inputs) -> None:
    if not _known(inputs, "assumeRolePolicy"):
        return
    for statement in listed(parse(inputs["assumeRolePolicy"])["Statement"]):
        if not statement.get("Principal"):
            raise Refused("MalformedPolicyDocument", "Missing required field Principal")
        if "Resource" in statement:
            raise Refused("MalformedPolicyDocument", "Has prohibited field Resource")


def _identity_policy(inputs: Inputs) -> None:
    if not _known(inputs, "policy"):
        return
    for statement in listed(parse(inputs["policy"])["Statement"]):
        if "Principal" in statement:
            raise Refused("MalformedPolicyDocument", "Policy document should not specify a principal.")
        if not statement.get("Resource") and not statement.get("NotResource"):
            raise Refused("MalformedPolicyDocument", "Policy statement must contain resources.")
    if len("".join(inputs["policy"].split())) > _INLINE_CHARACTERS:
        raise Refused("LimitExceeded", f"Maximum policy size of {_INLINE_CHARACTERS} bytes exceeded")


def _has_role(call: Call) -> None:
    call.need(ROLE, call.inputs["role"], "NoSuchEntity")


def _attachable(call: Call) -> None:
    _has_role(call)
    arn = call.inputs["policyArn"]
    if managed(arn) is None and call.account.find(POLICY, arn) is None:
        raise Refused("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.")


def managed(arn: str) -> Document | None:
    return MANAGED.get(arn.removeprefix("arn:aws:iam::aws:policy/")) if arn.startswith("arn:aws:iam::aws:") else None


def _has_no_policies(call: Call) -> None:
    assert call.before is not None
    if any(other["role"] == call.before.id for other in call.account.of(ROLE_POLICY)):
        raise Refused("DeleteConflict", "Cannot delete entity, must delete policies first.")
    attached = any(other["role"] == call.before.id for other in call.account.of(ATTACHMENT))
    if attached and not call.before["forceDetachPolicies"]:
        raise Refused("DeleteConflict", "Cannot delete entity, must detach all policies first.")


def policies_of(account: Account, role: Resource) -> list[Document]:
    """All documents that say what a role may do."""
    documents: list[Document] = [
        parse(policy["policy"]) for policy in role["inlinePolicies"] or [] if policy.get("policy")
    ]
    documents += [parse(policy["policy"]) for policy in account.of(ROLE_POLICY) if policy["role"] == role.id]
    attached = [item["policyArn"] for item in account.of(ATTACHMENT) if item["role"] == role.id]
    for arn in [*attached, *(role.inputs.get("managedPolicyArns") or [])]:
        own = account.find(POLICY, arn)
        documents.append(parse(own["policy"]) if own else managed(arn) or {"Statement": []})
    return documents


def bounds_of(account: Account, role: Resource) -> Document | None:
    """What it may do at most; None for anything that its policies say."""
    arn = role.inputs.get("permissionsBoundary")
    return _boundary(account, arn) if arn else None


def _boundary(account: Account, arn: str) -> Document:
    own, outside = account.find(POLICY, arn), account.made_outside("policies", arn)
    if own is None and outside is None:
        raise Refused("NoSuchEntity", f"Scope ARN: {arn} does not exist or is not attachable.")
    return parse(own["policy"]) if own else outside


def _bounded(call: Call) -> None:
    if arn := call.inputs.get("permissionsBoundary"):
        _boundary(call.account, arn)


def _make_role(call: Call) -> Made:
    path, name = call.inputs.get("path", "/"), call.inputs["name"]
    arn = f"arn:aws:iam::{call.account.number}:role{path}{name}"
    return Made(name, {"arn": arn, "uniqueId": unique_id("AROA"), "createDate": "2026-01-01T00:00:00Z"})


def _make_policy(call: Call) -> Made:
    arn = f"arn:aws:iam::{call.account.number}:policy{call.inputs.get('path', '/')}{call.inputs['name']}"
    return Made(arn, {"arn": arn, "policyId": unique_id("ANPA"), "attachmentCount": 0})


def _key_policy(inputs: Inputs) -> None:
    if _known(inputs, "policy"):
        parse(inputs["policy"], "MalformedPolicyDocumentException")


def _make_key(call: Call) -> Made:
    identity = str(uuid.uuid4())
    return Made(identity, {"arn": call.account.arn("kms", f"key/{identity}"), "keyId": identity})


def _make_alias(call: Call) -> Made:
    name, key = call.inputs["name"], call.need(KEY, call.inputs["targetKeyId"], "NotFoundException")
    return Made(name, {"arn": call.account.arn("kms", name), "targetKeyArn": key.arn})


KINDS = (
    Kind(
        ROLE,
        _make_role,
        crud("iam", "CreateRole", read="GetRole", update="UpdateRole"),
        frozenset({"name", "path"}),
        named=Named(longest=64, pattern=_NAMES),
        checks=(_trust, within("maxSessionDuration", 3600, 43200)),
        rules=(unique(ROLE, ("name",), "EntityAlreadyExists"), _bounded),
        leaving=(_has_no_policies,),
    ),
    Kind(
        ROLE_POLICY,
        lambda call: Made(f"{call.inputs['role']}:{call.inputs['name']}"),
        crud("iam", "PutRolePolicy", read="GetRolePolicy", delete="DeleteRolePolicy"),
        frozenset({"name", "role"}),
        named=Named(longest=128, pattern=_NAMES),
        checks=(_identity_policy,),
        rules=(_has_role,),
    ),
    Kind(
        ATTACHMENT,
        lambda call: Made(f"{call.inputs['role']}-{secrets.token_hex(13)}"),
        crud("iam", "AttachRolePolicy", read="ListAttachedRolePolicies", delete="DetachRolePolicy"),
        frozenset({"role", "policyArn"}),
        rules=(_attachable,),
    ),
    Kind(
        POLICY,
        _make_policy,
        crud("iam", "CreatePolicy", read="GetPolicy", update="CreatePolicyVersion"),
        frozenset({"name", "path", "description"}),
        named=Named(longest=128, pattern=_NAMES),
        checks=(_identity_policy,),
        rules=(unique(POLICY, ("name",), "EntityAlreadyExists"),),
        in_use="DeleteConflict",
    ),
    Kind(
        KEY,
        _make_key,
        crud("kms", "CreateKey", read="DescribeKey", update="PutKeyPolicy", delete="ScheduleKeyDeletion"),
        checks=(_key_policy, within("deletionWindowInDays", 7, 30, "ValidationException")),
    ),
    Kind(
        ALIAS,
        _make_alias,
        crud("kms", "CreateAlias", read="ListAliases", update="UpdateAlias"),
        frozenset({"name"}),
        named=Named(longest=256, pattern=r"alias/(?!aws/)[\w/-]+", code="InvalidAliasNameException", automatic=False),
        rules=(unique(ALIAS, ("name",), "AlreadyExistsException"),),
    ),
)
