"""S3 over HTTP on loopback: moto's server, in threads of this process."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class S3Server:
    """Buckets that nobody else uses, as long as the server runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count(1)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {**_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": self.url}

    def put_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Makes it the S3 of this process."""
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    def client(self):  # noqa: ANN201 - boto3 has no types
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=_ENVIRONMENT["AWS_DEFAULT_REGION"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def make_bucket(self) -> str:
        """The name of a new one."""
        name = f"bucket-{next(self._numbers)}"
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        return name


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()
