"""A collector of traces as OTLP over HTTP has them, on loopback, that keeps what it is sent."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.stub_server import Reply, StubServer


class OtlpStub(StubServer):
    """Takes `POST /v1/traces`."""

    def __init__(self, *, answer: bool = True) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self.resources: dict[str, str] = {}
        self._answer = answer

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        assert (method, path) == ("POST", "/v1/traces")
        assert headers["content-type"] == "application/x-protobuf"
        self.bodies.append(body)
        return Reply(answer=self._answer)

    @property
    def spans(self) -> list[Span]:
        """In the order in which they ended."""
        spans: list[Span] = []
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources = {item.key: item.value.string_value for item in resource.resource.attributes}
                spans += [span for scope in resource.scope_spans for span in scope.spans]
        return spans


def attributes(span: Span) -> dict[str, object]:
    """By name, whatever their kind."""
    return {item.key: getattr(item.value, item.value.WhichOneof("value") or "") for item in span.attributes}
