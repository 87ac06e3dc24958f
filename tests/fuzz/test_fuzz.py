"""Every parser that bytes from outside reach, fuzzed for a few seconds each, and the fuzzer itself."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import available, fuzz, main
from tests.fuzz.replay import replay
from tests.fuzz.targets import MODULES, targets_of

SECONDS = 8
SEED = 1

pytestmark = pytest.mark.timeout(240)

CASES = [(module, name) for module in MODULES for name in targets_of(module)]


@pytest.mark.parametrize(("module", "name"), CASES, ids=[name for _, name in CASES])
def test_seeds_and_what_is_like_them_are_answered(module: str, name: str) -> None:
    replay(targets_of(module)[name], inputs=200, seed=SEED)


def test_a_mistake_is_found_by_blind_changes() -> None:
    with pytest.raises(ValueError, match="planted"):
        replay(targets_of("planted")["planted"], inputs=10_000, seed=SEED)


if available():

    @pytest.mark.parametrize(("module", "name"), CASES, ids=[name for _, name in CASES])
    def test_nothing_breaks_it(module: str, name: str, tmp_path: Path) -> None:
        outcome = fuzz(module, name, tmp_path, seconds=SECONDS, seed=SEED)
        assert outcome.found == "", (tmp_path / "output").read_text(errors="replace")[-4000:]
        assert outcome.inputs > len(targets_of(module)[name].seeds())
        assert outcome.edges > 0

    def test_a_mistake_is_found_and_kept(tmp_path: Path) -> None:
        outcome = fuzz("planted", "planted", tmp_path, seconds=30, seed=SEED)
        assert outcome.found == "ValueError: planted"
        (crash,) = tmp_path.glob("crash-*")
        assert crash.read_bytes().startswith(b"pl")

    def test_the_command_prints_a_line_for_each_target(capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--seconds", "1", "--seed", "1", "client: WAV head"]) == 0
        head, line = capsys.readouterr().out.splitlines()
        assert head.split() == ["target", "inputs", "edges", "found"]
        assert line.startswith("client: WAV head")
        assert line.endswith("-")

else:

    def test_the_command_says_that_there_is_no_fuzzer(capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 0
        assert "no atheris" in capsys.readouterr().out
