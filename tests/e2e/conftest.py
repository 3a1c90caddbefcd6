"""Fixtures of the e2e tests."""

import signal
from collections.abc import Generator

import pytest

from tests.lab import leftovers, turn
from tests.lab.lab import Lab, up


def pytest_configure() -> None:
    """A shell starts what it puts into the background with SIGINT ignored, and children inherit
    that: with a handler of our own, the programs that the tests start have the default again.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def lab() -> Generator[Lab]:
    """The lab, brought up if it is not, without what an earlier demo or gym has left in it."""
    found = up()
    with turn.taken(found.place, "make test"):
        leftovers.clear(found.place)
        yield found


@pytest.fixture
def namespace(lab: Lab) -> Generator[str]:
    """A fresh namespace."""
    with lab.namespace() as name:
        yield name
