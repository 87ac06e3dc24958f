"""The provider as the engine speaks to it, over gRPC. Judges nothing: that is `work.py`."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as pb

from . import wire
from .account import Ledger
from .catalogue import KINDS
from .faults import Faults
from .images import Registry
from .refusal import Refused
from .work import DEFAULTS, Principal, Work, changes, state

VERSION = "7.51.1"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """`environment` is that of the process; see `faults.py` and the package's README for what it may say."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._faults = Faults.of(environment)
        self._work: Work | None = None

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        return pb.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": VERSION}))

    def CheckConfig(self, request: Any, context: Any) -> Any:
        region = self._region(wire.read(request.news))
        if region == wire.UNKNOWN or _REGION.fullmatch(region):
            return pb.CheckResponse(inputs=request.news)
        reason = f"invalid AWS Region: {region}" if region else "Missing region information"
        return pb.CheckResponse(inputs=request.news, failures=[pb.CheckFailure(property="region", reason=reason)])

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        config = wire.read(request.args)
        number = self._environment.get("STANDIN_ACCOUNT", "123456789012")
        allowed = _decoded(config.get("allowedAccountIds"))
        if allowed and number not in map(str, allowed):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"AWS account ID not allowed: {number}")
        registry = self._environment.get("STANDIN_REGISTRY")
        self._work = Work(
            Ledger(Path(self._environment["STANDIN_DIR"]), number, self._region(config)),
            Principal.load(self._environment.get("STANDIN_PRINCIPAL"), number),
            Registry(registry) if registry else None,
            self._faults,
            (_decoded(config.get("defaultTags")) or {}).get("tags") or {},
        )
        return pb.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=True, acceptOutputs=True)

    def Check(self, request: Any, context: Any) -> Any:
        token, name = wire.resource_type(request.urn), wire.resource_name(request.urn)
        old, new = wire.read(request.olds), wire.read(request.news)
        inputs, problems = self._configured.check(token, name, new, old, request.randomSeed)
        failures = [pb.CheckFailure(property=where, reason=reason) for where, reason in problems]
        return pb.CheckResponse(inputs=wire.write(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        kind = KINDS[wire.resource_type(request.urn)]
        old, new = wire.read(request.old_inputs), wire.read(request.news)
        ignored = {re.split(r"[.\[]", path)[0] for path in request.ignoreChanges}
        changed = [name for name in changes(old, new) if name not in ignored]
        replaces = [name for name in changed if name in kind.replaces]
        kept = kind.named.property if kind.named else None
        same_name = kept is not None and kept not in changed and kept not in (new.get(DEFAULTS) or [])
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changed else pb.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and same_name and not kind.token.endswith(":TaskDefinition"),
        )

    def Create(self, request: Any, context: Any) -> Any:
        token, inputs = wire.resource_type(request.urn), wire.read(request.properties)
        if request.preview:
            return pb.CreateResponse(properties=wire.write(self._configured.preview(token, inputs)))
        try:
            resource, failure = self._configured.create(token, request.urn, inputs, timeout=request.timeout)
        except Refused as refused:
            self._refuse(context, "creating", request.urn, refused)
        if failure:
            _partial(context, resource.id, state(resource), inputs, str(failure))
        return pb.CreateResponse(id=resource.id, properties=wire.write(state(resource)))

    def Update(self, request: Any, context: Any) -> Any:
        token, inputs = wire.resource_type(request.urn), wire.read(request.news)
        old = wire.read(request.olds)
        if request.preview:
            computed = {name: value for name, value in old.items() if name not in wire.read(request.old_inputs)}
            visible = {name: value for name, value in inputs.items() if not name.startswith("__")}
            tags = {"tagsAll": inputs.get("tags") or {}} if "tagsAll" in old else {}
            return pb.UpdateResponse(properties=wire.write(computed | visible | tags))
        try:
            arn = str(old.get("arn", ""))
            resource, failure = self._configured.update(token, request.id, inputs, arn, timeout=request.timeout)
        except Refused as refused:
            self._refuse(context, "updating", request.urn, refused)
        if failure:
            _partial(context, resource.id, state(resource), inputs, str(failure))
        return pb.UpdateResponse(properties=wire.write(state(resource)))

    def Delete(self, request: Any, context: Any) -> Any:
        arn = str(wire.read(request.properties).get("arn", ""))
        try:
            self._configured.delete(wire.resource_type(request.urn), request.id, arn)
        except Refused as refused:
            self._refuse(context, "deleting", request.urn, refused)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: Any) -> Any:
        arn = str(wire.read(request.properties).get("arn", ""))
        try:
            found = self._configured.read(wire.resource_type(request.urn), request.id, arn)
        except Refused as refused:
            self._refuse(context, "reading", request.urn, refused)
        if found is None:
            return pb.ReadResponse(id="")
        return pb.ReadResponse(id=found.id, properties=wire.write(state(found)), inputs=wire.write(found.inputs))

    def Invoke(self, request: Any, context: Any) -> Any:
        try:
            answer = self._configured.invoke(request.tok, wire.read(request.args))
        except Refused as refused:
            context.abort(grpc.StatusCode.UNKNOWN, f"invoking {request.tok}: {refused}")
        return pb.InvokeResponse(**{"return": wire.write(answer)})

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def Attach(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    @property
    def _configured(self) -> Work:
        assert self._work is not None, "the engine configures first"
        return self._work

    def _region(self, config: Mapping[str, Any]) -> str:
        return str(config.get("region") or self._environment.get("AWS_REGION", ""))

    def _refuse(self, context: Any, doing: str, urn: str, refused: Refused) -> NoReturn:
        work = self._configured
        work.ledger.record("refuse", wire.resource_type(urn), urn=urn, code=refused.code, message=refused.message)
        context.abort(grpc.StatusCode.UNKNOWN, f"{doing} {wire.resource_name(urn)}: {refused}")
        raise AssertionError("abort raises")


def _partial(context: Any, identity: str, properties: wire.Inputs, inputs: wire.Inputs, reason: str) -> NoReturn:
    """The engine keeps the resource in its state and tries to update it next time."""
    detail = pb.ErrorResourceInitFailed(
        id=identity, properties=wire.write(properties), reasons=[reason], inputs=wire.write(inputs)
    )
    packed = any_pb2.Any()
    packed.Pack(detail)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=reason, details=[packed])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reason)
    raise AssertionError("abort raises")


def _decoded(value: Any) -> Any:
    """Nested configuration comes as JSON text."""
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
