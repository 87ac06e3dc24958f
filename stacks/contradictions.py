"""What is wrong between settings that are right by themselves."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from stacks import sizes


def contradictions(values: Mapping[str, Any]) -> list[str]:
    """With the key of each. Settings that aren't right by themselves are left out."""
    of = values.get
    checks = (
        ("vpc_cidr", _cidr_problem(values["vpc_cidr"])),
        (
            "zones_used",
            "is more than availability_zones" if of("zones_used", 0) > of("availability_zones", 6) else None,
        ),
        ("zones_used", "is 2 or more: a load balancer needs them" if of("zones_used") == 1 else None),
        ("nat_gateways", _way_out_problem(values)),
        (
            "domain",
            "is missing: what is protected is not on plain HTTP" if of("protected") and not of("domain") else None,
        ),
        ("hosted_zone", _zone_problem(values["domain"], values["hosted_zone"])),
        ("image_digest", _image_problem(values)),
        ("permissions_boundary", _bound_problem(values["environment"], values["permissions_boundary"])),
        ("task_memory_mib", sizes.memory_problem(of("task_cpu", 0), of("task_memory_mib", 0))),
        ("max_tasks", "is less than min_tasks" if of("max_tasks", 1) < of("min_tasks", 1) else None),
        (
            "sessions_per_task",
            "is more than max_sessions" if values["sessions_per_task"] > values["max_sessions"] else None,
        ),
    )
    return [f"{key}: {problem}" for key, problem in checks if problem]


def _cidr_problem(cidr: str) -> str | None:
    try:
        network = ipaddress.IPv4Network(cidr)
    except ValueError as problem:
        return f"is no network: {problem}"
    if not 16 <= network.prefixlen <= 20:
        return "is between /16 and /20"
    return None if network.is_private else "is not private"


def _way_out_problem(values: Mapping[str, Any]) -> str | None:
    out = values.get("engine") == "openai" and not values["openai_base_url"]
    if values.get("nat_gateways") == "none" and out:
        return "none leaves no way to OpenAI's API: single or per_az, or engine: local, or openai_base_url"
    return None


def _zone_problem(domain: str, zone: str) -> str | None:
    if zone and not domain:
        return "is there without a domain"
    return "does not hold the domain" if zone and domain != zone and not domain.endswith(f".{zone}") else None


def _image_problem(values: Mapping[str, Any]) -> str | None:
    elsewhere = values["image_environment"] not in ("", values["environment"])
    return (
        "is missing: image_environment is another one, where nothing is built"
        if elsewhere and not values["image_digest"]
        else None
    )


def _bound_problem(environment: str, policy: str) -> str | None:
    """Of those that bootstrap/ makes: under another environment's, a role reads no secret of this one."""
    _, prefix, bounded = policy.partition("transcriber-boundary-")
    if not prefix or bounded == environment:
        return None
    return f"bounds the roles of {bounded}, and these of {environment} could do nothing: empty is no bound"
