"""Fixtures of the tests that speak to a stand-in of the API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from k8sext.kube import retry
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import Session
from tests.support.api_server import ApiServer, Pki, make_pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def server(pki: Pki) -> Iterator[ApiServer]:
    with ApiServer(pki).running() as running:
        yield running


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the user's own configuration reaches these tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("KUBECONFIG", "")  # what a test sets by itself is undone as well
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def sessions_are_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session keeps its idle connections; the command line's process ends, a test does not."""
    made: list[Session] = []
    init = Session.__init__

    def remembered(self: Session, access: Access, *, clear_text: bool = False) -> None:
        init(self, access, clear_text=clear_text)
        made.append(self)

    monkeypatch.setattr(Session, "__init__", remembered)
    yield
    for session in made:
        session.close()


@pytest.fixture(autouse=True)
def pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for between two tries of a request."""
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.005)
