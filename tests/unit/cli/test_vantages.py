"""Where to look from, as the caller writes it."""

import pytest

from k8sext.cli import doctor_run
from k8sext.errors import K8sextError


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("pod", ("pod",)),
        ("relay", ("relay",)),
        ("pod,relay", ("pod", "relay")),
        ("relay,pod,relay", ("relay", "pod")),
        ("local", ("local",)),
    ],
)
def test_vantages(text: str, places: tuple[str, ...]) -> None:
    assert doctor_run.vantages(text) == places


@pytest.mark.parametrize("text", ["", "moon", "pod,", "pod relay", "local,pod", "relay,local"])
def test_no_vantages(text: str) -> None:
    with pytest.raises(K8sextError) as caught:
        doctor_run.vantages(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("places", "image", "allowed"),
    [
        (("pod",), None, False),
        (("pod",), "registry/with-drivers", True),
        (("pod", "relay"), None, False),
        (("relay",), None, True),
        (("local",), None, True),
    ],
)
def test_drivers_are_tried_where_they_can_be(
    places: tuple[str, ...], image: str | None, allowed: bool
) -> None:
    assert doctor_run.client(False, places, image) is False
    if allowed:
        assert doctor_run.client(True, places, image)
        return
    with pytest.raises(K8sextError, match="no drivers"):
        doctor_run.client(True, places, image)
