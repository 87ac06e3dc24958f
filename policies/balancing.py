"""The load balancer: what the internet meets."""

from policies.rule import Resource, Rule, inner, must_be, when_protected

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
CERTIFICATE = "aws:acm/certificate:Certificate"
TARGETS = "aws:lb/targetGroup:TargetGroup"


def _logs(resource: Resource) -> str | None:
    return None if inner(resource.props, "accessLogs").get("enabled") else "requests are not logged"


def _modern_tls(resource: Resource) -> str | None:
    if resource.props.get("protocol") != "HTTPS":
        return None
    policy = str(resource.props.get("sslPolicy"))
    return None if policy.startswith("ELBSecurityPolicy-TLS13-1-2") else f"{policy} is no policy for TLS 1.3"


def _redirects(resource: Resource) -> str | None:
    if resource.props.get("protocol") == "HTTPS":
        return None
    kinds = [action["type"] for action in resource.props["defaultActions"]]
    return None if kinds == ["redirect"] else "plain HTTP is answered, not redirected"


def _knows_nobody(resource: Resource) -> str | None:
    kinds = {action["type"] for action in resource.props["defaultActions"]}
    return "what no rule is about is forwarded" if "forward" in kinds else None


def _no_wildcard(resource: Resource) -> str | None:
    names = [resource.props["domainName"], *(resource.props.get("subjectAlternativeNames") or ())]
    return "it is for any name" if any(name.startswith("*") for name in names) else None


def _checked(resource: Resource) -> str | None:
    return None if inner(resource.props, "healthCheck").get("path") else "targets are not asked how they are"


RULES = (
    Rule("CKV_AWS_131", "Invalid headers are dropped", (BALANCER,), must_be("dropInvalidHeaderFields", True)),
    Rule(
        "CKV_AWS_328",
        "Requests that two parts could read differently are refused",
        (BALANCER,),
        must_be("desyncMitigationMode", "defensive", "strictest"),
    ),
    Rule(
        "CKV_AWS_150",
        "It is kept from deletion where it is protected",
        (BALANCER,),
        when_protected(must_be("enableDeletionProtection", True)),
    ),
    Rule("CKV_AWS_91", "Requests are logged where it is protected", (BALANCER,), when_protected(_logs)),
    Rule("CKV_AWS_103", "TLS is 1.2 or 1.3", (LISTENER,), _modern_tls),
    Rule("CKV2_AWS_20", "Plain HTTP is redirected where it is protected", (LISTENER,), when_protected(_redirects)),
    Rule("TRANSCRIBER_DEFAULT_404", "What no rule is about reaches no service", (LISTENER,), _knows_nobody),
    Rule("CKV2_AWS_71", "A certificate is for names, not for any", (CERTIFICATE,), _no_wildcard),
    Rule("CKV_AWS_261", "Targets are asked how they are", (TARGETS,), _checked),
)
