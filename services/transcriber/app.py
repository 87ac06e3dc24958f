"""The composition root: the one place that knows every concrete part."""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from quart import Quart

import transcriber
from transcriber import logs, transport
from transcriber.audio.decoder import Decoder, ReadAt
from transcriber.audio.formats import open_decoder
from transcriber.audio.metered import CpuMeter, MeteredDecoder
from transcriber.audio.threaded import DecodingThreads
from transcriber.auth import Gate
from transcriber.catalogue import Catalogue
from transcriber.emf import EmfReporter
from transcriber.endings import Endings
from transcriber.endpoints import guard
from transcriber.endpoints.description import PATH as DESCRIPTION
from transcriber.endpoints.description import description
from transcriber.endpoints.jobs import Owners, jobs
from transcriber.endpoints.sessions import Archive
from transcriber.endpoints.sessions import sessions as kept_sessions
from transcriber.endpoints.status import status
from transcriber.endpoints.stream import stream
from transcriber.endpoints.tokens import tokens
from transcriber.enforcement import count_together, enforce, sweep
from transcriber.engines.engine import Engine, EngineError
from transcriber.engines.scheduler import Scheduler
from transcriber.engines.whisper_models import ModelError
from transcriber.entrance import make_gate, make_keys, make_outbox
from transcriber.events import Options, Record
from transcriber.hypercorn_config import Limits as TransportLimits
from transcriber.hypercorn_tcp import TcpConnection
from transcriber.job_archive import JobArchive
from transcriber.jobs import JobLimits, Jobs
from transcriber.live import Limits
from transcriber.metrics import Metrics, Readings, watch_loop
from transcriber.parts import Parts
from transcriber.recorder import Recorder
from transcriber.retention import Retention
from transcriber.sessions import Sessions
from transcriber.settings import Settings
from transcriber.shutdown import EcsTask, Shutdown
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import Store, StoreError
from transcriber.tallies import Tallies
from transcriber.tracing import NoTraces, Traces
from transcriber.vad.silero import SileroDetector
from transcriber.wire.native import NativeProtocol
from transcriber.wire.protocol import WireProtocol

log = logging.getLogger(__name__)

OPEN_PATHS = frozenset({DESCRIPTION, "/metrics"})
"""Need no key; metrics ask for one by themselves."""
Watch = Callable[[], Coroutine[Any, Any, None]]
"""What looks at something now and then, until it is cancelled."""
UNUSABLE = (EngineError, ModelError, StoreError, ImportError, OSError, ValueError)
"""What making the parts raises when settings can't be used here; the message is for whoever set them."""


@dataclass
class Service:
    """All parts of a running service."""

    engine: Engine
    scheduler: Scheduler
    detector: SileroDetector
    store: Store
    sessions: Sessions
    jobs: Jobs
    gate: Gate
    watchers: tuple[asyncio.Task[None], ...]
    """What looks at all of it, now and then."""

    @classmethod
    async def start(cls, settings: Settings, *, noted: bool = True, begun: Collection[str] | None = None) -> "Service":
        """Load and connect everything; take up what a process before this one left: all of it, or of jobs those in
        `begun`. `noted`: whether sessions are listed and counted for their owners."""
        keys = make_keys(settings)
        engine = await asyncio.to_thread(make_engine, settings)
        description = engine.description
        log.info(
            "engine ready", extra={"engine": description.engine, "model": description.model, **description.details}
        )
        scheduler = Scheduler(engine)
        detector = await asyncio.to_thread(SileroDetector)
        store = await asyncio.to_thread(make_store, settings)
        metrics, meter = Metrics(), CpuMeter()
        outbox = make_outbox(settings, metrics)
        parts = Parts(
            engine=engine,
            scheduler=scheduler,
            detector=detector,
            recorder=Recorder(store, metrics=metrics),
            decoder_for=_metered(partial(open_decoder, threads=DecodingThreads(meter=meter)), meter),
            utterance_deadline_seconds=settings.utterance_deadline_seconds,
            metrics=metrics,
            traces=make_traces(settings),
            endings=Endings(Catalogue(store) if noted else None, outbox, finals=settings.webhook_finals == "true"),
        )
        sessions = Sessions(parts, settings.spool_root, limits(settings))
        metrics.build.info(
            {"version": transcriber.__version__, "engine": description.engine, "model": description.model}
        )
        if found := sessions.recover():
            log.warning("taking up unfinished sessions", extra={"sessions": found})
        gate = make_gate(settings, keys, sessions, store, tallies := Tallies(store))
        jobs = make_jobs(settings, sessions, store, gate)
        metrics.read = lambda: replace(_readings(scheduler, detector, sessions, meter), file_jobs=jobs.counts)
        if found := jobs.recover(begun):
            log.warning("taking up unfinished jobs", extra={"jobs": found})
        retention = Retention(store, settings.retention_days)
        watchers = _watchers(settings, metrics, gate, sessions, tallies)
        watchers += background(retention.run, *([outbox.run] if outbox is not None else []))
        return cls(engine, scheduler, detector, store, sessions, jobs, gate, watchers)

    async def stop(self) -> None:
        """Store what is going on, then let go of everything."""
        await self.sessions.drain(0)
        await self.jobs.close()
        await self.scheduler.close()
        await self.engine.close()
        await self.detector.close()
        for watcher in self.watchers:
            watcher.cancel()
        await asyncio.gather(*self.watchers, return_exceptions=True)
        await self.store.close()
        await self.sessions.parts.traces.close()


def create_app(settings: Settings) -> Quart:
    """The ASGI app; its parts come to life with the server's lifespan, and then stand in `extensions["service"]`."""
    app = Quart(__name__)
    transport.install(app, transport_limits(settings))

    def service() -> Service:
        return app.extensions["service"]

    async def start() -> None:
        asyncio.get_running_loop().set_exception_handler(logs.unhandled)
        try:
            app.extensions["service"] = await Service.start(settings)
        except UNUSABLE as problem:
            log.error("can't start: %s", problem)
            raise SystemExit(1) from None

    async def stop() -> None:
        await service().stop()

    app.before_serving(start)
    app.after_serving(stop)
    _add_routes(app, settings, service)
    return app


def _add_routes(app: Quart, settings: Settings, service: Callable[[], Service]) -> None:
    """All that the service answers to, and the guard before it."""

    def gate() -> Gate:
        return service().gate

    def refused(code: str) -> None:
        service().sessions.parts.metrics.refusals.labels(code).inc()

    def permitted(options: Options) -> Options:
        return gate().permitted(guard.caller(), options, service().engine.description.model)

    guard.install(app, gate, refused=refused, open_paths=OPEN_PATHS)
    protocols: dict[str, Callable[[], WireProtocol]] = {"/ws": lambda: NativeProtocol(defaults(settings))}
    app.register_blueprint(stream(lambda: service().sessions, protocols, gate))
    owners = Owners(lambda: guard.caller().owner or None, lambda: gate().begin_job(guard.caller()), permitted)
    app.register_blueprint(jobs(lambda: service().jobs, owners, transport_limits(settings).body_seconds))
    app.register_blueprint(status(lambda: service().sessions.draining, lambda: service().sessions.parts.metrics, gate))
    app.register_blueprint(tokens(gate))
    app.register_blueprint(description())
    archive = Archive(lambda: service().store, lambda: service().sessions)
    app.register_blueprint(kept_sessions(archive))


def defaults(settings: Settings) -> Options:
    """What holds where a client says nothing."""
    return Options(language=settings.default_language or None, endpointing_ms=settings.endpointing_ms)


def limits(settings: Settings) -> Limits:
    return Limits(
        sessions=settings.max_sessions,
        session_seconds=settings.max_session_seconds,
        session_bytes=settings.max_session_bytes,
        lag_seconds=settings.max_lag_seconds,
        resume_seconds=settings.resume_seconds,
        spool_bytes=settings.max_spool_bytes,
        free_bytes=settings.min_free_bytes,
        idle_seconds=settings.idle_seconds,
        messages_per_second=settings.max_messages_per_second,
        record=cast(Record, settings.record),
    )


def make_jobs(settings: Settings, sessions: Sessions, store: Store, gate: Gate) -> Jobs:
    return Jobs(
        sessions,
        JobArchive(store),
        defaults=defaults(settings),
        limits=job_limits(settings),
        allowed=gate.file_seconds,
    )


def job_limits(settings: Settings) -> JobLimits:
    return JobLimits(
        jobs=settings.max_jobs, running=settings.max_running_jobs, upload_seconds=settings.upload_resume_seconds
    )


def transport_limits(settings: Settings) -> TransportLimits:
    return TransportLimits(
        connections=settings.connections,
        message_bytes=settings.max_message_bytes,
        ping_seconds=settings.ping_seconds,
        pong_seconds=settings.pong_seconds,
        send_seconds=settings.send_seconds,
    )


def make_shutdown(settings: Settings) -> Shutdown:
    """What hears when to stop; ECS is listened to where it has put its addresses into the environment."""
    metadata_url, agent_url = settings.ecs_container_metadata_uri_v4, settings.ecs_agent_uri
    task = None
    if metadata_url or agent_url:
        task = EcsTask(metadata_url=metadata_url, agent_url=agent_url, poll_seconds=settings.ecs_poll_seconds)
    return Shutdown(drain_seconds=settings.drain_seconds, task=task)


def make_traces(settings: Settings) -> Traces:
    """Where traces go; what sends them is imported only if they go anywhere."""
    if not settings.otel_exporter_otlp_endpoint:
        return NoTraces()
    from transcriber.otel import OtelTraces

    return OtelTraces(settings.otel_exporter_otlp_endpoint, settings.otel_service_name, transcriber.__version__)


def background(*work: Watch, pause_seconds: float = 5) -> tuple[asyncio.Task[None], ...]:
    """Tasks that go on until they are cancelled."""
    return tuple(asyncio.create_task(_going_on(one, pause_seconds)) for one in work)


async def _going_on(work: Watch, pause_seconds: float) -> None:
    """What fails begins anew: without it revoked keys would stay, or webhooks wait, and nobody would know."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("what watches failed, and begins anew")
        await asyncio.sleep(pause_seconds)


def _watchers(
    settings: Settings, metrics: Metrics, gate: Gate, sessions: Sessions, tallies: Tallies
) -> tuple[asyncio.Task[None], ...]:
    watching: list[Watch] = [partial(watch_loop, metrics), partial(enforce, gate, sessions)]
    if settings.keyed:
        watching += [partial(sweep, gate, tallies), partial(count_together, tallies, gate, sessions)]
    if settings.emf_namespace:
        watching.append(partial(EmfReporter(metrics, settings.emf_namespace).run, settings.emf_seconds))
    return background(*watching)


def _metered(
    decoder_for: Callable[[Options, ReadAt], Decoder], meter: CpuMeter
) -> Callable[[Options, ReadAt], Decoder]:
    return lambda options, read_at: MeteredDecoder(decoder_for(options, read_at), meter)


def _readings(scheduler: Scheduler, detector: SileroDetector, sessions: Sessions, meter: CpuMeter) -> Readings:
    upstream = scheduler.upstream_audio_seconds
    return Readings(
        queue_jobs=scheduler.waiting,
        running_jobs=scheduler.in_flight,
        lag_seconds=scheduler.lag_seconds,
        upstream_finals_seconds=upstream.finals,
        upstream_partials_seconds=upstream.partials,
        spool_bytes=sessions.spool_bytes,
        detector_cpu_seconds=detector.cpu_seconds,
        decoder_cpu_seconds=meter.seconds,
        tcp_connections=TcpConnection.open,
        tcp_refusals=TcpConnection.refused,
    )


def make_store(settings: Settings) -> Store:
    """The store that the settings choose. Takes seconds for S3, whose package is imported only then.

    Raises:
        StoreError: it can't be used.
    """
    if not settings.s3_bucket:
        return DiskStore(settings.data_dir)
    from transcriber.storage.s3 import S3Store

    return S3Store.open(
        settings.s3_bucket, prefix=settings.s3_prefix, sse=settings.s3_sse, kms_key_id=settings.s3_kms_key_id
    )


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings choose. Takes seconds for a local one; its package is imported only then.

    Raises:
        UNUSABLE: there is no such engine here, or it does not know the language of the settings.
    """
    engine = _chosen_engine(settings)
    if error := engine.refusal(defaults(settings)):
        raise ValueError(f"DEFAULT_LANGUAGE: {error.message}")
    return engine


def _chosen_engine(settings: Settings) -> Engine:
    if settings.engine_name == "openai":
        from transcriber.engines.openai_api import OpenAIEngine

        return OpenAIEngine(
            api_key=settings.openai_api_key or "none",
            base_url=settings.openai_base_url or None,
            model=settings.openai_model,
            timeout_seconds=settings.openai_timeout_seconds,
            max_requests=settings.openai_max_requests,
        )
    try:
        from transcriber.engines.local_whisper import LocalWhisper
    except ImportError as missing:
        message = f"{missing.name} is not installed: install transcriber[local], or set OPENAI_API_KEY"
        raise ImportError(message) from missing

    return LocalWhisper.load(
        settings.local_model,
        device=settings.local_device,
        workers=settings.local_workers or os.cpu_count() or 1,
        beam_size=settings.local_beam_size,
    )
