"""A certificate for the domain, proven by a record in its zone."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks import contract
from stacks.contract import Stack


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    domain: str
    zone_id: pulumi.Input[str]


class Certificate(pulumi.ComponentResource):
    """`arn` is known once the certificate is issued."""

    def __init__(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("transcriber:alb:Certificate", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        certificate = aws.acm.Certificate(
            "certificate",
            domain_name=args.domain,
            validation_method="DNS",
            tags=contract.tags(Stack.ALB, args.domain),
            opts=child,
        )
        # One name, so one option; apex and wildcard would share theirs.
        proof = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            "validation",
            zone_id=args.zone_id,
            name=proof.resource_record_name,
            type=proof.resource_record_type,
            records=[proof.resource_record_value],
            ttl=60,
            allow_overwrite=True,
            opts=child,
        )
        validated = aws.acm.CertificateValidation(
            "validation",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=child,
        )
        self.arn = validated.certificate_arn
        self.register_outputs({"arn": self.arn})
