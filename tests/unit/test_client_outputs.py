"""What results are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.client.outputs import distinct, outputs


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["talk.mp3"], ["talk.txt"]),
        (["x/talk.mp3", "y/other.mp3"], ["talk.txt", "other.txt"]),
        (["a.mp3", "a.wav", "b.wav"], ["a.mp3.txt", "a.wav.txt", "b.txt"]),
        (["x/talk.mp3", "y/talk.mp3", "y/b.mp3"], ["x/talk.txt", "y/talk.txt", "b.txt"]),
        (["/x/talk.mp3", "/x/1/talk.mp3"], ["talk.txt", "1/talk.txt"]),
        (["1/a.mp3", "1/a.wav", "2/a.wav"], ["a.mp3.txt", "1/a.txt", "2/a.txt"]),
        (["1/a.mp3", "1/a.wav", "2/a.wav", "2/a.mp3"], ["1/a.mp3.txt", "1/a.wav.txt", "2/a.wav.txt", "2/a.mp3.txt"]),
        (["a.mp3", "a.wav", "a.mp3.mp4"], ["a.txt", "a.wav.txt", "a.mp3.mp4.txt"]),
        (["Talk.mp3", "talk.wav"], ["Talk.mp3.txt", "talk.wav.txt"]),
        (["A/x.mp3", "a/x.mp3"], ["A/x.mp3.txt", "a/x.mp3.txt"]),
    ],
    ids=str,
)
def test_results_are_called_like_their_files(files: list[str], names: list[str]) -> None:
    made = outputs([Path(file) for file in files], Path("out"), "txt")
    assert {str(path): str(output) for path, output in made.items()} == {
        file: f"out/{name}" for file, name in zip(files, names, strict=True)
    }


PATHS = st.lists(st.sampled_from(["a", "b", "a.b", "a.mp3", ".."]), min_size=1, max_size=4).filter(
    lambda parts: parts[-1] != ".."
)


@given(st.lists(PATHS, min_size=1, max_size=8))
def test_no_two_results_are_one_and_all_lie_in_the_folder(parts: list[list[str]]) -> None:
    files = distinct(Path("top/1/2/3/4", *each) for each in parts)
    made = list(outputs(files, Path("/out"), "srt").values())
    assert len(made) == len(files) == len(set(made))
    assert all(path.is_relative_to("/out") and ".." not in path.parts for path in made)


def test_a_file_is_done_once_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("a.wav", "./a.wav", "x/../a.wav", str(tmp_path / "a.wav"), "b.wav")
    assert distinct(Path(name) for name in names) == [Path("a.wav"), Path("b.wav")]
