"""What deploys, as a step runs it: with stand-ins for pulumi, aws and make, in a copy of the repository."""

import json
from pathlib import Path

import pytest
import yaml

from tests.workflows.answers import BUILT, MANIFEST, OLDER, URL
from tests.workflows.standin import Runner
from tests.workflows.states import has_state
from tests.workflows.working_copy import commit, git

VARIABLES = {
    "BUILDER_BACKEND_URL": "s3://state/dev?region=us-east-1",
    "PULUMI_BACKEND_URL": "s3://state/prod?region=us-east-1",
    "PULUMI_SECRETS_PROVIDER": "awskms:///arn:aws:kms:us-east-1:123456789012:key/0",
    "REGISTRY_ACCOUNT": "123456789012",
}


@pytest.fixture
def ready(copied_runner: Runner) -> Runner:
    """Whose dev runs BUILT, whose prod OLDER."""
    copied_runner.answer("make .venv-stacks/.stamp")
    copied_runner.answer("pulumi stack output image_digest --stack dev", BUILT)
    has_state(copied_runner, dev=BUILT, prod=OLDER)
    copied_runner.answer("pulumi stack output image_digest --stack prod", OLDER)
    copied_runner.answer("pulumi stack output url", URL)
    copied_runner.answer("pulumi stack select")
    copied_runner.answer("pulumi up")
    copied_runner.answer("aws ecr describe-images", json.dumps({"imageDetails": [{"imageDigest": OLDER}]}))
    copied_runner.answer("aws ecr batch-get-image", json.dumps({"images": [MANIFEST]}))
    copied_runner.answer("aws ecr put-image", "{}")
    return copied_runner


def _deploy(runner: Runner, environment: str, action: str = "deploy", image: str = "") -> str:
    """What it says when it fails."""
    done = runner.run("deploy", ENVIRONMENT=environment, ACTION=action, IMAGE=image, **VARIABLES)
    assert "Traceback" not in done.stderr
    return done.stderr if done.returncode else ""


def _settings(copy: Path, environment: str) -> dict[str, str]:
    config = yaml.safe_load((copy / f"Pulumi.{environment}.yaml").read_text())["config"]
    return {key.partition(":")[2]: str(value) for key, value in config.items()}


def _pinned(copy: Path, environment: str) -> dict[str, str]:
    kept = ("image_account", "image_digest", "image_environment", "redeploy")
    return {key: value for key, value in _settings(copy, environment).items() if key in kept}


def test_dev_builds_what_is_checked_out(ready: Runner, copy: Path) -> None:
    assert _deploy(ready, "dev") == ""
    assert _pinned(copy, "dev") == {}
    assert _settings(copy, "dev")["smoke_test"] == "false", "a step of its own"
    (up,) = ready.called("pulumi", "up")
    assert up.arguments == ["up", "--stack", "dev", "--yes", "--skip-preview", "--non-interactive"]
    assert ready.output.read_text() == f"digest={BUILT}\nurl={URL}\n"
    assert BUILT in ready.summary.read_text()


def test_what_dev_built_is_named_after_its_commit(ready: Runner, copy: Path) -> None:
    assert _deploy(ready, "dev") == ""
    (put,) = ready.called("put-image")
    assert put.option("--image-tag") == f"commit-{git(copy, 'rev-parse', 'HEAD')[:12]}"
    assert put.option("--image-digest") == BUILT
    assert put.option("--image-manifest") == MANIFEST["imageManifest"]
    assert put.option("--registry-id") == "123456789012"
    assert put.option("--repository-name") == "transcriber-dev"


def test_prod_runs_the_digest_that_it_is_given(ready: Runner, copy: Path) -> None:
    assert _deploy(ready, "prod", image=OLDER) == ""
    assert _pinned(copy, "prod") == {
        "image_account": "123456789012",
        "image_digest": OLDER,
        "image_environment": "dev",
    }


def test_prod_runs_what_dev_runs_if_it_is_given_none(ready: Runner, copy: Path) -> None:
    assert _deploy(ready, "prod") == ""
    assert _pinned(copy, "prod")["image_digest"] == BUILT


def test_what_prod_runs_is_kept_in_the_registry_before_it_runs(ready: Runner) -> None:
    assert _deploy(ready, "prod") == ""
    order = [str(call) for call in ready.calls]
    kept = next(place for place, call in enumerate(order) if "put-image" in call and "release-0123456789abcdef" in call)
    assert kept < order.index("pulumi up --stack prod --yes --skip-preview --non-interactive")


def test_stacks_that_are_new_get_the_secrets_provider(ready: Runner) -> None:
    assert _deploy(ready, "dev") == ""
    (select,) = ready.called("pulumi", "select")
    assert select.option("--secrets-provider") == VARIABLES["PULUMI_SECRETS_PROVIDER"]
    assert "--create" in select.arguments


@pytest.mark.parametrize(("environment", "runs"), [("dev", BUILT), ("prod", OLDER)])
def test_redeploy_replaces_tasks_by_the_same(ready: Runner, copy: Path, environment: str, runs: str) -> None:
    assert _deploy(ready, environment, "redeploy") == ""
    pinned = _pinned(copy, environment)
    assert (pinned["image_digest"], pinned["redeploy"]) == (runs, "run-42")


def test_redeploy_takes_no_image(ready: Runner) -> None:
    assert "redeploy keeps the image" in _deploy(ready, "dev", "redeploy", BUILT)
    assert not ready.called("up")


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        (OLDER, f"imageDigest={OLDER}"),
        ("1.2.3", "imageTag=release-1.2.3"),
        ("v1.2.3-rc.1", "imageTag=release-1.2.3-rc.1"),
        ("0123456789abcdef0123", "imageTag=commit-0123456789ab"),
        ("build-0123", "imageTag=build-0123"),
    ],
)
def test_rollback_goes_to_a_digest_a_version_a_commit_or_a_tag(
    ready: Runner, copy: Path, image: str, asked: str
) -> None:
    assert _deploy(ready, "dev", "rollback", image) == ""
    assert ready.called("describe-images")[0].option("--image-ids") == asked
    assert _pinned(copy, "dev") == {"image_digest": OLDER}
    assert not ready.called("put-image"), "the commit that is checked out is not what runs"


def test_rollback_needs_an_image(ready: Runner) -> None:
    assert "rollback needs an image" in _deploy(ready, "prod", "rollback")
    assert not ready.called("up")


@pytest.mark.parametrize("image", ["$(id)", "--help", "a b", "sha256:123/4"])
def test_what_is_no_image_is_refused_before_anybody_is_asked(ready: Runner, image: str) -> None:
    assert "neither a digest, a version, a commit nor a tag" in _deploy(ready, "dev", "rollback", image)
    assert not ready.called("aws")
    assert not ready.called("up")


def test_an_image_that_is_gone_changes_nothing(copied_runner: Runner) -> None:
    copied_runner.answer("make .venv-stacks/.stamp")
    gone = "An error occurred (ImageNotFoundException) when calling the DescribeImages operation"
    copied_runner.answer("aws ecr describe-images", code=254, err=gone)
    assert gone in _deploy(copied_runner, "prod", "rollback", "1.2.3")
    assert not copied_runner.called("pulumi")


def _runs(runner: Runner, *tags: str) -> None:
    """What runs has these names in the registry."""
    details = {"imageDetails": [{"imageDigest": BUILT, "imageTags": ["build-0123", *tags]}]}
    runner.answer(f"aws ecr describe-images imageDigest={BUILT}", json.dumps(details))
    runner.answers_first()


def _push(runner: Runner, environment: str) -> str:
    """What a deployment of a push says when it fails."""
    done = runner.run(
        "deploy", ENVIRONMENT=environment, ACTION="deploy", IMAGE="", GITHUB_EVENT_NAME="push", **_of(environment)
    )
    return done.stderr if done.returncode else ""


def _of(environment: str) -> dict[str, str]:
    return VARIABLES | {"PULUMI_BACKEND_URL": f"s3://state/{environment}?region=us-east-1"}


def test_what_was_merged_earlier_does_not_undo_what_is_later(ready: Runner, copy: Path) -> None:
    """Its checks took longer."""
    later = commit(copy)
    git(copy, "update-ref", "refs/remotes/origin/main", later)
    git(copy, "checkout", "--quiet", "HEAD~1")
    _runs(ready, f"commit-{later[:12]}")
    assert f"dev runs {later[:12]}, which is later on main than this commit" in _push(ready, "dev")
    assert not ready.called("up")
    assert _deploy(ready, "dev") == "", "by hand it may be"


def test_what_is_later_comes_after_what_runs(ready: Runner, copy: Path) -> None:
    """And so it does after a branch that was tried, whatever that is made of, and a second time."""
    on_main = git(copy, "rev-parse", "HEAD")
    branch = commit(copy)
    git(copy, "checkout", "--quiet", on_main)
    _runs(ready, f"commit-{on_main[:12]}", f"commit-{branch[:12]}", "commit-0123456789ab")
    assert _push(ready, "dev") == ""
    assert ready.called("up")


def test_the_first_deployment_comes_after_nothing(copied_runner: Runner) -> None:
    copied_runner.answer("make .venv-stacks/.stamp")
    copied_runner.answer("aws get-object", code=254, err="An error occurred (NoSuchKey) when calling GetObject")
    copied_runner.answer("pulumi stack select")
    copied_runner.answer("pulumi up", code=255, err="error: update failed\n")
    assert "update failed" in _push(copied_runner, "dev")


def test_a_registry_that_does_not_answer_is_no_registry_without_the_image(ready: Runner) -> None:
    gone = "(ImageNotFoundException) when calling the DescribeImages operation"
    for says, ends in ((gone, ""), ("(AccessDeniedException)", "image: (AccessDeniedException)\n")):
        ready.answer(f"aws ecr describe-images imageDigest={BUILT}", code=254, err=says)
        ready.answers_first()
        assert _push(ready, "dev") == ends


def _gone_back(copy: Path, environment: str) -> None:
    """As the runbook says, by a pull request."""
    file = copy / f"Pulumi.{environment}.yaml"
    file.write_text(file.read_text() + f"  transcriber:image_digest: {OLDER} # since Monday: too many words\n")


def test_an_image_that_the_file_names_is_not_named_after_the_commit(ready: Runner, copy: Path) -> None:
    """Nothing was built of it: a release of this commit would be the image that was gone back to."""
    _gone_back(copy, "dev")
    assert _deploy(ready, "dev") == ""
    assert _pinned(copy, "dev") == {"image_digest": OLDER}
    assert ready.called("up")
    assert not ready.called("put-image")


@pytest.mark.parametrize(
    ("event", "image", "runs"),
    [
        ("push", BUILT, OLDER),  # what dev ran, of the very merge that goes back
        ("workflow_dispatch", "", OLDER),
        ("workflow_dispatch", BUILT, BUILT),
    ],
)
def test_what_was_gone_back_to_for_longer_holds_until_somebody_says_otherwise(
    ready: Runner, copy: Path, event: str, image: str, runs: str
) -> None:
    _gone_back(copy, "prod")
    _runs(ready)
    told = {"ENVIRONMENT": "prod", "ACTION": "deploy", "IMAGE": image, "GITHUB_EVENT_NAME": event}
    assert ready.run("deploy", **told, **VARIABLES).returncode == 0
    assert _pinned(copy, "prod") == {
        "image_account": "123456789012", "image_digest": runs, "image_environment": "dev",
    }  # fmt: skip
    (kept,) = ready.called("put-image")
    assert kept.option("--image-digest") == runs


def test_a_failed_up_is_no_deployment(copied_runner: Runner) -> None:
    copied_runner.answer("make .venv-stacks/.stamp")
    copied_runner.answer("pulumi stack select")
    copied_runner.answer("pulumi up", code=255, err="error: update failed\n")
    assert "update failed" in _deploy(copied_runner, "dev")
    assert copied_runner.output.read_text() == ""


def test_an_action_that_is_none(ready: Runner) -> None:
    assert "no such action: destroy" in _deploy(ready, "dev", "destroy")


# Names in the registry


def test_a_name_that_the_image_has_already_is_well(runner: Runner) -> None:
    runner.answer("aws ecr batch-get-image", json.dumps({"images": [MANIFEST]}))
    runner.answer("aws ecr put-image", code=254, err="(ImageAlreadyExistsException) when calling PutImage")
    assert runner.run("image.py", "name", BUILT, "release-1.2.3").returncode == 0


def test_a_name_of_another_image_is_refused(runner: Runner) -> None:
    runner.answer("aws ecr batch-get-image", json.dumps({"images": [MANIFEST]}))
    runner.answer("aws ecr put-image", code=254, err="(ImageTagAlreadyExistsException) when calling PutImage")
    done = runner.run("image.py", "name", BUILT, "release-1.2.3")
    assert (done.returncode, done.stderr) == (1, "image: (ImageTagAlreadyExistsException) when calling PutImage\n")


def test_an_image_that_is_not_there_gets_no_name(runner: Runner) -> None:
    runner.answer("aws ecr batch-get-image", json.dumps({"images": [], "failures": [{}]}))
    assert f"the registry has no {BUILT}" in runner.run("image.py", "name", BUILT, "x").stderr


def test_usage_of_image(runner: Runner) -> None:
    assert "usage" in runner.run("image.py").stderr


# Around it


def test_prod_takes_commits_of_main(copied_runner: Runner, copy: Path) -> None:
    assert copied_runner.run("require-main").returncode == 0
    commit(copy)
    done = copied_runner.run("require-main")
    assert done.returncode == 1
    assert "is not on main" in done.stdout


def _look(runner: Runner, folder: Path, environment: str, **more: str) -> str:
    """What a reading role does first; what it says."""
    (folder / "seen").mkdir(exist_ok=True)
    done = runner.run("pin-running", ENVIRONMENT=environment, RUNNER_TEMP=str(folder / "seen"), **VARIABLES | more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_preview_pins_what_a_deployment_would(ready: Runner, copy: Path, tmp_path: Path) -> None:
    _look(ready, tmp_path, "prod")
    assert _pinned(copy, "prod") == {
        "image_account": "123456789012",
        "image_digest": BUILT,
        "image_environment": "dev",
    }
    _look(ready, tmp_path, "prod", OF="prod")
    assert _pinned(copy, "prod")["image_digest"] == OLDER, "drift is against what runs"


def test_prod_that_can_not_look_into_devs_account_is_previewed_with_what_it_runs(
    copied_runner: Runner, copy: Path, tmp_path: Path
) -> None:
    """Without an image it would build one of its own, which no deployment does."""
    copied_runner.answer("make .venv-stacks/.stamp")
    has_state(copied_runner, prod=OLDER)
    copied_runner.answer("aws get-object", code=254, err="An error occurred (AccessDenied) when calling GetObject")
    _look(copied_runner, tmp_path, "prod", BUILDER_BACKEND_URL="s3://other/dev?region=us-east-1")
    assert _pinned(copy, "prod")["image_digest"] == OLDER


def test_a_preview_has_the_image_that_the_file_names(ready: Runner, copy: Path, tmp_path: Path) -> None:
    _gone_back(copy, "prod")
    _look(ready, tmp_path, "prod")
    assert _pinned(copy, "prod")["image_digest"] == OLDER


def test_dev_is_previewed_as_it_is_built(ready: Runner, copy: Path, tmp_path: Path) -> None:
    before = (copy / "Pulumi.dev.yaml").read_text()
    _look(ready, tmp_path, "dev", PULUMI_BACKEND_URL=VARIABLES["BUILDER_BACKEND_URL"])
    assert (copy / "Pulumi.dev.yaml").read_text() == before


def test_before_the_first_deployment_nothing_is_pinned(copied_runner: Runner, copy: Path, tmp_path: Path) -> None:
    copied_runner.answer("make .venv-stacks/.stamp")
    copied_runner.answer("aws get-object", code=254, err="An error occurred (NoSuchKey) when calling GetObject")
    said = _look(copied_runner, tmp_path, "prod")
    assert "neither what dev runs nor what prod runs is known: nothing is pinned\n" in said
    assert _pinned(copy, "prod") == {}


def _verify(copy: Path) -> None:
    """A stand-in for the Python of .venv-stacks, which shows the key that it was given."""
    program = copy / ".venv-stacks" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@ with ${TRANSCRIBER_API_KEY-none}"\n')
    program.chmod(0o755)


def test_the_smoke_test_shows_a_key_that_is_masked(copied_runner: Runner, copy: Path) -> None:
    _verify(copy)
    copied_runner.answer("aws ssm get-parameter --name /transcriber/dev/smoke-api-key --with-decryption", "a-key\n")
    done = copied_runner.run("smoke", ENVIRONMENT="dev")
    assert done.stdout == "::add-mask::a-key\n-m stacks.environment.verify dev with a-key\n"


def test_without_a_key_it_says_so_and_goes_on(copied_runner: Runner, copy: Path) -> None:
    _verify(copy)
    copied_runner.answer("aws ssm get-parameter", code=254, err="(ParameterNotFound)")
    done = copied_runner.run("smoke", ENVIRONMENT="prod")
    assert done.returncode == 0
    assert "::warning::/transcriber/prod/smoke-api-key can't be read" in done.stdout
    assert "verify prod with none" in done.stdout


def test_a_smoke_test_that_fails_fails(copied_runner: Runner, copy: Path) -> None:
    _verify(copy)
    (copy / ".venv-stacks" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    copied_runner.answer("aws ssm get-parameter", "a-key\n")
    assert copied_runner.run("smoke", ENVIRONMENT="dev").returncode == 1
