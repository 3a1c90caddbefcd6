"""Who denied the probe's pod is named, and what to do depends on it."""

import pytest

from k8sext.diagnose.start import FIXES, start_failure
from k8sext.model import shell

DENIALS = [
    (
        'pods "k8sext-1" is forbidden: exceeded quota: small, requested: limits.cpu=1, used: 2',
        ["quota small", "kubectl describe quota -n dev small"],
    ),
    (
        'pods "k8sext-1" is forbidden: violates PodSecurity "restricted:latest": seccompProfile',
        ["level restricted:latest", "kubectl get namespace dev"],
    ),
    (
        'admission webhook "validate.kyverno.svc-fail" denied the request: label team is required',
        ["webhook validate.kyverno.svc-fail", "--pod-label"],
    ),
    (
        "ValidatingAdmissionPolicy 'uid-range' with binding 'uid' denied request: no",
        ["kubectl get validatingadmissionpolicy uid-range"],
    ),
    (
        'pods "k8sext-1" is forbidden: maximum cpu usage per Container is 100m, but limit is 1',
        ["kubectl describe limitrange -n dev"],
    ),
]


@pytest.mark.parametrize(("words", "expected"), DENIALS)
def test_the_fix_names_who_denied(words: str, expected: list[str]) -> None:
    fix = start_failure("KX903", "dev", "the pod was not admitted", words).fix
    assert all(e in fix for e in expected), fix


def test_words_that_name_nobody_leave_the_usual_fix() -> None:
    said = start_failure("KX903", "dev", "the pod was not admitted", "forbidden: by someone")
    assert said.fix == shell.filled(FIXES["KX903"], {"namespace": "dev"})


NO_HOST = "failed to resolve reference: dial tcp: lookup registry.example on 192.0.2.53:53: no such"


def test_a_registry_without_a_name_is_not_mirrored() -> None:
    said = start_failure("KX904", "dev", "the probe's image cannot be pulled", f"{NO_HOST} host")
    assert "the nodes' DNS does not know registry.example" in said.fix
    other = start_failure("KX904", "dev", "the probe's image cannot be pulled", "401 Unauthorized")
    assert other.fix == FIXES["KX904"]


CHANGED = "k8sext-1-0-x: container probe: image is {} instead of docker.io/library/python:3.13-slim"


@pytest.mark.parametrize(
    ("image", "named"),
    [
        ("mirror.example/library/python:3.13-slim", True),
        ("$(id)", False),
        ("a;reboot", False),
        ("-x", False),
        ("a\nb", False),
    ],
)
def test_a_mirrors_name_is_for_pasting_only_where_it_is_one_word(image: str, named: bool) -> None:
    said = start_failure("KX927", "dev", "the pod is not as its Job says", CHANGED.format(image))
    assert (f"--image {image}" in said.fix) is named


def test_an_injected_container_is_named_with_the_ways_out() -> None:
    words = "k8sext-1-0-x: container istio-proxy was added; whether admission did that could not …"
    fix = start_failure("KX927", "dev", "the pod is not as its Job says", words).fix
    assert "istio-proxy" in fix
    assert "--pod-label" in fix
