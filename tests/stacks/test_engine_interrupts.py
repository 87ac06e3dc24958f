"""What is left when a deployment is interrupted, and that the next one mends it."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from .deployed import Deployed
from .engine import below

pytestmark = pytest.mark.timeout(600)

VPC, SERVICE = "aws:ec2/vpc:Vpc", "aws:ecs/service:Service"


def _interrupt(deployed: Deployed, kind: str, number: int, delay: float) -> tuple[int, str]:
    """Sends a signal to an `up` of the network while it waits for a resource that takes long."""
    deployed.engine.environment["STANDIN_DELAYS"] = json.dumps({kind: delay})
    process = deployed.engine.start("up", "--skip-preview", "-s", "dev", work=deployed.stack("network"))
    deadline = time.monotonic() + 120
    while not any(event["type"] == kind for event in deployed.engine.ledger.events()):
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    for each in below(process.pid) if number == signal.SIGKILL else [process.pid]:
        os.kill(each, number)
    output, _ = process.communicate(timeout=120)
    deployed.engine.environment.pop("STANDIN_DELAYS")
    return process.returncode, output


def _vpcs(deployed: Deployed) -> int:
    return len(deployed.account().of(VPC))


def _pending(deployed: Deployed) -> list[str]:
    return [
        item["resource"]["type"]
        for item in deployed.engine.state("transcriber-network", "dev").get("pending_operations") or []
    ]


def test_ctrl_c_waits_for_what_is_under_way(untouched: Deployed, printed: Callable[[str], None]) -> None:
    code, _ = _interrupt(untouched, VPC, signal.SIGINT, delay=6)
    assert code != 0
    assert (_vpcs(untouched), _pending(untouched), untouched.engine.locks()) == (1, [], [])
    stated = [item["id"] for item in untouched.resources("network") if item["type"] == VPC]
    assert stated == [item.id for item in untouched.account().of(VPC)]
    untouched.do("up", "network")
    assert _vpcs(untouched) == 1
    printed("SIGINT during a create of 6 s: no lock, nothing pending, 1 VPC; the next up heals")


def test_kill_leaves_a_lock_and_an_operation_that_pulumi_names(
    untouched: Deployed, printed: Callable[[str], None]
) -> None:
    code, _ = _interrupt(untouched, VPC, signal.SIGKILL, delay=20)
    assert code == -signal.SIGKILL
    assert (_vpcs(untouched), len(untouched.engine.locks())) == (1, 1)
    assert _pending(untouched) == [VPC]
    locked = untouched.do("up", "network", succeeds=False)
    assert "pulumi cancel" in locked.output
    untouched.engine.run("cancel", "--yes", "-s", "dev", work=untouched.stack("network"))
    assert untouched.engine.locks() == []
    _remove_by_hand(untouched)
    untouched.do("refresh", "network", "dev", "--clear-pending-creates")
    assert _pending(untouched) == []
    untouched.do("up", "network")
    assert _vpcs(untouched) == 1
    printed("SIGKILL during a create: 1 lock, 1 pending operation, 1 VPC that no state knows; the commands named heal")


def _remove_by_hand(deployed: Deployed) -> None:
    """What is in the account and in no state."""
    with deployed.engine.ledger.open() as account:
        account.resources = [item for item in account.resources if item.type != VPC]


def test_a_throttled_call_leaves_what_was_done_and_the_next_up_goes_on(untouched: Deployed) -> None:
    failures = {"aws:ec2/natGateway:NatGateway create 1": "ThrottlingException"}
    failed = untouched.do("up", "network", succeeds=False, STANDIN_FAILURES=json.dumps(failures))
    assert "ThrottlingException" in failed.diagnostics()
    untouched.do("up", "network")
    assert _vpcs(untouched) == 1
    assert len(untouched.account().of("aws:ec2/natGateway:NatGateway")) == 1
    assert untouched.do("preview", "network", "dev", "--expect-no-changes").steps() == {}
