"""Append-only files: what was appended whole comes back, in order, whatever happened in between."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.records import Log, RecordCursor, Records, SpoolDamaged


def read_all(records: Records) -> list[dict[str, Any]]:
    cursor, found = RecordCursor(records), list[dict[str, Any]]()
    while (record := cursor.next()) is not None:
        found.append(record)
    return found


def test_bytes_come_back_from_anywhere(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.append(b"abc")
    log.append(b"def")
    assert [log.read(2, 2), log.read(4, 100), log.read(6, 1), log.read(9, 1)] == [b"cd", b"ef", b"", b""]
    log.cut(4)
    log.append(b"X")
    assert log.read(0, 100) == b"abcdX"
    log.close()
    assert Log(tmp_path / "log").size == 5


def test_records_are_numbered_and_read_while_they_are_written(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    cursor = RecordCursor(records)
    assert cursor.next() is None
    assert [records.append({"name": name}) for name in ("ä", "line\nbreak")] == [1, 2]
    assert [cursor.next(), cursor.next(), cursor.next()] == [{"name": "ä"}, {"name": "line\nbreak"}, None]
    records.append({"name": "later"})
    assert cursor.next() == {"name": "later"}


def test_a_record_that_was_not_wholly_written_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "records").write_bytes(b'{"a":1}\n{"a":2}\n{"a"')
    records = Records(tmp_path / "records")
    assert records.count == 2
    assert records.append({"a": 3}) == 3
    assert read_all(records) == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("line", [b"\xff", b"[]", b"1", b"", b"{", b"[" * 100_000])
def test_what_is_no_record_is_told(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "records").write_bytes(line + b"\n")
    with pytest.raises(SpoolDamaged):
        RecordCursor(Records(tmp_path / "records")).next()


class FullLog(Log):
    def append(self, data: bytes) -> None:
        raise OSError(28, "full")


def test_what_the_disk_does_not_take_is_remembered_in_order(tmp_path: Path) -> None:
    records = Records(tmp_path / "records")
    records.append({"a": 1})
    taking, records.log = records.log, FullLog(tmp_path / "records")
    records.append({"a": 2})
    records.log = taking
    assert records.append({"a": 3}) == 3, "although the disk would take it again: the order counts"
    assert read_all(records) == [{"a": 1}, {"a": 2}, {"a": 3}]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=40_000), max_size=2), max_size=8))
def test_any_record_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, str]]) -> None:
    records = Records(tmp_path_factory.mktemp("records") / "records")
    for value in values:
        records.append(value)
    assert read_all(records) == values
    records.log.close()
