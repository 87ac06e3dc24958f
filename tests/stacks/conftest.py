"""For the tests of the infrastructure, in the virtual environment `.venv-stacks`."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Pulumi's packages warn of what is deprecated in them when they are imported.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
    # So does parliament, which leaves files open besides.
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources:UserWarning")
    config.addinivalue_line("filterwarnings", "ignore:pkg_resources:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:Deprecated call to:DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:.*parliament:pytest.PytestUnraisableExceptionWarning")
