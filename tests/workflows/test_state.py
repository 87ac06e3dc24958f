"""The state that roles see which may decrypt nothing."""

import json
from pathlib import Path

import pytest

from tests.workflows.standin import Runner
from tests.workflows.states import STACKS, has_state

DIGEST = "sha256:" + "0123456789abcdef" * 4
BACKEND = "s3://state/dev?region=us-east-1"


@pytest.fixture
def opened(copied_runner: Runner, copy: Path, tmp_path: Path) -> Path:
    file = copy / "Pulumi.dev.yaml"
    file.write_text("secretsprovider: awskms:///key\nencryptedkey: ZW5jcnlwdGVk\n" + file.read_text())
    has_state(copied_runner, dev=DIGEST)
    known = {"PULUMI_BACKEND_URL": BACKEND, "GITHUB_ENV": str(tmp_path / "variables")}
    done = copied_runner.run("state.py", "open", "dev", str(tmp_path / "backend"), **known)
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path


def test_every_stack_is_there(opened: Path) -> None:
    folder = opened / "backend/.pulumi/stacks"
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")} == {
        f"transcriber-{stack}/dev.json" for stack in STACKS
    }


def test_nothing_encrypted_is_there(opened: Path) -> None:
    for file in (opened / "backend").rglob("*.json"):
        text = file.read_text()
        assert [word for word in ("ciphertext", "secrets_providers", "awskms", "c2VjcmV0") if word in text] == []
        image = json.loads(text)["checkpoint"]["latest"]["resources"][1]
        assert image["inputs"] == {"registries": [{"address": "here", "password": "[secret]"}]}


def test_steps_behind_use_it(opened: Path) -> None:
    assert (opened / "variables").read_text() == (
        f"PULUMI_BACKEND_URL=file://{opened}/backend\nPULUMI_CONFIG_PASSPHRASE=nothing is encrypted\n"
    )


def test_the_file_of_the_environment_names_no_key(opened: Path, copy: Path) -> None:
    text = (copy / "Pulumi.dev.yaml").read_text()
    assert "awskms" not in text
    assert "encryptedkey" not in text
    assert "transcriber:engine" in text


def test_an_output_is_read_without_pulumi(runner: Runner) -> None:
    has_state(runner, dev=DIGEST)
    done = runner.run("state.py", "output", "dev", "service", "image_digest", PULUMI_BACKEND_URL=BACKEND)
    assert (done.returncode, done.stdout) == (0, f"{DIGEST}\n")
    assert {call.program for call in runner.calls} == {"aws"}


@pytest.mark.parametrize("name", ["hidden", "no_such"])
def test_an_output_that_is_secret_or_none(runner: Runner, name: str) -> None:
    has_state(runner, dev=DIGEST)
    done = runner.run("state.py", "output", "dev", "service", name, PULUMI_BACKEND_URL=BACKEND)
    assert (done.returncode, done.stderr) == (1, f"state: service of dev has no {name}\n")


@pytest.mark.parametrize(
    ("backend", "says"),
    [("file:///tmp", "must be s3://BUCKET"), ("", "must be s3://BUCKET"), (BACKEND, "(AccessDenied)")],
)
def test_what_can_not_be_read(runner: Runner, backend: str, says: str) -> None:
    runner.answer("aws get-object", code=254, err="An error occurred (AccessDenied) when calling GetObject")
    done = runner.run("state.py", "output", "dev", "service", "image_digest", PULUMI_BACKEND_URL=backend)
    assert done.returncode == 1
    assert done.stderr.startswith("state: ")
    assert says in done.stderr


def test_usage(runner: Runner) -> None:
    assert "usage: state.py" in runner.run("state.py").stderr
