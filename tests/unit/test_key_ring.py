"""The keys that hold now, as their file changes."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transcriber.api_keys import ApiKey, KeyLimits, KeysError, dump, new_key
from transcriber.key_ring import KeyRing, changing, read, write

ONE, ONE_KEPT = new_key("one", KeyLimits())
TWO, TWO_KEPT = new_key("two", KeyLimits())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write(path, [ONE_KEPT])
    return path


def test_keys_of_both_places_hold(file: Path) -> None:
    ring = KeyRing(dump([TWO_KEPT]), file)
    assert [ring.find(text) for text in (ONE, TWO, "none")] == [ONE_KEPT, TWO_KEPT, None]
    assert ring.with_id(TWO_KEPT.id) == TWO_KEPT
    assert ring.with_id(TWO) is None
    assert len(ring.keys) == 2


def test_a_change_holds_at_once(file: Path) -> None:
    ring = KeyRing(path=file)
    write(file, [ONE_KEPT, TWO_KEPT])
    assert ring.find(TWO) == TWO_KEPT
    write(file, [TWO_KEPT])
    assert ring.find(ONE) is None
    file.write_text("[]")
    assert ring.keys == ()


def test_a_change_in_place_of_the_same_size_is_seen(file: Path) -> None:
    ring = KeyRing(path=file)
    file.write_text(dump([ONE_KEPT]).replace(ONE_KEPT.sha256, TWO_KEPT.sha256))
    os.utime(file, ns=(1, 1))
    assert ring.find(ONE) is None
    assert ring.find(TWO) is not None


@pytest.mark.parametrize("content", ["[", '[{"name": "x"}]', "\0", "", "\n", None])
def test_what_can_not_be_read_changes_nothing_and_is_told_once(
    file: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    ring = KeyRing(path=file)
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    with caplog.at_level(logging.ERROR):
        assert ring.find(ONE) == ring.find(ONE) == ONE_KEPT
    assert [record.getMessage() for record in caplog.records] == ["API keys are left as they were"]
    write(file, [TWO_KEPT])
    assert (ring.find(ONE), ring.find(TWO)) == (None, TWO_KEPT)


def test_a_file_that_is_still_empty_has_no_keys(file: Path) -> None:
    file.write_text("")
    ring = KeyRing(path=file)
    assert ring.keys == ()
    write(file, [ONE_KEPT])
    assert ring.find(ONE) == ONE_KEPT


def test_keys_that_can_not_be_used_are_told_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match=r"^API_KEYS: not valid JSON$"):
        KeyRing("secret")
    with pytest.raises(KeysError, match=r"^API_KEYS_FILE: .*nowhere can't be read: No such file or directory$"):
        KeyRing(path=tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(KeysError, match=r"^API_KEYS_FILE: .*binary is not text in UTF-8$"):
        KeyRing(path=tmp_path / "binary")


def test_a_file_is_its_owners_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys.json"
    write(path, [ONE_KEPT])
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    write(path, [ONE_KEPT, TWO_KEPT])
    assert path.stat().st_mode & 0o777 == 0o640
    assert read(path)[0] == (ONE_KEPT, TWO_KEPT)
    assert [left.name for left in path.parent.iterdir()] == ["keys.json"]


def test_a_file_stays_whose_it_is(file: Path) -> None:
    """Only root can give files away; others can to groups that they are in."""
    theirs = (10001, 10002) if os.geteuid() == 0 else (os.geteuid(), os.getgroups()[-1])
    os.chown(file, *theirs)
    write(file, [TWO_KEPT])
    assert (file.stat().st_uid, file.stat().st_gid) == theirs


def test_changes_at_the_same_time_are_all_made(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made = [new_key(f"key-{number}", KeyLimits())[1] for number in range(12)]

    def add(key: ApiKey) -> None:
        with changing(path):
            keys = read(path)[0] if path.exists() else ()
            write(path, [*keys, key])

    with ThreadPoolExecutor(len(made)) as threads:
        list(threads.map(add, made))
    assert {key.name for key in read(path)[0]} == {key.name for key in made}
    assert [left.name for left in path.parent.iterdir()] == ["keys.json"]


def test_a_link_to_a_file_stays_one(tmp_path: Path, file: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(file)
    write(link, [TWO_KEPT])
    assert link.is_symlink()
    assert read(file)[0] == (TWO_KEPT,)
