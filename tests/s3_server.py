"""S3 over HTTP on loopback: moto's server, in threads of this process."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from moto.server import ThreadedMotoServer

from transcriber.storage.s3_client import Client, make_client

REGION = "eu-central-1"
_NUMBERS = itertools.count(1)
"""Of buckets: every server of a process has the same."""


class S3Server:
    """Buckets that nobody else uses, as long as the server runs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        """What a process needs to reach it."""
        with pytest.MonkeyPatch.context() as patch:
            self.put_in(patch)
            self.client: Client = make_client()

    def put_in(self, patch: pytest.MonkeyPatch) -> None:
        """Makes it the S3 of this process."""
        for name, value in self.environment.items():
            patch.setenv(name, value)

    def make_bucket(self, *, versions: bool = False) -> str:
        """The name of a new one, which may keep versions."""
        name = f"bucket-{next(_NUMBERS)}"
        # The store itself makes no buckets.
        create = self.client.create_bucket  # type: ignore[attr-defined]
        create(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if versions:
            keep = self.client.put_bucket_versioning  # type: ignore[attr-defined]
            keep(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
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
