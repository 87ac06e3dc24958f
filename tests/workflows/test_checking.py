"""What CI asks before anything is deployed: the list of suites, and whether the image comes up."""

import json

from tests.workflows.standin import Runner


def test_the_suites_are_those_of_make(copied_runner: Runner) -> None:
    copied_runner.answer("make --silent list-heavy", "test-browser test-stacks\n")
    assert copied_runner.run("suites").returncode == 0
    name, _, value = copied_runner.output.read_text().partition("=")
    assert (name, json.loads(value)) == ("suites", ["browser", "stacks"])


def _docker(runner: Runner) -> None:
    runner.answer("docker buildx build")
    runner.answer("docker run", "container-1\n")
    runner.answer("docker port", "127.0.0.1:49153\n")
    runner.answer("docker logs", "what it said\n")
    runner.answer("docker rm")


def test_an_image_that_comes_up(runner: Runner) -> None:
    _docker(runner)
    runner.answer("curl http://127.0.0.1:49153/health", '{"status":"ok"}')
    assert runner.run("try-image", TARGET="local").returncode == 0
    assert runner.called("docker", "build")[0].option("--target") == "local"
    assert runner.called("docker", "rm")[0].arguments == ["rm", "--force", "container-1"]


def test_an_image_that_does_not_is_told_with_its_log(runner: Runner) -> None:
    _docker(runner)
    runner.answer("curl", code=22)
    done = runner.run("try-image", WAIT_SECONDS="1")
    assert done.returncode == 1
    assert "what it said" in done.stdout
    assert runner.called("docker", "rm")
