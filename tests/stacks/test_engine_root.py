"""The environment as one, from the root project, under Pulumi's own engine: what the commands mean there."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from stacks.environment.verify import NOT_HEARD, RUNS_ON

from .builder import Builder
from .conftest import BroughtUp
from .deployed import SECRETS, SMALL_IMAGE, STACKS, Deployed
from .engine import Ran, below
from .fargate import seen_as_hosts

pytestmark = pytest.mark.timeout(1800)

VPC, SERVICE = "aws:ec2/vpc:Vpc", "aws:ecs/service:Service"
KEY = "trk_shown-at-the-door-alone"
_SECONDS = 900


@dataclass
class Root:
    """The root project of a working copy."""

    deployed: Deployed

    @classmethod
    def of(cls, deployed: Deployed) -> "Root":
        deployed.engine.run("stack", "init", "dev", "--no-select", work=deployed.root)
        return cls(deployed)

    def do(self, verb: str, *options: str, succeeds: bool = True, **more: str) -> Ran:
        """As Engine.run, with the time that five stacks take."""
        confirmed = ("--skip-preview",) if verb in ("up", "destroy") else ()
        log = self.deployed.engine.folder / "events.json"
        log.unlink(missing_ok=True)
        with self.deployed.ecs():
            process = self.start(verb, *confirmed, *options, "--event-log", str(log), **more)
            output, _ = process.communicate(timeout=_SECONDS)
        assert (process.returncode == 0) == succeeds, output[-6000:]
        lines = log.read_text().splitlines() if log.exists() else []
        events = [json.loads(line) for line in lines if line.strip()]
        return Ran(process.returncode, output, events, 0)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        return self.deployed.engine.start(*arguments, "-s", "dev", work=self.deployed.root, more=more)

    def until_begun(self, process: "subprocess.Popen[str]", kind: str) -> None:
        """Until a resource is in the account and its creation goes on."""
        until = time.monotonic() + 600
        while not any(event["type"] == kind for event in self.deployed.engine.ledger.events()):
            assert process.poll() is None, process.communicate()[0][-3000:]
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(1)

    def made(self) -> list[str]:
        """The stacks that have something, in their order."""
        return [name for name in STACKS if self.resources(name)]

    def resources(self, name: str) -> list[str]:
        path = self.deployed.engine.folder / f"backend/.pulumi/stacks/transcriber-{name}/dev.json"
        return [item["id"] for item in self.deployed.resources(name) if item.get("id")] if path.is_file() else []

    def run(self, module: str, *options: str) -> "subprocess.CompletedProcess[str]":
        return self.deployed.run(module, "dev", *options)


def _changed(ran: Ran) -> list[str]:
    """The stacks whose resource at the root was changed."""
    return sorted(step.split()[-1] for step in ran.steps() if "dynamic:Resource" in step)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def empty(building: Builder, tmp_path: Path) -> Root:
    """The root's stack is initialised, and nothing else."""
    return Root.of(Deployed.at(tmp_path / "empty", building))


@pytest.fixture(scope="module")
def adopted(brought_up: BroughtUp, building: Builder, tmp_path_factory: pytest.TempPathFactory) -> tuple[Root, Ran]:
    """All five are up, each brought up by itself, and then the root; what that did."""
    root = Root.of(brought_up.deployed.copy(tmp_path_factory.mktemp("adopted") / "copy", building))
    return root, root.do("up")


@pytest.fixture
def root(adopted: tuple[Root, Ran], building: Builder, tmp_path: Path) -> Root:
    """All five are up, and the root knows them."""
    return Root(adopted[0].deployed.copy(tmp_path / "root", building))


def test_preview_of_nothing_shows_everything_and_changes_nothing(empty: Root) -> None:
    backend, settings = empty.deployed.engine.folder / "backend", empty.deployed.root / "Pulumi.dev.yaml"
    before = (_files(backend / ".pulumi/stacks"), settings.read_bytes(), empty.deployed.account().resources)
    seen = empty.do("preview")
    after = (_files(backend / ".pulumi/stacks"), settings.read_bytes(), empty.deployed.account().resources)
    assert before == after
    told = seen.diagnostics()
    assert all(f"{name}: " in told for name in STACKS)
    assert "+ aws:ecs/service:Service transcriber-dev" in told
    assert "service: " in told
    assert "previewed with what network, ecr, alb, cluster is now" in told


def test_up_over_what_is_up_changes_nothing(adopted: tuple[Root, Ran], brought_up: BroughtUp) -> None:
    root, first = adopted
    assert _changed(first) == sorted(STACKS)
    assert root.deployed.account().resources == brought_up.deployed.account().resources
    assert _changed(root.do("up", "--expect-no-changes")) == []


def test_state_of_the_root_holds_no_secret_and_no_path(adopted: tuple[Root, Ran]) -> None:
    root, _ = adopted
    state = json.dumps(root.deployed.engine.state("transcriber", "dev"))
    assert [value for value in SECRETS.values() if value in state] == []
    assert str(root.deployed.root) not in state, "another machine goes on with it"


def test_a_changed_setting_changes_the_stacks_that_have_it(root: Root) -> None:
    root.deployed.configure("dev", log_days=7)
    changed = root.do("up")
    assert _changed(changed) == ["cluster", "service"]
    groups = root.deployed.account().of("aws:cloudwatch/logGroup:LogGroup")
    assert {group.inputs["retentionInDays"] for group in groups} == {7}


def test_drift_is_seen_by_a_refresh_and_put_right_by_the_next_up(root: Root) -> None:
    with root.deployed.engine.ledger.open() as account:
        (repository,) = account.of("aws:ecr/repository:Repository")
        repository.inputs["imageTagMutability"] = "MUTABLE"
    nested = root.deployed.engine.state("transcriber-ecr", "dev")
    root.do("refresh", "--preview-only", "--expect-no-changes", succeeds=False)
    assert root.deployed.engine.state("transcriber-ecr", "dev") == nested, "a preview writes nothing"
    root.do("refresh", "--skip-preview")
    assert _changed(root.do("up")) == ["ecr"]
    (repository,) = root.deployed.account().of("aws:ecr/repository:Repository")
    assert repository.inputs["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"


def test_destroy_takes_everything_down(root: Root) -> None:
    root.do("destroy")
    assert root.made() == []
    left = {item.type for item in root.deployed.account().resources}
    assert left <= {"aws:ecs/taskDefinition:TaskDefinition"}


def test_first_failure_stops_says_how_to_go_on_and_can_be_taken_down(empty: Root) -> None:
    failures = {"aws:lb/loadBalancer:LoadBalancer create 1": "TooManyLoadBalancers"}
    failed = empty.do("up", succeeds=False, STANDIN_FAILURES=json.dumps(failures))
    assert "TooManyLoadBalancers" in failed.diagnostics()
    assert "Mend it, then go on with: pulumi up -s dev" in failed.diagnostics()
    assert empty.made() == ["network", "ecr", "alb"]
    assert empty.deployed.engine.locks() == []
    network = empty.resources("network")
    refused = empty.do("destroy", succeeds=False)
    assert "network: nothing is deleted, for alb uses it. All there is goes with: make down ENV=dev" in refused.output
    assert empty.resources("network") == network
    down = empty.run("stacks.environment.teardown")
    assert down.returncode == 0, down.stderr
    assert empty.made() == []
    assert empty.deployed.account().resources == []
    assert "Kept:\n  the secrets in SSM\n" in down.stdout


def test_a_first_deployment_with_a_bad_task_says_why_within_five_minutes(
    building: Builder, tmp_path: Path, printed: Callable[[str], None]
) -> None:
    """The image has no volume where its user shall write. ECS has nothing to go back to, and starts tasks for ever."""
    bad = SMALL_IMAGE.replace("VOLUME /data\n", "")
    root, second = Root.of(Deployed.at(tmp_path / "bad", building, dockerfile=bad)), 0.01
    failed = root.do("up", succeeds=False, STANDIN_SECOND=str(second))
    ended = time.time()
    told = failed.diagnostics()
    assert "a task stopped: Essential container in task exited: permission denied in /data" in told
    events = root.deployed.engine.ledger.events()
    (begun,) = (event["time"] for event in events if (event["verb"], event["type"]) == ("create", SERVICE))
    (waited,) = (event["seconds"] for event in events if event["verb"] == "give up")
    took = ended - begun + waited * (1 - second)
    assert took < 300
    printed(f"a first deployment whose tasks stop: told after {took:.0f} s, of which {waited:.0f} s are ECS's")
    (root.deployed.root / "Dockerfile").write_text(SMALL_IMAGE)
    root.do("up")
    (history,) = root.deployed.account().deployments.values()
    assert [item["status"] for item in history] == ["FAILED", "SUCCESSFUL"]


def test_after_an_up_ecs_is_asked_what_runs(root: Root) -> None:
    with root.deployed.ecs():
        seen = root.run("stacks.environment.verify", "--wait", "0")
        digest = root.deployed.outputs("service")["image_digest"]
        assert seen.stdout.splitlines()[0].endswith(f" runs {digest}"), seen.stderr
        assert "cannot connect to ws://transcriber-dev-" in seen.stderr, "nobody has the load balancer's name"
        with root.deployed.engine.ledger.open() as account:
            ((last,),) = account.deployments.values()
            last |= {"status": "ROLLBACK_SUCCESSFUL", "running": None, "reasons": ["out of memory"]}
        seen = root.run("stacks.environment.verify", "--wait", "0")
    assert seen.returncode == 1
    said = seen.stderr.splitlines()
    assert said[0].startswith("verify: transcriber-dev-")
    assert said[1:] == ["no task runs", "  a task stopped: out of memory"]


@contextmanager
def _door_to_nobody(root: Root) -> Generator[list[str]]:
    """What listens by the load balancer's name, and knows no such path; who asked."""
    asked: list[str] = []

    class Nobody(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_error(404)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    hosts, name = root.deployed.engine.folder / "hosts", root.deployed.outputs("service")["url"].removeprefix("http://")
    with ThreadingHTTPServer((f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.81", 80), Nobody) as server:
        hosts.write_text(f"127.0.0.1 localhost\n{server.server_address[0]} {name}\n")
        root.deployed.engine.within = seen_as_hosts(hosts)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield asked
        finally:
            root.deployed.engine.within = []
            server.shutdown()
            thread.join()


def test_an_up_that_does_not_transcribe_fails_and_the_next_one_checks_again(root: Root) -> None:
    """Though nothing is left to change."""
    root.deployed.configure("dev", log_days=7)
    with _door_to_nobody(root) as asked:
        for _ in range(2):
            failed = root.do("up", succeeds=False, TRANSCRIBER_API_KEY=KEY)
            told = failed.diagnostics()
            assert "did not transcribe the demo (exit code 3):" in told
            assert f"{RUNS_ON}\nMend it, then go on with: pulumi up -s dev" in told
            assert "Traceback" not in failed.output
    assert asked == [f"Bearer {KEY}"] * 2
    groups = root.deployed.account().of("aws:cloudwatch/logGroup:LogGroup")
    assert {group.inputs["retentionInDays"] for group in groups} == {7}, "it is deployed all the same"
    healed = root.do("up")
    assert _changed(healed) == ["service"]
    assert NOT_HEARD in healed.output
    root.do("up", "--expect-no-changes", TRANSCRIBER_API_KEY=KEY)
    written = root.deployed.everything_written() + failed.output + json.dumps(failed.events)
    assert KEY not in written


def test_ctrl_c_waits_for_the_stack_under_way_and_starts_no_other(empty: Root) -> None:
    delays = json.dumps({VPC: 15})
    process = empty.start("up", "--skip-preview", STANDIN_DELAYS=delays)
    empty.until_begun(process, VPC)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=_SECONDS)
    assert process.returncode != 0
    assert empty.deployed.engine.locks() == [], output[-3000:]
    assert (empty.deployed.engine.state("transcriber-network", "dev").get("pending_operations") or []) == []
    assert empty.made() == ["network"]
    assert len(empty.deployed.account().of(VPC)) == 1
    empty.do("up", "--target", "**network")
    assert len(empty.deployed.account().of(VPC)) == 1
    assert empty.made() == ["network"], "a target leaves its neighbours alone"


def test_a_kill_is_healed_by_the_commands_that_the_documentation_names(
    empty: Root, printed: Callable[[str], None]
) -> None:
    """The root, and with it what it has started, as when a runner is gone."""
    process = empty.start("up", "--skip-preview", STANDIN_DELAYS=json.dumps({VPC: 25}))
    empty.until_begun(process, VPC)
    for number in below(process.pid):
        os.kill(number, signal.SIGKILL)
    process.communicate(timeout=60)
    engine, work = empty.deployed.engine, empty.deployed.root
    assert (len(engine.locks()), len(empty.deployed.account().of(VPC))) == (2, 1)
    states = [engine.state(project, "dev") for project in ("transcriber", "transcriber-network")]
    assert [len(state["pending_operations"]) for state in states] == [1, 1]
    assert "pulumi cancel" in empty.do("up", "--target", "**network", succeeds=False).output
    with engine.ledger.open() as account:
        account.resources.clear()
    for folder in (work, empty.deployed.stack("network")):
        engine.run("cancel", "--yes", "-s", "dev", work=folder)
        engine.run("refresh", "--skip-preview", "--clear-pending-creates", "-s", "dev", work=folder)
    empty.do("up", "--target", "**network")
    assert (engine.locks(), len(empty.deployed.account().of(VPC)), empty.made()) == ([], 1, ["network"])
    printed(
        "SIGKILL of the root and all below it: 2 locks, 2 pending operations, 1 VPC that no state knows; "
        "the documented commands heal"
    )


def test_a_resource_that_breaks_a_rule_is_not_made(root: Root) -> None:
    program = root.deployed.root / "stacks/ecr/registry.py"
    program.write_text(program.read_text().replace("scan_on_push=True", "scan_on_push=False"))
    failed = root.do("preview", succeeds=False)
    told = failed.diagnostics()
    assert "CKV_AWS_163: Images are scanned when they are pushed\nimages: images are not scanned" in told


def test_a_mistake_is_told_in_two_lines_before_anything_is_changed(root: Root) -> None:
    root.deployed.configure("dev", task_memory_mib=100)
    failed = root.do("preview", succeeds=False)
    assert "transcriber:task_memory_mib: is between 512 and 122880" in failed.diagnostics()
    assert "Traceback" not in failed.diagnostics()
