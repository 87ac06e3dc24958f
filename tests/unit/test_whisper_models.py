"""Where models come from, and what is refused."""

import hashlib
from pathlib import Path

import pytest

from transcriber.engines.whisper_models import ModelError, check_files, digest_of, locate


@pytest.mark.parametrize("name", ["", "tiny.en"])
def test_the_packaged_model_is_there_and_checked(name: str) -> None:
    files = locate(name)
    assert files.name == "tiny.en"
    assert digest_of(files.folder / "model.bin") == files.digest
    assert files.trimmed_for == {"en"}


def test_a_folder_is_a_model_by_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "my-whisper"
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    files = locate(str(folder))
    assert (files.name, files.folder) == ("my-whisper", folder)
    assert files.digest == hashlib.sha256(b"weights").hexdigest()


def test_an_unknown_model_gets_its_full_window(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    assert locate(str(tmp_path)).trimmed_for == frozenset()


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"LOCAL_MODEL.*no model\.bin"):
        locate(str(tmp_path))


def test_an_unknown_name_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(ModelError, match=r"LOCAL_MODEL: 'largest'.*large-v3"):
        locate("largest")


@pytest.mark.parametrize("name", ["/nowhere/at-all", "./nowhere", "../nowhere", "~/nowhere"])
def test_a_folder_that_is_not_there_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(ModelError, match=f"LOCAL_MODEL: there is no folder {name}"):
        locate(name)


@pytest.mark.parametrize("name", ["small", "nobody/whisper-of-nobody"])
def test_a_model_that_the_hub_does_not_give_is_an_error(name: str) -> None:
    with pytest.raises(ModelError, match="could not be had from the hub"):
        locate(name)


def test_files_must_be_what_they_should_be(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    check_files(tmp_path, {"config.json": digest})
    (tmp_path / "config.json").write_bytes(b"{ }")
    with pytest.raises(ModelError, match=r"config\.json is not the file"):
        check_files(tmp_path, {"config.json": digest})


def test_files_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.bin is not the file"):
        check_files(tmp_path, {"model.bin": "0" * 64})
