"""What ECS and Fargate do with a service in the account: its task as a container under Docker, in a network of its own
that has what tasks find there, behind a load balancer's name."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker as sdk

from ..container.docker import Docker
from ..ecs_stub import EcsStub
from ..stub_server import Reply, json_reply
from .deployed import Deployed
from .engine import ROOT
from .relay import Relay
from .standin.account import Account, Resource
from .standin.services import task_definitions, tasks

AGENT = "169.254.170.2"
"""Where tasks find their credentials and metadata."""
BALANCER, TASK = "10.0.1.10", "10.0.101.20"
"""Addresses in the VPC: those of the task's network."""
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Outside:
    """What a task reaches beyond its network: ports of this machine, and `settings` that make it go there."""

    s3_port: int
    engine_port: int
    credentials: Callable[[Account], Mapping[str, str]]
    """Of the task's role."""

    @property
    def settings(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.s3_port}",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{self.engine_port}/v1",
        }


class Agent(EcsStub):
    """Gives the task role's credentials as well."""

    def __init__(self, credentials: Callable[[], Mapping[str, str]]) -> None:
        super().__init__()
        self._credentials = credentials

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if (method, path) == ("GET", "/v2/credentials/0123-456"):
            return json_reply(dict(self._credentials()))
        return super().reply(method, path, headers, body)


FROM_FARGATE = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/0123-456",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    "AWS_REGION": "us-east-1",
    "ECS_AGENT_URI": f"http://{AGENT}/api/0123-456",
    "ECS_CONTAINER_METADATA_URI_V4": f"http://{AGENT}/v4/0123-456",
}


def options(
    definition: Resource, declared: Mapping[str, Any], values: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    """How Docker's API is told what a task definition says. `declared` are the image's volumes: one mounted at such a
    path has the image's owner, any other belongs to root."""
    (container,) = task_definitions.containers_of(definition)
    check, linux = container["healthCheck"], container["linuxParameters"]
    second = 1_000_000_000
    volumes: list[str] = []
    for number, mount in enumerate(container["mountPoints"]):
        source = f"spool-{secrets.token_hex(4)}"
        if mount["containerPath"] not in declared:
            source = str(folder / f"volume-{number}")
            Path(source).mkdir(mode=0o755, parents=True)
        volumes.append(f"{source}:{mount['containerPath']}:{'ro' if mount['readOnly'] else 'rw'}")
    return {
        "image": container["image"],
        "environment": dict(values),
        "user": container["user"],
        "read_only": container["readonlyRootFilesystem"],
        "cap_drop": linux["capabilities"]["drop"],
        "init": linux["initProcessEnabled"],
        "healthcheck": {
            "test": check["command"],
            "retries": check["retries"],
            **{to: check[name] * second for name, to in _CHECK_TIMES.items()},
        },
        "nano_cpus": int(definition["cpu"]) * second // 1024,
        "mem_limit": f"{definition['memory']}m",
        "memswap_limit": f"{definition['memory']}m",
        "volumes": volumes,
        "network_mode": "none",
    }


_CHECK_TIMES = {"interval": "interval", "timeout": "timeout", "startPeriod": "start_period"}


def values_of(account: Account, container: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a container, secrets read from SSM."""
    values = {item["name"]: item["value"] for item in container["environment"]}
    for secret in container["secrets"]:
        values[secret["name"]] = account.outside["parameters"][secret["valueFrom"].split(":parameter", 1)[1]]["value"]
    return values


@dataclass
class Task:
    """A container that runs; `door` is the socket that leads to its port."""

    container: Any
    definition: Resource
    door: str
    relay: "subprocess.Popen[str]"

    @property
    def port(self) -> int:
        (container,) = task_definitions.containers_of(self.definition)
        return int(container["portMappings"][0]["containerPort"])

    def state(self) -> dict[str, Any]:
        self.container.reload()
        return dict(self.container.attrs["State"])

    def log(self) -> str:
        return str(self.container.logs().decode())

    def execute(self, *command: str) -> tuple[int, str]:
        code, output = self.container.exec_run(list(command))
        return code, output.decode()

    def is_well(self) -> bool:
        """By the health check of the definition."""
        (container,) = task_definitions.containers_of(self.definition)
        with contextlib.suppress(sdk.errors.APIError):
            return self.execute(*container["healthCheck"]["command"][1:])[0] == 0
        return False

    def stop(self) -> None:
        """As ECS does, in the time that the definition gives it."""
        (container,) = task_definitions.containers_of(self.definition)
        self.container.stop(timeout=container["stopTimeout"])
        self.relay.terminate()
        self.relay.wait(10)


@dataclass
class Fargate:
    """Keeps a task of what the account says the service runs."""

    engine: Docker
    deployed: Deployed
    outside: Outside
    folder: Path
    address: str
    """Where the load balancer listens, and what its name resolves to in `hosts`."""
    task: Task | None = None
    problem: BaseException | None = None
    _over: threading.Event = field(default_factory=threading.Event)
    _balancer: Relay = field(init=False)

    def __post_init__(self) -> None:
        self._tell_names([])
        self._balancer = Relay(f"{self.address}:80", str(self.folder / "nobody"), balances=True)
        self._client = sdk.DockerClient(base_url=self.engine.environment["DOCKER_HOST"])

    @property
    def hosts(self) -> Path:
        """To be seen as /etc/hosts by whoever asks for the load balancer by its name."""
        return self.folder / "hosts"

    @contextlib.contextmanager
    def running(self) -> Generator[None]:
        with _loop() as loop, contextlib.ExitStack() as end:
            agent = Agent(lambda: self.outside.credentials(self.deployed.account()))
            asyncio.run_coroutine_threadsafe(agent.__aenter__(), loop).result(5)
            reached = {
                "agent": f"127.0.0.1:{agent.port}",
                "s3": f"127.0.0.1:{self.outside.s3_port}",
                "engine": f"127.0.0.1:{self.outside.engine_port}",
            }
            relays = [Relay(str(self.folder / name), target) for name, target in reached.items()]
            servers = [
                asyncio.run_coroutine_threadsafe(relay.serve(), loop).result(5) for relay in (*relays, self._balancer)
            ]
            end.callback(lambda: [loop.call_soon_threadsafe(server.close) for server in servers])
            watching = threading.Thread(target=self._watch)
            watching.start()
            try:
                yield
            finally:
                self._over.set()
                watching.join(60)
                if self.task:
                    self.task.relay.terminate()
                    self.task.relay.wait(10)
                asyncio.run_coroutine_threadsafe(agent.__aexit__(), loop).result(5)
                self._client.close()

    def answer(self, operation: str, request: dict[str, Any]) -> Mapping[str, Any]:
        """What ECS's API says; a task runs once it answers."""
        account = self.deployed.account()
        told = tasks.answer(account, operation, request)
        if operation == "ListTasks" and request.get("desiredStatus") == "RUNNING" and not self._serves(account):
            return {"taskArns": []}
        return told

    def lead_to(self, door: str) -> str:
        """Where the load balancer shall lead from now on; where it led."""
        before, self._balancer.target = self._balancer.target, door
        return before

    def _serves(self, account: Account) -> bool:
        return self.task is not None and self.task.definition.arn == _wanted(account)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            account = self.deployed.account()
            names = [item["dnsName"] for item in account.of("aws:lb/loadBalancer:LoadBalancer")]
            self._tell_names(names)
            wanted = _wanted(account)
            if wanted and not self._serves(account) and not self.problem:
                try:
                    self._replace(account, wanted)
                except Exception as problem:
                    self.problem = problem

    def _tell_names(self, names: list[str]) -> None:
        """In place, for the file is mounted; the machine's own names stay."""
        own = Path("/etc/hosts").read_text()
        text = own + "".join(f"\n{self.address} {name}" for name in names) + "\n"
        if not self.hosts.exists() or self.hosts.read_text() != text:
            self.hosts.write_text(text)

    def _replace(self, account: Account, wanted: str) -> None:
        definition = task_definitions.find(account, wanted)
        assert definition is not None
        task, before = self._start(account, definition), self.task
        while not task.is_well():
            assert task.state()["Running"], task.log()
            assert not self._over.wait(_LOOK_SECONDS)
        self._balancer.target, self.task = task.door, task
        if before:
            before.stop()

    def _start(self, account: Account, definition: Resource) -> Task:
        (container,) = task_definitions.containers_of(definition)
        repository, _, digest = container["image"].partition("@")
        image = self._client.images.pull(repository, tag=digest)
        folder = self.folder / definition.arn.rpartition(":")[2]
        folder.mkdir(mode=0o755)
        values = values_of(account, container) | FROM_FARGATE | self.outside.settings
        declared = image.attrs["Config"]["Volumes"] or {}
        made = self._client.containers.create(**options(definition, declared, values, folder))
        made.start()
        made.reload()
        return Task(made, definition, str(folder / "door"), self._connect(made.attrs["State"]["Pid"], folder))

    def _connect(self, process: int, folder: Path) -> "subprocess.Popen[str]":
        """Into the container's network: what a task reaches, and who reaches it."""
        inside = ("nsenter", "--net", "--target", str(process))
        for address in (AGENT, BALANCER, TASK):
            subprocess.run((*inside, "ip", "address", "add", f"{address}/32", "dev", "lo"), check=True)
        ways = {
            f"{AGENT}:80": self.folder / "agent",
            f"127.0.0.1:{self.outside.s3_port}": self.folder / "s3",
            f"127.0.0.1:{self.outside.engine_port}": self.folder / "engine",
            str(folder / "door"): f"{TASK}:8080@{BALANCER}",
        }
        pairs = [str(part) for way in ways.items() for part in way]
        command = ("setpriv", "--pdeathsig", "TERM", *inside, sys.executable, "-m", "tests.stacks.relay", *pairs)
        relay = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert relay.stdout is not None
        assert relay.stdout.readline() == "ready\n"
        relay.stdout.close()
        return relay


def _wanted(account: Account) -> str | None:
    """The task definition that the one service runs."""
    for history in account.deployments.values():
        if history and history[-1]["running"]:
            return str(history[-1]["running"])
    return None


@contextlib.contextmanager
def _loop() -> Generator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancelled(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _cancelled() -> None:
    """All that still runs here, and what that has begun meanwhile, as a connection that was just accepted."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # What was closed last is gone one turn later.
        await asyncio.sleep(0.1)


def seen_as_hosts(hosts: Path, *command: str) -> list[str]:
    """The command, for which a file is /etc/hosts."""
    return ["unshare", "--mount", "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh", *command]


def metrics_of(log: str) -> dict[str, set[str]]:
    """By namespace, what CloudWatch Logs makes of lines in the embedded metric format: without dimensions, as numbers
    or up to a hundred of them."""
    found: dict[str, set[str]] = {}
    for line in log.splitlines():
        if '"_aws"' not in line:
            continue
        said = json.loads(line)
        assert isinstance(said["_aws"]["Timestamp"], int)
        for directive in said["_aws"]["CloudWatchMetrics"]:
            assert directive["Dimensions"] == [[]]
            for metric in directive["Metrics"]:
                values = said[metric["Name"]] if isinstance(said[metric["Name"]], list) else [said[metric["Name"]]]
                assert 0 < len(values) <= 100
                assert all(isinstance(value, int | float) for value in values)
                found.setdefault(directive["Namespace"], set()).add(metric["Name"])
    return found
