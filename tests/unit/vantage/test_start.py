from typing import Any

import pytest

from k8sext.vantage.start import trouble_of_event, trouble_of_pod


def waiting(reason: str, message: str = "m") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"status": {"containerStatuses": [{"name": "probe", "state": state}]}}


@pytest.mark.parametrize(
    ("reason", "code", "final"),
    [
        ("ErrImagePull", "KX904", False),
        ("ImagePullBackOff", "KX904", False),
        ("InvalidImageName", "KX904", True),
        ("CreateContainerConfigError", "KX912", False),
    ],
)
def test_waiting_reasons(reason: str, code: str, final: bool) -> None:
    trouble = trouble_of_pod(waiting(reason))
    assert trouble is not None
    assert (trouble.code, trouble.final) == (code, final)


def test_a_pod_that_is_being_created_is_no_trouble() -> None:
    assert trouble_of_pod(waiting("ContainerCreating")) is None


@pytest.mark.parametrize(
    ("reason", "message", "code", "final"),
    [
        ("FailedCreate", 'pods "x" is forbidden: exceeded quota: compute', "KX903", True),
        ("FailedCreate", 'violates PodSecurity "restricted:latest"', "KX903", True),
        ("FailedCreate", 'admission webhook "w" denied the request', "KX903", True),
        ("FailedCreate", "Internal error occurred: timeout", "KX903", False),
        ("FailedScheduling", "0/2 nodes are available", "KX905", False),
        ("FailedMount", "secret not found", "KX912", False),
    ],
)
def test_events(reason: str, message: str, code: str, final: bool) -> None:
    trouble = trouble_of_event({"reason": reason, "message": message})
    assert trouble is not None
    assert (trouble.code, trouble.final) == (code, final)


def test_other_events_are_no_trouble() -> None:
    assert trouble_of_event({"reason": "Scheduled", "message": "ok"}) is None


def test_the_clusters_words_are_made_fit_for_a_terminal() -> None:
    trouble = trouble_of_event({"reason": "FailedMount", "message": "a\x1b[31mb"})
    assert trouble is not None
    assert "\x1b" not in trouble.why
