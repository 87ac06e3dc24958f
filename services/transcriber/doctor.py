"""What the service would run with, said before it runs: for `transcriber doctor`."""

import os
import shutil
from pathlib import Path

from transcriber.app import UNUSABLE, make_engine, make_store
from transcriber.entrance import make_certificate, make_keys
from transcriber.settings import Settings


def report(settings: Settings) -> tuple[list[str], bool]:
    """Lines for people, and whether a service would start."""
    engine, works = _engine(settings)
    store, writable = _store(settings)
    entry, guarded = _entry(settings)
    lines = [
        *engine,
        *store,
        *entry,
        f"sessions    at most {settings.max_sessions} at once, {settings.max_session_seconds:g} s each, "
        f"{settings.max_session_bytes >> 20} MiB each",
        f"refuses     new sessions while the engine is more than {settings.max_lag_seconds:g} s behind",
        f"endpointing {settings.endpointing_ms} ms",
    ]
    return lines, works and writable and guarded


def _engine(settings: Settings) -> tuple[list[str], bool]:
    why = "ENGINE=auto: " if settings.engine == "auto" else ""
    if why:
        found = settings.openai_api_key or settings.openai_base_url
        why += "a key or base URL is set" if found else "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set"
    try:
        description = make_engine(settings).description
    except UNUSABLE as problem:
        return [f"engine      {settings.engine_name}: can't be used: {problem}"], False
    lines = [
        f"engine      {description.engine} {f'({why})' if why else ''}".rstrip(),
        f"model       {description.model}",
    ]
    lines += [f"            {name}: {value}" for name, value in description.details.items()]
    return lines, True


def _entry(settings: Settings) -> tuple[list[str], bool]:
    """Who may come in, and where."""
    try:
        certificate, keys = make_certificate(settings), make_keys(settings)
    except UNUSABLE as problem:
        return [f"lets in     nobody: {problem}"], False
    scheme = "https" if certificate else "http"
    if keys:
        who = f"holders of API keys: {len(keys.keys)} now"
    elif settings.allow_anonymous == "true":
        who = "everybody (ALLOW_ANONYMOUS)"
    else:
        who = "everybody on this machine: there are no API keys"
    return [f"listens on  {scheme}://{settings.host}:{settings.port}", f"lets in     {who}"], True


def _store(settings: Settings) -> tuple[list[str], bool]:
    store, writable = _bucket(settings) if settings.s3_bucket else _folder("store", settings.data_dir)
    spool, spooling = _folder("spool", settings.spool_root)
    return [*store, *spool], writable and spooling


def _bucket(settings: Settings) -> tuple[list[str], bool]:
    try:
        make_store(settings)
    except UNUSABLE as problem:
        return [f"store       {problem}"], False
    return [f"store       bucket {settings.s3_bucket} (can be written to)"], True


def _folder(name: str, folder: Path) -> tuple[list[str], bool]:
    """Looks and makes nothing: the folder may not be there yet."""
    folder = folder.absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    usable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    state = f"{shutil.disk_usage(existing).free >> 30} GiB free" if usable else "not a folder that can be written to"
    return [f"{name:<11} {folder} ({state})"], usable
