"""The rules as Pulumi takes them: a resource that breaks one is not made."""

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.decisions import RULES, STACK_RULES, undecided
from policies.protection import protected
from policies.rule import Resource, Rule, StackRule

UNDECIDED = "TRANSCRIBER_DECIDED"


def policies() -> list[Policy]:
    decided = ResourceValidationPolicy(
        name=UNDECIDED,
        description="Something was decided about every type of resource (policies/decisions.py)",
        validate=_undecided,
        enforcement_level=EnforcementLevel.MANDATORY,
    )
    return [*map(_policy, RULES), *map(_stack_policy, STACK_RULES), decided]


def _environment(urn: str) -> str:
    return urn.partition("::")[0].rpartition(":")[2]


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in rule.kinds:
            resource = Resource(args.resource_type, args.name, protected(_environment(args.urn)), args.props)
            if problem := rule.problem(resource):
                report(f"{resource.name}: {problem}", None)

    return ResourceValidationPolicy(
        name=rule.id, description=rule.about, validate=validate, enforcement_level=EnforcementLevel.MANDATORY
    )


def _stack_policy(rule: StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        resources = [
            Resource(each.resource_type, each.name, protected(_environment(each.urn)), each.props)
            for each in args.resources
        ]
        for problem in rule.problems(resources):
            report(problem, None)

    return StackValidationPolicy(
        name=rule.id, description=rule.about, validate=validate, enforcement_level=EnforcementLevel.MANDATORY
    )


def _undecided(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if undecided(args.resource_type):
        report(f"{args.name}: nothing was decided about {args.resource_type}", None)
