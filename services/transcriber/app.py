"""The composition root: the one place that knows every concrete part."""

import asyncio
import logging
import os
from dataclasses import dataclass

from quart import Quart

from transcriber import transport
from transcriber.audio.formats import open_decoder
from transcriber.endpoints.status import status
from transcriber.endpoints.stream import stream
from transcriber.engines.engine import Engine, EngineError
from transcriber.engines.scheduler import Scheduler
from transcriber.events import Options
from transcriber.recorder import Recorder
from transcriber.runner import Parts
from transcriber.sessions import Limits, Sessions
from transcriber.settings import Settings
from transcriber.storage.disk import DiskStore
from transcriber.storage.store import Store, StoreError
from transcriber.vad.silero import SileroDetector
from transcriber.wire.native import NativeProtocol

log = logging.getLogger(__name__)


@dataclass
class Service:
    """All parts of a running service."""

    engine: Engine
    scheduler: Scheduler
    detector: SileroDetector
    store: Store
    sessions: Sessions

    @classmethod
    async def start(cls, settings: Settings) -> "Service":
        """Load and connect everything; take up what a process before this one left."""
        engine = await asyncio.to_thread(make_engine, settings)
        description = engine.description
        log.info(
            "engine ready", extra={"engine": description.engine, "model": description.model, **description.details}
        )
        scheduler = Scheduler(engine)
        detector = await asyncio.to_thread(SileroDetector)
        store = make_store(settings)
        parts = Parts(
            engine=engine,
            scheduler=scheduler,
            detector=detector,
            recorder=Recorder(store),
            decoder_for=open_decoder,
            utterance_deadline_seconds=settings.utterance_deadline_seconds,
        )
        sessions = Sessions(parts, settings.spool_root, limits(settings))
        if found := sessions.recover():
            log.warning("taking up unfinished sessions", extra={"sessions": found})
        return cls(engine, scheduler, detector, store, sessions)

    async def stop(self) -> None:
        """Store what is going on, then let go of everything."""
        await self.sessions.drain(0)
        await self.scheduler.close()
        await self.engine.close()
        await self.detector.close()
        await self.store.close()


def create_app(settings: Settings) -> Quart:
    """The ASGI app; its parts come to life with the server's lifespan, and then stand in `extensions["service"]`."""
    app = Quart(__name__)
    transport.install(app)

    def service() -> Service:
        return app.extensions["service"]

    async def start() -> None:
        try:
            app.extensions["service"] = await Service.start(settings)
        except (EngineError, StoreError, OSError) as problem:
            log.error("can't start: %s", problem)
            raise SystemExit(1) from None

    async def stop() -> None:
        await service().stop()

    app.before_serving(start)
    app.after_serving(stop)
    app.register_blueprint(stream(lambda: service().sessions, {"/ws": lambda: NativeProtocol(defaults(settings))}))
    app.register_blueprint(status(lambda: service().sessions.draining))
    return app


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
    )


def make_store(settings: Settings) -> Store:
    return DiskStore(settings.data_dir)


def make_engine(settings: Settings) -> Engine:
    """The engine that the settings choose. Takes seconds for a local one; its package is imported only then."""
    if settings.engine_name == "openai":
        from transcriber.engines.openai_api import OpenAIEngine

        return OpenAIEngine(
            api_key=settings.openai_api_key or "none",
            base_url=settings.openai_base_url or None,
            model=settings.openai_model,
            timeout_seconds=settings.openai_timeout_seconds,
            max_requests=settings.openai_max_requests,
        )
    from transcriber.engines.local_whisper import LocalWhisper

    return LocalWhisper.load(
        settings.local_model,
        device=settings.local_device,
        workers=settings.local_workers or os.cpu_count() or 1,
        beam_size=settings.local_beam_size,
    )
