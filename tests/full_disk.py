"""A disk that takes no more, as far as this process is concerned."""

import resource
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def files_limited(size: int) -> Generator[None]:
    """The system refuses to let any file of this process grow beyond `size` bytes."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
