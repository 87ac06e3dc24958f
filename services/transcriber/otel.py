"""Traces by OpenTelemetry, sent as OTLP over HTTP from a thread of their own. Imported only where they are wanted.

What else OpenTelemetry knows to be set (headers, sampling, resource attributes) its SDK reads from the environment.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace import StatusCode, Tracer, set_span_in_context

from transcriber.tracing import Attribute

_SEND_SECONDS = 5.0
_CLOSE_SECONDS = 3.0


class OtelTraces:
    """Sends to `endpoint`, the base URL of a collector."""

    def __init__(self, endpoint: str, service_name: str, version: str) -> None:
        resource = Resource.create({"service.name": service_name, "service.version": version})
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_SEND_SECONDS)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("transcriber", version)

    def begin(self, name: str, **attributes: Attribute) -> "OtelSpan":
        # An empty context: what happens to be the current span is no parent.
        return OtelSpan(self._tracer, self._tracer.start_span(name, Context(), attributes=_named(attributes)))

    async def close(self) -> None:
        # A thread of its own: the event loop's executor is waited for at the end of the process, and a collector that
        # does not answer is worth less than that.
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # the loop is closed by now
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=shut_down, name="traces", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await closed.wait()


class OtelSpan:
    def __init__(self, tracer: Tracer, span: ApiSpan) -> None:
        self._tracer = tracer
        self._span = span

    def child(self, name: str, *, ago_seconds: float = 0.0, **attributes: Attribute) -> "OtelSpan":
        began = time.time_ns() - round(ago_seconds * 1e9)
        within = set_span_in_context(self._span, Context())
        return OtelSpan(
            self._tracer, self._tracer.start_span(name, within, attributes=_named(attributes), start_time=began)
        )

    def end(self, error: str | None = None, attributes: Mapping[str, Attribute] | None = None) -> None:
        self._span.set_attributes(_named(attributes or {}))
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {f"transcriber.{name}": value for name, value in attributes.items()}
