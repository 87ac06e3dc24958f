"""What the service would run with, said before it runs: for `transcriber doctor`."""

import os
import shutil
from pathlib import Path

from transcriber.app import make_engine, make_store
from transcriber.engines.engine import EngineError
from transcriber.settings import Settings


def report(settings: Settings) -> tuple[list[str], bool]:
    """Lines for people, and whether a service would start."""
    engine, works = _engine(settings)
    store, writable = _store(settings)
    lines = [
        *engine,
        *store,
        f"listens on  {settings.host}:{settings.port}",
        f"sessions    at most {settings.max_sessions} at once, {settings.max_session_seconds:g} s each, "
        f"{settings.max_session_bytes >> 20} MiB each",
        f"refuses     new sessions while the engine is more than {settings.max_lag_seconds:g} s behind",
        f"endpointing {settings.endpointing_ms} ms",
    ]
    return lines, works and writable


def _engine(settings: Settings) -> tuple[list[str], bool]:
    why = "ENGINE=auto: " if settings.engine == "auto" else ""
    if why:
        found = settings.openai_api_key or settings.openai_base_url
        why += "a key or base URL is set" if found else "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"
    try:
        description = make_engine(settings).description
    except (EngineError, OSError, ImportError, ValueError) as problem:
        return [f"engine      {settings.engine_name}: can't be used: {problem}"], False
    lines = [
        f"engine      {description.engine} {f'({why})' if why else ''}".rstrip(),
        f"model       {description.model}",
    ]
    lines += [f"            {name}: {value}" for name, value in description.details.items()]
    return lines, True


def _store(settings: Settings) -> tuple[list[str], bool]:
    location = make_store(settings).location("")
    existing = next(folder for folder in (settings.data_dir, *settings.data_dir.absolute().parents) if folder.exists())
    writable = os.access(existing, os.W_OK)
    free = shutil.disk_usage(existing).free >> 30
    state = f"{free} GiB free" if writable else "not writable"
    return [f"store       {Path(location)} ({state})", f"spool       {settings.spool_root.absolute()}"], writable
