"""What S3's failures mean, and that nothing of a request is repeated in them."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from transcriber.storage.s3_client import code_of, s3_errors, status_of, was_retried
from transcriber.storage.store import NotFound, StoreError


def answer(code: str, status: int, retries: int = 0) -> ClientError:
    metadata = {"HTTPStatusCode": status, "RetryAttempts": retries}
    return ClientError({"Error": {"Code": code, "Message": "secret"}, "ResponseMetadata": metadata}, "PutObject")  # type: ignore[typeddict-item]


def failure(error: Exception) -> StoreError:
    with pytest.raises(StoreError) as caught, s3_errors("It failed"):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (answer("SlowDown", 503), True),
        (answer("InternalError", 500), True),
        (answer("RequestTimeout", 400), True),
        (answer("TooMany", 429), True),
        (answer("AccessDenied", 403), False),
        (answer("NoSuchBucket", 404), False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1/secret"), True),
        (NoCredentialsError(), False),
        (ConnectionResetError("secret"), True),
        (ValueError("secret"), False),
    ],
)
def test_a_failure_says_whether_the_same_call_may_succeed_and_repeats_nothing(
    error: Exception, retryable: bool
) -> None:
    found = failure(error)
    assert found.retryable is retryable
    assert str(found).startswith("It failed: ")
    assert "secret" not in str(found)


@pytest.mark.parametrize("error", [answer("NoSuchKey", 404), answer("404", 404)])
def test_what_is_not_there_is_told_apart(error: ClientError) -> None:
    assert isinstance(failure(error), NotFound)


def test_an_answer_has_a_code_a_status_and_attempts() -> None:
    error = answer("SlowDown", 503, retries=2)
    assert (code_of(error), status_of(error), was_retried(error)) == ("SlowDown", 503, True)
    assert code_of(answer("<html> nonsense", 502)) == "502"
    assert not was_retried(answer("SlowDown", 503))
