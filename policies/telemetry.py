"""Logs and alarms."""

from policies.rule import Resource, Rule, when_protected

LOGS = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
YEAR = 365


def _ends(resource: Resource) -> str | None:
    return None if resource.props.get("retentionInDays") else "it is kept for ever"


def _a_year(resource: Resource) -> str | None:
    days = resource.props.get("retentionInDays") or 0
    return None if days >= YEAR else f"it is kept for {days:g} days, not a year"


def _tells(resource: Resource) -> str | None:
    told = resource.props.get("alarmActions") and resource.props.get("actionsEnabled") in (None, True)
    return None if told else "nobody is told"


RULES = (
    Rule("CKV_AWS_66", "Logs end some day", (LOGS,), _ends),
    Rule("CKV_AWS_338", "Logs are kept for a year where they are protected", (LOGS,), when_protected(_a_year)),
    Rule("CKV_AWS_319", "Alarms tell somebody", (ALARM,), _tells),
)
