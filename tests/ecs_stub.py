"""An ECS agent on loopback: a task's metadata and its protection, answered as the real one does.

Answers and status codes are those of amazon-ecs-agent, agent/handlers/agentapi/taskprotection/v1/handlers/handlers.go
and the task metadata endpoint version 4.
"""

import json
from dataclasses import replace
from typing import Any

from tests.stub_server import Reply, StubServer, json_reply

ARN = "arn:aws:ecs:eu-central-1:123456789012:task/transcriber/0123456789abcdef0123456789abcdef"


class EcsStub(StubServer):
    """`desired_status` and `refusal` are what a test has happen."""

    def __init__(self) -> None:
        super().__init__()
        self.desired_status = "RUNNING"
        self.refusal: str | None = None
        """The reason for which protection is refused."""
        self.broken: Reply | None = None
        """What to answer whatever is asked."""
        self.garbled = False
        """Whether what is asked is done, and the answer lost."""
        self.protected_minutes: int | None = None
        """How long the task is protected; None: it is not."""
        self.wishes: list[dict[str, Any]] = []
        """All that was asked of protection."""
        self.looks = 0
        """How often the metadata was read."""

    @property
    def metadata_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v4/0123-456"

    @property
    def agent_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/0123-456"

    @property
    def settings(self) -> dict[str, object]:
        """What makes a service ask this agent, often."""
        return {
            "ecs_container_metadata_uri_v4": self.metadata_url,
            "ecs_agent_uri": self.agent_url,
            "ecs_poll_seconds": 0.1,
        }

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if self.broken:
            return self.broken
        match method, path:
            case "GET", "/v4/0123-456/task":
                self.looks += 1
                return json_reply({"TaskARN": ARN, "DesiredStatus": self.desired_status, "KnownStatus": "RUNNING"})
            case "PUT", "/api/0123-456/task-protection/v1/state":
                assert headers["content-type"] == "application/json"
                reply = self._protect(json.loads(body))
                return replace(reply, cut=True) if self.garbled else reply
            case _:
                return json_reply({"error": {"Code": "ResourceNotFoundException", "Message": "no"}}, 404)

    def _protect(self, wish: dict[str, Any]) -> Reply:
        self.wishes.append(wish)
        enabled, minutes = wish["ProtectionEnabled"], wish.get("ExpiresInMinutes")
        if set(wish) - {"ProtectionEnabled", "ExpiresInMinutes"} or (minutes is not None and not 1 <= minutes <= 2880):
            return json_reply({"error": {"Arn": ARN, "Code": "InvalidParameterException", "Message": "no"}}, 400)
        if enabled and self.refusal:
            return json_reply({"failure": {"Arn": ARN, "Reason": self.refusal, "Detail": "refused"}}, 409)
        self.protected_minutes = (minutes or 120) if enabled else None
        until = {"ExpirationDate": "2030-01-02T03:04:05Z"} if enabled else {}
        return json_reply({"protection": {"ProtectionEnabled": enabled, "TaskArn": ARN, **until}})
