"""For the tests of the infrastructure, in the virtual environment `.venv-stacks`."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Pulumi's packages warn of what is deprecated in them when they are imported.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
