"""What kind of content a stored file is, by the end of its name."""

from collections.abc import Mapping

_BYTES = "application/octet-stream"

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "wav": "audio/wav",
    "webm": "audio/webm",
    "mkv": "video/x-matroska",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "mp2": "audio/mpeg",
    "aac": "audio/aac",
    "mp4": "audio/mp4",
    "m4a": "audio/mp4",
    "mov": "video/quicktime",
    "3gp": "audio/3gpp",
    "aiff": "audio/aiff",
    "au": "audio/basic",
    "amr": "audio/amr",
    "caf": "audio/x-caf",
    "ts": "video/mp2t",
    "mpg": "video/mpeg",
    "flv": "video/x-flv",
    "w64": "audio/x-w64",
    "sph": "audio/x-nist",
    "avi": "video/x-msvideo",
    "wma": "audio/x-ms-wma",
}
"""By extension."""


def media_type(name: str) -> str:
    """That of a file called so; of others, bytes."""
    return MEDIA_TYPES.get(name.rpartition(".")[2], _BYTES)
