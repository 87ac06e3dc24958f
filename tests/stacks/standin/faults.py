"""Delays and failures that a test asks for by environment variable.

STANDIN_DELAYS  {"aws:ec2/vpc:Vpc": 20}: seconds until one is ready; it exists in the account from the beginning on.
STANDIN_FAILURES  {"aws:ecs/service:Service create 2": "ThrottlingException"}: the code that the n-th call gets.
STANDIN_SECOND  0.01: how many seconds one takes in which something is waited for in vain; none otherwise.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from .account import Account
from .refusal import Refused


@dataclass
class Faults:
    delays: Mapping[str, float] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    second: float = 0

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Faults":
        return cls(
            json.loads(environment.get("STANDIN_DELAYS", "{}")),
            json.loads(environment.get("STANDIN_FAILURES", "{}")),
            float(environment.get("STANDIN_SECOND", 0)),
        )

    def count(self, account: Account, kind: str, verb: str) -> int:
        """Which call it is, of those that the account has seen."""
        key = f"{kind} {verb}"
        account.calls[key] = account.calls.get(key, 0) + 1
        return account.calls[key]

    def strike(self, kind: str, verb: str, number: int) -> None:
        """Fails a call whose turn has come."""
        if code := self.failures.get(f"{kind} {verb} {number}"):
            raise Refused(code, f"{verb} of {kind}, call {number}")

    def wait(self, kind: str) -> None:
        """Until it is ready. Nothing cuts this short: Pulumi's provider for AWS can't be asked to stop, either."""
        time.sleep(self.delays.get(kind, 0))

    def wait_in_vain(self, seconds: float) -> None:
        """For what never comes to be."""
        time.sleep(seconds * self.second)
