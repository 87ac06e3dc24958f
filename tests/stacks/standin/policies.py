"""IAM's decision: whether policies allow an action on a resource."""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .refusal import Refused

Document = Mapping[str, Any]
Context = Mapping[str, str]


def parse(text: Any, code: str = "MalformedPolicyDocument") -> dict[str, Any]:
    """A policy's text, refused as AWS refuses what is none."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError) as error:
        raise Refused(code, "Syntax errors in policy.") from error
    if not isinstance(document, dict) or not document.get("Statement"):
        raise Refused(code, "Missing required field Statement")
    if document.get("Version") not in ("2012-10-17", "2008-10-17", None):
        raise Refused(code, "The policy must contain a valid version string")
    for statement in listed(document["Statement"]):
        _parse_statement(statement, code)
    return document


def _parse_statement(statement: Any, code: str) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise Refused(code, "Statement/policy already has instance of Effect, or an invalid effect")
    actions = listed(statement.get("Action") or statement.get("NotAction"))
    if not actions:
        raise Refused(code, "Policy statement must contain actions.")
    for action in actions:
        if not re.fullmatch(r"\*|[a-z0-9-]+:[A-Za-z*?]+", action):
            raise Refused(code, f"Actions/Conditions must be prefaced by a vendor, and {action} is not")
    unknown = set(statement) - {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition",
    }  # fmt: skip
    if unknown:
        raise Refused(code, f"Syntax errors in policy: {', '.join(sorted(unknown))}")
    for resource in listed(statement.get("Resource")):
        if resource != "*" and not re.match(r"(?:arn:[\w*-]+:[\w*-]+:|\*)", str(resource)):
            raise Refused(code, f"Resource {resource} must be in ARN format or '*'.")


def listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def allows(documents: Iterable[Document], action: str, resource: str, context: Context | None = None) -> bool:
    """An explicit denial wins; without an allowing statement, nothing is allowed."""
    effects = {
        statement["Effect"]
        for document in documents
        for statement in listed(document["Statement"])
        if _matches(statement, action, resource, context or {})
    }
    return "Allow" in effects and "Deny" not in effects


def trusts(document: Document, service: str, context: Context) -> bool:
    """Whether a trust policy lets a service of AWS take on the role."""
    return any(
        statement["Effect"] == "Allow"
        and service in listed((statement.get("Principal") or {}).get("Service"))
        and _any_like("sts:AssumeRole", listed(statement.get("Action")))
        and _conditions_hold(statement.get("Condition") or {}, context)
        for statement in listed(document["Statement"])
        if isinstance(statement.get("Principal"), dict)
    )


def grants(document: Document, principals: Iterable[str], action: str, resource: str, context: Context) -> bool:
    """Whether a resource's own policy allows one of these principals (services or ARNs) to do it."""
    wanted = set(principals)
    mine = [statement for statement in listed(document["Statement"]) if wanted & _principals(statement)]
    return bool(mine) and allows([{"Statement": mine}], action, resource, context)


def _principals(statement: Mapping[str, Any]) -> set[str]:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        return {name for names in principal.values() for name in listed(names)}
    return set(listed(principal))


def is_public(document: Document) -> bool:
    """Whether anybody at all is allowed something without a condition on who."""
    return any(
        statement["Effect"] == "Allow" and "*" in _principals(statement) and not statement.get("Condition")
        for statement in listed(document["Statement"])
    )


def _matches(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    if "NotAction" in statement:
        acts = not _any_like(action, listed(statement["NotAction"]), fold=True)
    else:
        acts = _any_like(action, listed(statement.get("Action")), fold=True)
    if "NotResource" in statement:
        about = not _any_like(resource, listed(statement["NotResource"]))
    else:
        about = _any_like(resource, listed(statement.get("Resource", "*")))
    return acts and about and _conditions_hold(statement.get("Condition") or {}, context)


def _like(value: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _any_like(value: str, patterns: Iterable[str], *, fold: bool = False) -> bool:
    return any(_like(value.lower(), pattern.lower()) if fold else _like(value, str(pattern)) for pattern in patterns)


def _conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    known = {key.lower(): value for key, value in context.items()}
    return all(
        _holds(operator, [str(value) for value in listed(values)], known.get(key.lower()))
        for operator, tests in conditions.items()
        for key, values in tests.items()
    )


def _holds(operator: str, values: list[str], actual: str | None) -> bool:
    if operator == "Null":
        return (actual is None) == (values[0].lower() == "true")
    every = operator.startswith("ForAllValues:")  # of a key that may be missing; here, keys have one value
    optional = every or operator.endswith("IfExists")
    name = operator.removeprefix("ForAllValues:").removesuffix("IfExists")
    if actual is None:
        return optional or name.startswith(("StringNot", "ArnNot"))
    match name:
        case "StringEquals" | "Bool" | "StringEqualsIgnoreCase":
            return actual.lower() in [value.lower() for value in values] if name != "StringEquals" else actual in values
        case "StringLike" | "ArnLike" | "ArnEquals":
            return _any_like(actual, values)
        case "StringNotEquals":
            return actual not in values
        case "StringNotLike" | "ArnNotLike" | "ArnNotEquals":
            return not _any_like(actual, values)
        case _:
            raise Refused("MalformedPolicyDocument", f"condition {operator} is not known here")
