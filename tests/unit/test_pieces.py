"""Audio in files of a few MiB: read as one, let go of piece by piece, whole again after a restart."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.full_disk import files_limited
from transcriber.pieces import LetGo, Pieces


def read_all(pieces: Pieces) -> bytes:
    found = b""
    while part := pieces.read(len(found), 7):
        found += part
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name.lstrip("audio-0") or "0" for path in folder.iterdir())


@given(st.lists(st.binary(max_size=40), max_size=10), st.integers(1, 30))
def test_what_is_appended_is_read(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], size: int) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    pieces = Pieces(folder, size)
    for part in parts:
        pieces.append(part)
    whole = b"".join(parts)
    assert (pieces.size, pieces.disk_bytes, read_all(pieces)) == (len(whole), len(whole), whole)
    pieces.close()
    again = Pieces(folder, size)
    again.append(b"more")
    assert read_all(again) == whole + b"more"
    assert all(path.stat().st_size <= size for path in folder.iterdir())
    again.close()


def test_pieces_are_whole_when_they_grow_no_more(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 10)
    assert (pieces.whole_from(0), pieces.begun_at) == (None, -1)
    pieces.append(bytes(9))
    assert pieces.whole_from(0) is None
    pieces.append(bytes(16))
    assert [pieces.whole_from(start) for start in (0, 5, 10, 20, 25)] == [(0, 10), None, (10, 20), None, None]
    pieces.append(bytes(5))
    assert pieces.whole_from(20) == (20, 30)
    pieces.close()


def test_what_is_let_go_of_is_missing_until_it_is_restored(tmp_path: Path) -> None:
    pieces, audio = Pieces(tmp_path, 10), bytes(range(55))
    pieces.append(audio)
    pieces.release(50, needed=[(33, 34)])
    assert names(tmp_path) == ["0", "30", "50"]
    assert (pieces.size, pieces.disk_bytes) == (55, 25)
    with pytest.raises(LetGo):
        pieces.read(12, 3)
    pieces.close()
    again = Pieces(tmp_path, 10)
    assert (again.size, again.disk_bytes) == (55, 25)
    assert [again.missing(offset) for offset in (5, 12, 22, 33, 42, 52, 60)] == [
        *(None, (10, 20), (20, 30), None, (40, 50), None, None),
    ]
    assert again.whole_from(10) == again.whole_from(10) == (10, 30), "where pieces began is forgotten"
    assert again.whole_from(20) == (20, 30)
    for start in (20, 10, 40):
        again.restore(start, audio[start : start + 10])
    assert read_all(again) == audio
    assert again.disk_bytes == 55
    again.release(20)
    assert names(tmp_path) == ["0", "20", "30", "40", "50"]
    again.close()


def test_the_first_and_the_newest_piece_always_stay(tmp_path: Path) -> None:
    pieces = Pieces(tmp_path, 10)
    pieces.append(bytes(30))
    pieces.release(1000)
    assert names(tmp_path) == ["0", "20"]
    pieces.close()


@pytest.mark.parametrize("before", [0, 5, 10, 14])
def test_what_the_disk_does_not_take_whole_is_taken_back(tmp_path: Path, before: int) -> None:
    pieces = Pieces(tmp_path, 10)
    pieces.append(bytes(before))
    with files_limited(8), pytest.raises(OSError):  # noqa: PT011 - whatever the system says
        pieces.append(b"x" * 30)
    assert (pieces.size, pieces.disk_bytes) == (before, before)
    pieces.append(b"y" * 12)
    assert read_all(pieces) == bytes(before) + b"y" * 12
    pieces.close()
    again = Pieces(tmp_path, 10)
    assert read_all(again) == bytes(before) + b"y" * 12
    again.close()
