"""One page that says how the service is doing."""

import json
from collections.abc import Sequence
from typing import Any

from stacks.service import metrics
from stacks.service.metrics import Metric, Sources

WIDTH, HEIGHT, COLUMNS = 8, 6, 3
"""A page is 24 units wide."""

GRAPHS: tuple[tuple[str, Sequence[Metric]], ...] = (
    ("Sessions", (metrics.SESSIONS, metrics.SESSIONS_PER_TASK)),
    ("Sessions ended and refused", (metrics.SESSIONS_ENDED, metrics.REFUSALS)),
    ("Tasks", (metrics.RUNNING, metrics.HEALTHY, metrics.UNHEALTHY)),
    ("From the end of speech to its text, seconds", (metrics.LATENCY_MEDIAN, metrics.LATENCY_TAIL)),
    ("Engine: lag in seconds, jobs that wait", (metrics.ENGINE_LAG, metrics.ENGINE_QUEUE)),
    ("Errors", (metrics.ENGINE_ERRORS, metrics.STORE_ERRORS, metrics.TARGET_ERRORS, metrics.ALB_ERRORS)),
    ("Seconds of audio, in and to the engine", (metrics.AUDIO_IN, metrics.AUDIO_UPSTREAM)),
    ("CPU and memory, percent", (metrics.CPU, metrics.MEMORY)),
    ("Not stored yet, bytes", (metrics.SPOOL_BYTES,)),
    ("Connections", (metrics.CONNECTIONS,)),
)


def body(sources: Sources, region: str) -> str:
    """As CloudWatch's API takes it."""
    widgets = [_widget(number, title, shown, sources, region) for number, (title, shown) in enumerate(GRAPHS)]
    return json.dumps({"widgets": widgets})


def _widget(number: int, title: str, shown: Sequence[Metric], sources: Sources, region: str) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    return {
        "type": "metric",
        "x": column * WIDTH,
        "y": row * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": region,
            "view": "timeSeries",
            "stacked": False,
            "period": 60,
            "metrics": [_line(metric, sources) for metric in shown],
        },
    }


def _line(metric: Metric, sources: Sources) -> list[Any]:
    dimensions = [part for dimension in sources.dimensions_of(metric).items() for part in dimension]
    return [sources.namespace_of(metric), metric.name, *dimensions, {"stat": metric.statistic}]


def url(region: str, name: str) -> str:
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"
