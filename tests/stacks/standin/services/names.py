"""Certificates of ACM and records of Route 53."""

import hashlib
import re
import uuid

from ..account import Account, Resource
from ..kinds import Call, Kind, Made, crud, one_of
from ..refusal import Refused
from ..wire import Inputs, is_known

CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"
ZONE = "aws:route53/zone:Zone"

_DOMAIN = re.compile(r"(\*\.)?(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)+(?!-)[A-Za-z0-9-]{1,63}(?<!-)")


def _domains(inputs: Inputs) -> None:
    names = [inputs.get("domainName"), *(inputs.get("subjectAlternativeNames") or [])]
    for name in names:
        if name and is_known(name) and not _DOMAIN.fullmatch(name):
            raise Refused(
                "ValidationException", f"Value '{name}' at 'domainName' failed to satisfy constraint: {_DOMAIN.pattern}"
            )


def _validation_record(domain: str, number: str) -> Inputs:
    """A wildcard's record is that of the name below it."""
    name = domain.removeprefix("*.")
    digest = hashlib.sha256(f"{number}{name}".encode()).hexdigest()
    return {
        "domainName": domain,
        "resourceRecordName": f"_{digest[:32]}.{name}.",
        "resourceRecordType": "CNAME",
        "resourceRecordValue": f"_{digest[32:]}.djqtsrsxkq.acm-validations.aws.",
    }


def _make_certificate(call: Call) -> Made:
    arn = call.account.arn("acm", f"certificate/{uuid.uuid4()}")
    names = [call.inputs["domainName"], *(call.inputs.get("subjectAlternativeNames") or [])]
    options = [_validation_record(name, call.account.number) for name in dict.fromkeys(names)]
    status = {"status": "PENDING_VALIDATION", "type": "AMAZON_ISSUED", "renewalEligibility": "INELIGIBLE"}
    return Made(arn, {"arn": arn, "domainValidationOptions": options, **status})


def is_issued(account: Account, certificate: Resource) -> bool:
    """ACM issues it once every name's record can be found."""
    found = {
        (record["name"].rstrip("."), text.rstrip("."))
        for record in account.of(RECORD)
        for text in record["records"] or []
    }
    return all(
        (option["resourceRecordName"].rstrip("."), option["resourceRecordValue"].rstrip(".")) in found
        for option in certificate["domainValidationOptions"]
    )


def _issued(call: Call) -> None:
    certificate = call.need(CERTIFICATE, call.inputs["certificateArn"], "ResourceNotFoundException")
    if not is_issued(call.account, certificate):
        raise Refused(
            "RequestExpired",
            (
                "timeout while waiting for state to become 'ISSUED' (last state: "
                f"'PENDING_VALIDATION') for {certificate.arn}"
            ),
        )
    certificate.outputs["status"] = "ISSUED"


def _make_validation(call: Call) -> Made:
    return Made(call.inputs["certificateArn"])


def _record(call: Call) -> None:
    zone = zone_of(call.account, call.inputs["zoneId"])
    if zone is None:
        raise Refused("NoSuchHostedZone", f"No hosted zone found with ID: {call.inputs['zoneId']}")
    name = call.inputs["name"].rstrip(".")
    if name != zone and not name.endswith(f".{zone}"):
        raise Refused("InvalidChangeBatch", f"RRSet with DNS name {name}. is not permitted in zone {zone}.")
    if call.before is None and not call.inputs.get("allowOverwrite"):
        for other in call.account.of(RECORD):
            same = [other[key] for key in ("zoneId", "type")] == [call.inputs[key] for key in ("zoneId", "type")]
            if same and other["name"].rstrip(".") == name:
                message = (
                    f"Tried to create resource record set [name='{name}.', "
                    f"type='{call.inputs['type']}'] but it already exists"
                )
                raise Refused("InvalidChangeBatch", message)


def zone_of(account: Account, identity: str) -> str | None:
    """A hosted zone's name, whether a program or a person made it."""
    made = account.find(ZONE, identity)
    return made["name"] if made else account.made_outside("zones", identity)


def _alias_or_records(inputs: Inputs) -> None:
    if bool(inputs.get("aliases")) == bool(inputs.get("records")):
        raise Refused(
            "InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]]"
        )
    if inputs.get("records") and inputs.get("ttl") is None:
        raise Refused("InvalidInput", "Invalid request: Missing field 'TTL'")


def _make_record(call: Call) -> Made:
    name = call.inputs["name"].rstrip(".")
    return Made(f"{call.inputs['zoneId']}_{name}_{call.inputs['type']}", {"fqdn": name})


KINDS = (
    Kind(
        CERTIFICATE,
        _make_certificate,
        crud("acm", "RequestCertificate", read="DescribeCertificate", delete="DeleteCertificate"),
        frozenset({"domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
        checks=(_domains, one_of("validationMethod", ("DNS", "EMAIL"), "ValidationException")),
        in_use="ResourceInUseException",
        belongs=(VALIDATION,),
    ),
    Kind(
        VALIDATION,
        _make_validation,
        crud("acm", "DescribeCertificate", read="DescribeCertificate"),
        frozenset({"certificateArn", "validationRecordFqdns"}),
        rules=(_issued,),
    ),
    Kind(
        RECORD,
        _make_record,
        crud("route53", "ChangeResourceRecordSets", read="ListResourceRecordSets", delete="ChangeResourceRecordSets"),
        frozenset({"zoneId", "name", "type"}),
        checks=(
            _alias_or_records,
            one_of("type", ("A", "AAAA", "CNAME", "CAA", "TXT", "MX", "NS", "SRV"), "InvalidInput"),
        ),
        rules=(_record,),
    ),
)
