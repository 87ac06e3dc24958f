"""Files that are whole or not there."""

import errno
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from transcriber.storage.files import TempFolder, link_or_move, sync_folder, write_durably


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_temporary_file_is_gone_unless_it_was_moved(tmp_path: Path) -> None:
    temp = TempFolder(tmp_path / "temp")
    with temp.file() as path:
        write_durably(path, lambda file: file.write(b"x"))
    assert not path.exists()
    with temp.file() as path:
        write_durably(path, lambda file: file.write(b"x"))
        path.replace(tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"x"
    temp.remove()
    assert names(tmp_path / "temp") == {"lock"}


def test_folders_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from transcriber.storage.files import TempFolder
        folder = TempFolder(Path(sys.argv[1])).make_folder()
        (folder / "part").write_bytes(b"left")
        print(folder, flush=True)
        os._exit(9)
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], stdout=subprocess.PIPE, check=False, text=True
    )
    left = Path(died.stdout.strip())
    assert (died.returncode, (left / "part").read_bytes()) == (9, b"left")
    first = TempFolder(tmp_path)
    assert not left.parent.exists()
    mine = first.make_folder()
    second = TempFolder(tmp_path)
    assert mine.is_dir()
    first.remove()
    second.remove()
    assert names(tmp_path) == {"lock"}


def no_link(source: Path, target: Path) -> None:
    """What `os.link` does on a file system without hard links."""
    raise PermissionError(errno.EPERM, "not permitted", str(source), None, str(target))


@pytest.mark.parametrize("link", [os.link, no_link])
def test_a_name_is_given_once(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    link_or_move(tmp_path / "a", tmp_path / "name", link)
    with pytest.raises(FileExistsError):
        link_or_move(tmp_path / "b", tmp_path / "name", link)
    assert (tmp_path / "name").read_text() == "a"


def test_other_failures_of_a_link_are_failures(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        link_or_move(tmp_path / "nothing", tmp_path / "name")


def test_times_of_files_written_at_once_differ(tmp_path: Path) -> None:
    for number in range(20):
        write_durably(tmp_path / str(number), lambda file: file.write(b"x"))
    assert len({path.stat().st_mtime_ns for path in tmp_path.iterdir()}) == 20


def test_a_folder_that_is_gone_needs_no_sync(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    sync_folder(tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "file" / "below")
