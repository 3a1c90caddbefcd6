"""Fixtures of the e2e tests."""

from collections.abc import Generator

import pytest

from tests.lab.lab import Lab, up


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, brought up if it is not."""
    return up()


@pytest.fixture
def namespace(lab: Lab) -> Generator[str]:
    """A fresh namespace."""
    with lab.namespace() as name:
        yield name
