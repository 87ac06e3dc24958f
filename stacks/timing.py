"""How long things may take, all from the longest session: a deployment must outlast the sessions it waits for, and no
part may cut what a later part would still allow."""

from dataclasses import dataclass

TEXT_SECONDS = 60
"""From the end of a session's audio to its last text, told and stored."""
STOP_SECONDS = 120
"""Between SIGTERM and SIGKILL: the most that Fargate allows."""
KILL_MARGIN_SECONDS = 30
"""What the service needs after its drain to tell the last texts and to exit."""
START_SECONDS = 600
"""Placing, pulling, starting and the load balancer's first checks, for all tasks of a deployment."""
FIRST_DEPLOYMENT_SECONDS = 280
"""There is nothing to roll back to: a task that does not start is told within five minutes."""
DEREGISTRATION_LIMIT_SECONDS = 3600
"""Of an ALB's target group."""
IDLE_SECONDS = 60
"""When the load balancer closes a silent connection. Longer than two of the service's pings, so it ends no session,
however silent; shorter than the service keeps connections alive, so it reuses none that is being closed."""
LONGEST_SESSION_SECONDS = DEREGISTRATION_LIMIT_SECONDS - TEXT_SECONDS


@dataclass(frozen=True, slots=True)
class Timing:
    """`max_session_seconds` is at most LONGEST_SESSION_SECONDS."""

    max_session_seconds: int

    @property
    def deregistration_seconds(self) -> int:
        """How long a task that is being replaced keeps its sessions before ECS stops it."""
        return self.max_session_seconds + TEXT_SECONDS

    @property
    def stop_seconds(self) -> int:
        """Between SIGTERM and SIGKILL."""
        return STOP_SECONDS

    @property
    def drain_seconds(self) -> int:
        """How long sessions go on after SIGTERM."""
        return STOP_SECONDS - KILL_MARGIN_SECONDS

    @property
    def update_seconds(self) -> int:
        """How long Pulumi waits for a deployment."""
        longest_wait = max(self.deregistration_seconds, DEREGISTRATION_LIMIT_SECONDS)
        return START_SECONDS + longest_wait + STOP_SECONDS

    @property
    def delete_seconds(self) -> int:
        """How long Pulumi waits for the service to be gone."""
        return self.update_seconds


def duration(seconds: int) -> str:
    """As Pulumi's custom timeouts are written."""
    return f"{seconds}s"
