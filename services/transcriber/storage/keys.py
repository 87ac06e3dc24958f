"""Which keys there are: the same for every store, so that what one holds can be moved to another."""

from transcriber.storage.store import StoreError

RESERVED = ".tmp"
"""No key's first part: the disk store has its unfinished files there."""


def parts_of(key: str) -> list[str]:
    """The parts of a key.

    Raises:
        StoreError: it can't be one.
    """
    parts = key.split("/")
    if "\0" in key or any(part in ("", ".", "..") for part in parts) or parts[0].casefold() == RESERVED:
        raise StoreError(f"{key!r} can't be a key")
    return parts


def check_prefix(prefix: str) -> None:
    """Raises StoreError if the folders in it can't be those of a key."""
    if folder := prefix.rpartition("/")[0]:
        parts_of(folder)
