"""The metrics that scaling, alarms and the dashboard look at, and where each comes from."""

from dataclasses import dataclass
from typing import Literal

Source = Literal["service", "alb", "targets", "ecs", "tasks"]

NAMESPACES: dict[Source, str] = {
    "alb": "AWS/ApplicationELB",
    "targets": "AWS/ApplicationELB",
    "ecs": "AWS/ECS",
    "tasks": "ECS/ContainerInsights",
}
"""That of `service` is the environment's own."""


@dataclass(frozen=True, slots=True)
class Metric:
    """By name, as its source emits it."""

    source: Source
    name: str
    statistic: str


SESSIONS = Metric("service", "ActiveSessions", "Sum")
SESSIONS_PER_TASK = Metric("service", "ActiveSessions", "Average")
"""Each task says once in a period how many it has, so their average is that of the tasks."""
SESSIONS_ENDED = Metric("service", "SessionsEnded", "Sum")
REFUSALS = Metric("service", "Refusals", "Sum")
AUDIO_IN = Metric("service", "AudioIn", "Sum")
AUDIO_UPSTREAM = Metric("service", "AudioUpstream", "Sum")
ENGINE_ERRORS = Metric("service", "EngineErrors", "Sum")
ENGINE_LAG = Metric("service", "EngineLag", "Maximum")
ENGINE_QUEUE = Metric("service", "EngineQueue", "Sum")
STORE_ERRORS = Metric("service", "StoreErrors", "Sum")
SPOOL_BYTES = Metric("service", "SpoolBytes", "Maximum")
LATENCY_MEDIAN = Metric("service", "FinalLatency", "p50")
LATENCY_TAIL = Metric("service", "FinalLatency", "p95")

CONNECTIONS = Metric("alb", "ActiveConnectionCount", "Sum")
ALB_ERRORS = Metric("alb", "HTTPCode_ELB_5XX_Count", "Sum")
TARGET_ERRORS = Metric("targets", "HTTPCode_Target_5XX_Count", "Sum")
UNHEALTHY = Metric("targets", "UnHealthyHostCount", "Maximum")
HEALTHY = Metric("targets", "HealthyHostCount", "Minimum")

CPU = Metric("ecs", "CPUUtilization", "Average")
MEMORY = Metric("ecs", "MemoryUtilization", "Average")
RUNNING = Metric("tasks", "RunningTaskCount", "Minimum")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the metrics of one environment are called by."""

    namespace: str
    alb: str
    """The load balancer's ARN suffix, and so the target group's."""
    target_group: str
    cluster: str
    service: str

    def namespace_of(self, metric: Metric) -> str:
        return self.namespace if metric.source == "service" else NAMESPACES[metric.source]

    def dimensions_of(self, metric: Metric) -> dict[str, str]:
        tasks = {"ClusterName": self.cluster, "ServiceName": self.service}
        dimensions: dict[Source, dict[str, str]] = {
            "service": {},
            "alb": {"LoadBalancer": self.alb},
            "targets": {"LoadBalancer": self.alb, "TargetGroup": self.target_group},
            "ecs": tasks,
            "tasks": tasks,
        }
        return dimensions[metric.source]
