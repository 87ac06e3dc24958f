"""The client of S3 that the store uses, and what its failures mean."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Protocol, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from transcriber.storage.store import NotFound, StoreError

THREADS = 16
"""Calls at once."""
_ATTEMPTS = 5
_CONNECT_SECONDS = 5
_READ_SECONDS = 30
"""Longest wait for the next bytes, not for a whole answer."""

_RETRYABLE_ERRORS = (
    BotoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    FlexibleChecksumError,
    CredentialRetrievalError,
    ResponseParserError,
)
_RETRYABLE_CODES = frozenset(
    ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "Throttling", "ThrottlingException")
)
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")

Answer = dict[str, Any]


class Client(Protocol):
    """The calls that are made, as boto3 has them: sync, safe to use from several threads."""

    def head_bucket(self, **request: Any) -> Answer: ...
    def head_object(self, **request: Any) -> Answer: ...
    def put_object(self, **request: Any) -> Answer: ...
    def get_object(self, **request: Any) -> Answer: ...
    def list_objects_v2(self, **request: Any) -> Answer: ...
    def delete_objects(self, **request: Any) -> Answer: ...
    def list_object_versions(self, **request: Any) -> Answer: ...
    def create_multipart_upload(self, **request: Any) -> Answer: ...
    def upload_part(self, **request: Any) -> Answer: ...
    def upload_part_copy(self, **request: Any) -> Answer: ...
    def complete_multipart_upload(self, **request: Any) -> Answer: ...
    def abort_multipart_upload(self, **request: Any) -> Answer: ...
    def list_multipart_uploads(self, **request: Any) -> Answer: ...
    def list_parts(self, **request: Any) -> Answer: ...
    def close(self) -> None: ...


def make_client() -> Client:
    """A client for the credentials, region and endpoint of the environment, as every AWS tool reads them.

    Takes a second: it reads the definition of the whole API. Raises StoreError.
    """
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=THREADS,
        tcp_keepalive=True,
    )
    with s3_errors("S3 can't be used"):
        session: Any = boto3.Session()
        return cast(Client, session.client("s3", config=config))


@contextmanager
def s3_errors(failure: str) -> Generator[None]:
    """Makes failures StoreErrors that say `failure` and a code: what else the service says may repeat the request."""
    try:
        yield
    except ClientError as error:
        raise _answered(failure, error) from None
    except (BotoCoreError, ResponseParserError, OSError) as error:
        retryable = isinstance(error, (*_RETRYABLE_ERRORS, OSError))
        raise StoreError(f"{failure}: {type(error).__name__}", retryable=retryable) from None
    except ValueError as error:  # what boto3 says of an endpoint that is no URL
        raise StoreError(f"{failure}: {type(error).__name__}") from None


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer; 0 if it had none."""
    return _metadata(error).get("HTTPStatusCode", 0)


def code_of(error: ClientError) -> str:
    """The answer's error code, or its status where the code is none."""
    answer = cast(Answer, error.response)
    code = str(answer.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else str(status_of(error))


def was_retried(error: ClientError) -> bool:
    """Whether this answer is to another attempt than the first."""
    return _metadata(error).get("RetryAttempts", 0) > 0


def _metadata(error: ClientError) -> Answer:
    answer = cast(Answer, error.response)
    return answer.get("ResponseMetadata", {})


def _answered(failure: str, error: ClientError) -> StoreError:
    code, status = code_of(error), status_of(error)
    # The answer to a HEAD has no body, so no code but its status.
    if code in ("NoSuchKey", "NoSuchUpload", "404"):
        return NotFound(f"{failure}: {code}")
    overloaded = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return StoreError(f"{failure}: {code}", retryable=overloaded or code in _RETRYABLE_CODES)
