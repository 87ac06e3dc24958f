"""The received audio of a session on local disk, in files of a few MiB: what is safe elsewhere can be let go of."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transcriber.records import Log

_NAME = "audio-"
_DIGITS = 15


class LetGo(Exception):
    """These bytes are not here any more: they are where they were safe."""


@dataclass(slots=True)
class _Piece:
    """Bytes from `start` on; `here` tells whether their file is. What was let go of before a restart is one piece."""

    start: int
    size: int
    here: bool = True

    @property
    def end(self) -> int:
        return self.start + self.size


class Pieces:
    """An append-only log of bytes. The newest piece grows until it has `piece_bytes`; then the next one begins."""

    def __init__(self, folder: Path, piece_bytes: int) -> None:
        self._folder = folder
        self.piece_bytes = piece_bytes
        self._pieces: list[_Piece] = []
        self._newest: Log | None = None
        self.disk_bytes = 0
        """What of it is here."""
        for start in sorted(int(path.name.removeprefix(_NAME)) for path in folder.glob(_NAME + _DIGITS * "[0-9]")):
            size = self._path(start).stat().st_size
            if start > self.size:
                self._pieces.append(_Piece(self.size, start - self.size, here=False))
            self._pieces.append(_Piece(start, size))
            self.disk_bytes += size

    @property
    def size(self) -> int:
        """All bytes that there ever were."""
        return self._pieces[-1].end if self._pieces else 0

    @property
    def begun_at(self) -> int:
        """Where the newest piece begins; those before are whole."""
        return self._pieces[-1].start if self._pieces else -1

    def whole_from(self, start: int) -> tuple[int, int] | None:
        """`start` and the end of the piece that begins there; None while it may grow, or begins elsewhere. Of what is
        not here, where pieces began is not known, and need not be."""
        if not self._pieces or start >= self.size:
            return None
        piece = self._at(start)
        grows = piece is self._pieces[-1] and piece.size < self.piece_bytes
        return None if grows or (piece.here and piece.start != start) else (start, piece.end)

    def append(self, data: bytes) -> None:
        """Raises OSError; then nothing was appended."""
        before, position = self.size, 0
        try:
            while position < len(data):
                piece, log = self._growing()
                part = data[position : position + self.piece_bytes - piece.size]
                log.append(part)
                piece.size += len(part)
                self.disk_bytes += len(part)
                position += len(part)
        except OSError:
            self._cut(before)
            raise

    def read(self, offset: int, length: int) -> bytes:
        """What is there; shorter than `length` at the end, and at the end of a piece.

        Raises:
            LetGo: not here any more.
        """
        if not self._pieces or offset >= self.size or length <= 0:
            return b""
        piece = self._at(offset)
        if not piece.here:
            raise LetGo
        if piece is self._pieces[-1]:
            return self._open_newest().read(offset - piece.start, length)
        with self._path(piece.start).open("rb") as file:
            return os.pread(file.fileno(), min(length, piece.end - offset), offset - piece.start)

    def missing(self, offset: int) -> tuple[int, int] | None:
        """Where a stretch that is not here begins and ends, at most a piece long, if `offset` is in one."""
        if not self._pieces or offset >= self.size or (piece := self._at(offset)).here:
            return None
        start = piece.start + (offset - piece.start) // self.piece_bytes * self.piece_bytes
        return start, min(start + self.piece_bytes, piece.end)

    def release(self, before: int, needed: Sequence[tuple[float, float]] = ()) -> None:
        """Let go of pieces that end before a position and hold nothing `needed`, but for the first, which has what a
        header is made of, and the newest, which says how far it all goes."""
        for piece in self._pieces[1:-1]:
            if piece.end > before:
                return
            if piece.here and not any(start < piece.end and end > piece.start for start, end in needed):
                piece.here = False
                self.disk_bytes -= piece.size
                self._path(piece.start).unlink(missing_ok=True)

    def restore(self, start: int, data: bytes) -> None:
        """Have again what `missing` told. Raises OSError."""
        hole = self._at(start)
        parts = (
            _Piece(hole.start, start - hole.start, here=False),
            _Piece(start, len(data)),
            _Piece(start + len(data), hole.end - start - len(data), here=False),
        )
        incomplete = self._folder / "restoring"
        try:
            incomplete.write_bytes(data)
            incomplete.replace(self._path(start))
        finally:
            incomplete.unlink(missing_ok=True)
        index = self._pieces.index(hole)
        self._pieces[index : index + 1] = [part for part in parts if part.size]
        self.disk_bytes += len(data)

    def close(self) -> None:
        if self._newest is not None:
            self._newest.close()
            self._newest = None

    def _growing(self) -> tuple[_Piece, Log]:
        """The newest piece, with room."""
        if not self._pieces or self._pieces[-1].size >= self.piece_bytes:
            newest, start = Log(self._path(self.size)), self.size
            self.close()
            self._newest = newest
            self._pieces.append(_Piece(start, 0))
        return self._pieces[-1], self._open_newest()

    def _cut(self, size: int) -> None:
        """Take back what was appended behind `size`."""
        while (self._pieces and self._pieces[-1].end > size) or (len(self._pieces) > 1 and not self._pieces[-1].size):
            piece = self._pieces[-1]
            left = max(0, size - piece.start)
            self.disk_bytes -= piece.size - left
            piece.size = left
            if left or not piece.start:
                self._open_newest().cut(left)
                return
            self.close()
            self._pieces.pop()
            self._path(piece.start).unlink(missing_ok=True)

    def _open_newest(self) -> Log:
        if self._newest is None:
            self._newest = Log(self._path(self._pieces[-1].start))
        return self._newest

    def _at(self, offset: int) -> _Piece:
        return self._pieces[bisect_right(self._pieces, offset, key=lambda piece: piece.start) - 1]

    def _path(self, start: int) -> Path:
        return self._folder / f"{_NAME}{start:0{_DIGITS}}"
