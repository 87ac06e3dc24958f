"""Bootstrap and the workflows' scripts with the AWS CLI itself: an account of moto's is on the other end."""

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bootstrap import parameters
from bootstrap.__main__ import apply, store

pytestmark = pytest.mark.timeout(240)

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / ".github" / "scripts"
REGION = "us-east-1"
BUCKET = f"transcriber-state-123456789012-{REGION}"
PARAMETERS = {
    "Environments": "dev",
    "SubjectPrefix": "repo:owner/repo",
    "HostedZone": "*",
    "GitHubProviderArn": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com",
    "BudgetDollars": "200",
    "BudgetEmail": "",
}
"""Without what moto's CloudFormation does not make: the provider and the budget."""
MANIFEST = (
    '{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": [], "config": '
    '{"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2, "digest": "sha256:' + "0" * 64 + '"}}'
)


@pytest.fixture(scope="module")
def account() -> Iterator[None]:
    """The one that `aws` and boto3 reach from here, and `aws` is the CLI of the virtual environment."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        variables = {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        yield
    server.stop()


@pytest.mark.filterwarnings("ignore:Tried to parse AWS..S3..BucketPolicy:UserWarning")
def test_an_account_is_prepared_and_found_so_the_second_time(account: None, capsys: pytest.CaptureFixture[str]) -> None:
    apply(PARAMETERS, lambda _: "yes", BUCKET)
    said = capsys.readouterr().out
    assert "  add     AWS::IAM::Role              DeployDevRole\n" in said
    assert said.endswith("transcriber-bootstrap: done\n")
    assert BUCKET in [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]]
    assert boto3.client("iam").get_role(RoleName="transcriber-deploy-dev")["Role"]["MaxSessionDuration"] == 7200
    apply(PARAMETERS, lambda _: "yes", BUCKET)
    assert capsys.readouterr().out == "transcriber-bootstrap: nothing to change\n"
    _, kept = parameters.of(Namespace(**dict.fromkeys(parameters.OPTIONS.values())))
    assert kept == {"Environments": "dev"}


def test_secrets_are_stored_as_they_were_given(account: None, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"api-keys": '{"keys": ["ä"]}', "openai-api-key": "", "smoke-api-key": "trk_x"}
    store("prod", lambda asked: next(value for end, value in given.items() if f"/{end}:" in asked))
    found = boto3.client("ssm").get_parameters_by_path(Path="/transcriber/prod", WithDecryption=True)["Parameters"]
    values = {each["Name"].rpartition("/")[2]: each["Value"] for each in found}
    assert len(values.pop("token-secret")) == 64
    assert values == {"api-keys": given["api-keys"], "smoke-api-key": "trk_x"}
    assert {each["Type"] for each in found} == {"SecureString"}
    assert "trk_x" not in capsys.readouterr().out


def _script(name: str, *arguments: str) -> str:
    """What it prints; why it does not, if it fails."""
    environment = {**os.environ, "AWS_REGION": REGION, "PULUMI_BACKEND_URL": f"s3://states/dev?region={REGION}"}
    command = (sys.executable, SCRIPTS / name, *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def test_images_are_found_and_named(account: None) -> None:
    ecr = boto3.client("ecr")
    ecr.create_repository(repositoryName="transcriber-dev", imageTagMutability="IMMUTABLE")
    put = {"repositoryName": "transcriber-dev", "imageManifest": MANIFEST}
    digest = ecr.put_image(**put, imageTag="build-1")["image"]["imageId"]["imageDigest"]
    assert _script("image.py", "resolve", "build-1") == digest
    assert _script("image.py", "name", digest, "release-1.2.3") == ""
    assert _script("image.py", "name", digest, "release-1.2.3") == "", "it has the name already"
    assert _script("image.py", "resolve", "1.2.3") == digest
    assert "ImageNotFoundException" in _script("image.py", "resolve", "9.9.9")


def test_states_are_read_and_missed(account: None) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="states")
    assert (
        _script("state.py", "output", "dev", "service", "image_digest") == "state: service of dev has no image_digest"
    )
    state = (
        '{"checkpoint": {"latest": {"resources": [{"type": "pulumi:pulumi:Stack", "outputs": {"image_digest": "x"}}]}}}'
    )
    s3.put_object(Bucket="states", Key="dev/.pulumi/stacks/transcriber-service/dev.json", Body=state.encode())
    assert _script("state.py", "output", "dev", "service", "image_digest") == "x"
