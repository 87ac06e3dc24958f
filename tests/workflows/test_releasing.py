"""A release, as its steps run: with stand-ins for docker, cosign, gh and aws."""

import json
import re
from pathlib import Path

import pytest

import release_notes
from tests.workflows.answers import BUILT, MANIFEST
from tests.workflows.standin import Runner
from tests.workflows.working_copy import git

CHANGELOG = """# Changelog

## [1.1.0] - Unreleased

### Added

- Something.

## [1.0.0] - 2026-11-25

### Added

- The first [thing](docs/x.md).

## [0.9.0] - 2026-11-01

- Older.
"""
PUBLISHING = {
    "VERSION": "v1.0.0",
    "REGISTRY": "ghcr.io/Owner/Transcriber",
    "GITHUB_ACTOR": "me",
    "GITHUB_TOKEN": "t0ken",
}
METADATA = json.dumps({"containerimage.digest": BUILT})


def test_the_section_of_a_version() -> None:
    assert release_notes.section(CHANGELOG, "1.0.0") == "### Added\n\n- The first [thing](docs/x.md).\n"


@pytest.mark.parametrize(("version", "problem"), [("1.1.0", "date it before it is tagged"), ("2.0.0", "no section")])
def test_one_without_a_date_is_no_release(version: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        release_notes.section(CHANGELOG, version)


def _release(copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text(CHANGELOG)
    (copy / "services/transcriber/__init__.py").write_text('__version__ = "1.0.0"\n')


def test_a_tag_is_the_version_of_the_code(copied_runner: Runner, copy: Path) -> None:
    _release(copy)
    assert copied_runner.run("release_notes.py", "v1.0.0").stdout.startswith("### Added")
    done = copied_runner.run("release_notes.py", "v1.0.1")
    assert (done.returncode, done.stderr) == (1, "release_notes: the tag is v1.0.1 and the code is 1.0.0\n")


def test_images_are_pushed_signed_and_listed_by_digest(copied_runner: Runner, copy: Path) -> None:
    copied_runner.answer("docker login")
    copied_runner.answer("docker buildx build", writes={"--metadata-file": METADATA})
    copied_runner.answer("make sbom", writes={"sbom.cdx.json": "{}"})
    copied_runner.answer("cosign sign")
    copied_runner.answer("cosign attest")
    done = copied_runner.run("publish-images", **PUBLISHING)
    assert done.returncode == 0, done.stderr
    image = f"ghcr.io/owner/transcriber@{BUILT}"
    builds = copied_runner.called("docker", "build")
    assert [(call.option("--target"), call.option("--tag")) for call in builds] == [
        ("api", "ghcr.io/owner/transcriber:1.0.0"),
        ("local", "ghcr.io/owner/transcriber:1.0.0-local"),
    ]
    assert all(call.option("--platform") == "linux/amd64,linux/arm64" for call in builds)
    assert [call.arguments for call in copied_runner.called("cosign", "sign")] == [["sign", "--yes", image]] * 2
    attested = copied_runner.called("cosign", "attest")
    assert [call.option("--type") for call in attested] == ["cyclonedx"] * 4
    platforms = [call.arguments[-1] for call in copied_runner.called("make", "sbom")]
    assert platforms == ["PLATFORM=linux/amd64", "PLATFORM=linux/arm64"] * 2
    assert all(call.arguments[-1] == image for call in attested)
    assert sorted(path.name for path in (copy / "dist").iterdir()) == [
        "images.txt", "transcriber-1.0.0-amd64.cdx.json", "transcriber-1.0.0-arm64.cdx.json",
        "transcriber-1.0.0-local-amd64.cdx.json", "transcriber-1.0.0-local-arm64.cdx.json",
    ]  # fmt: skip
    assert f"ghcr.io/owner/transcriber:1.0.0-local@{BUILT}\n" in (copy / "dist" / "images.txt").read_text()
    (login,) = copied_runner.called("login")
    assert login.stdin == "t0ken\n"
    assert not any("t0ken" in str(call) for call in copied_runner.calls)


def test_an_image_that_can_not_be_signed_is_not_listed(copied_runner: Runner, copy: Path) -> None:
    copied_runner.answer("docker login")
    copied_runner.answer("docker buildx build", writes={"--metadata-file": METADATA})
    copied_runner.answer("make sbom", writes={"sbom.cdx.json": "{}"})
    copied_runner.answer("cosign sign", code=1)
    assert copied_runner.run("publish-images", **PUBLISHING).returncode == 1
    assert not (copy / "dist" / "images.txt").exists()


def test_the_release_says_how_to_check_its_images(copied_runner: Runner, copy: Path) -> None:
    _release(copy)
    (copy / "dist").mkdir()
    (copy / "dist" / "images.txt").write_text(f"ghcr.io/owner/transcriber:1.0.0@{BUILT}\n")
    (copy / "dist" / "transcriber-1.0.0.cdx.json").write_text("{}")
    copied_runner.answer("gh release create")
    done = copied_runner.run("publish-release", TAG="v1.0.0")
    assert done.returncode == 0, done.stderr
    (made,) = copied_runner.called("gh", "create")
    assert made.arguments[:4] == ["release", "create", "v1.0.0", "--verify-tag"]
    assert made.arguments[-1] == "dist/transcriber-1.0.0.cdx.json"
    notes = made.files[made.option("--notes-file")]
    assert notes.startswith("### Added")
    assert re.search(rf"^cosign verify ghcr\.io/owner/transcriber:1\.0\.0@{BUILT} \\$", notes, re.MULTILINE)
    assert "owner/transcriber/.github/workflows/release.yml@refs/tags/v1.0.0\n" in notes


def test_what_is_no_release_is_not_written(copied_runner: Runner, copy: Path) -> None:
    _release(copy)
    (copy / "dist").mkdir()
    (copy / "dist" / "images.txt").touch()
    assert copied_runner.run("publish-release", TAG="v1.1.0").returncode == 1
    assert copied_runner.calls == []


def test_the_image_that_dev_built_gets_the_versions_name(copied_runner: Runner, copy: Path) -> None:
    copied_runner.answer("aws ecr describe-images", json.dumps({"imageDetails": [{"imageDigest": BUILT}]}))
    copied_runner.answer("aws ecr batch-get-image", json.dumps({"images": [MANIFEST]}))
    copied_runner.answer("aws ecr put-image", "{}")
    assert copied_runner.run("name-release", TAG="v1.0.0").returncode == 0
    head = git(copy, "rev-parse", "HEAD")
    assert copied_runner.called("describe-images")[0].option("--image-ids") == f"imageTag=commit-{head[:12]}"
    (put,) = copied_runner.called("put-image")
    assert (put.option("--image-digest"), put.option("--image-tag")) == (BUILT, "release-1.0.0")


MISSING = "An error occurred (ImageNotFoundException) when calling the DescribeImages operation"


def test_a_deployment_that_is_under_way_is_waited_for(copied_runner: Runner, copy: Path, tmp_path: Path) -> None:
    """The registry has the image from the second time on that it is asked."""
    found = json.dumps({"imageDetails": [{"imageDigest": BUILT}]})
    asked = tmp_path / "asked"
    copied_runner.program(
        "aws",
        "#!/bin/sh\n"
        f"case $2 in\n"
        f"describe-images) [ -e {asked} ] || {{ touch {asked}; echo '{MISSING}' >&2; exit 254; }}; echo '{found}';;\n"
        f"batch-get-image) echo '{json.dumps({'images': [MANIFEST]})}';; *) echo '{{}}';; esac\n",
    )
    done = copied_runner.run("name-release", TAG="v1.0.0", PAUSE_SECONDS="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"v1.0.0 is {BUILT}\n" in copied_runner.summary.read_text()


def test_a_commit_that_dev_never_built_is_told_with_what_to_do(copied_runner: Runner, copy: Path) -> None:
    copied_runner.answer("aws ecr describe-images", code=254, err=MISSING)
    done = copied_runner.run("name-release", TAG="v1.0.0", PAUSE_SECONDS="0", WAIT_SECONDS="0")
    assert done.returncode == 1
    assert f"dev has built nothing of {git(copy, 'rev-parse', 'HEAD')}: deploy v1.0.0 there" in done.stdout


def test_what_is_refused_is_not_waited_for(copied_runner: Runner) -> None:
    copied_runner.answer("aws ecr describe-images", code=254, err="(AccessDeniedException)")
    done = copied_runner.run("name-release", TAG="v1.0.0")
    assert (done.returncode, done.stderr) == (1, "image: (AccessDeniedException)\n")
