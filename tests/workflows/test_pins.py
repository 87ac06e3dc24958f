"""Settings for one run: in the file, beside what is there."""

import pytest
import yaml

import pins
from tests.workflows.standin import ROOT, Runner

TEXT = (ROOT / "Pulumi.prod.yaml").read_text()


def _read(text: str) -> dict[str, object]:
    return yaml.safe_load(text)["config"]


def test_it_is_set_and_nothing_else_changes() -> None:
    text = pins.pinned(TEXT, {"image_digest": "sha256:0", "redeploy": "run-1"})
    assert _read(text) == _read(TEXT) | {"transcriber:image_digest": "sha256:0", "transcriber:redeploy": "run-1"}
    assert set(TEXT.splitlines()) < set(text.splitlines()), "comments stay"


def test_the_last_value_counts_and_an_empty_one_takes_it_out() -> None:
    text = pins.pinned(pins.pinned(TEXT, {"redeploy": "1"}), {"redeploy": "2"})
    assert _read(text)["transcriber:redeploy"] == "2"
    assert pins.pinned(text, {"redeploy": ""}) == TEXT


@pytest.mark.parametrize("line", ["sha256:0", '"sha256:0"', "'sha256:0' # note: since Monday", "sha256:0  # note: x"])
def test_what_the_file_has_is_read_and_replaced_whatever_is_behind_it(line: str) -> None:
    text = f"{TEXT}  transcriber:image_digest: {line}\n"
    assert pins.setting(text, "image_digest") == "sha256:0"
    assert pins.pinned(text, {"image_digest": ""}) == TEXT
    assert pins.setting(TEXT, "image_digest") == ""
    assert pins.setting("config:\n  transcriber:image_digest:\n", "image_digest") == ""


@pytest.mark.parametrize("setting", ["a=b c", "a=b\nc", 'a="', "A=b", "a: b=c"])
def test_what_would_be_another_setting_is_refused(setting: str) -> None:
    key, _, value = setting.partition("=")
    with pytest.raises(ValueError, match="not a setting"):
        pins.pinned(TEXT, {key: value})


def test_a_file_that_is_none_is_told(copied_runner: Runner) -> None:
    done = copied_runner.run("pins.py", "staging", "redeploy=1")
    assert done.returncode == 1
    assert done.stderr.startswith("pins: Pulumi.staging.yaml: ")
