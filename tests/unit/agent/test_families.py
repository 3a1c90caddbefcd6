"""Which families a place has, by the kernel's own lists."""

import errno
from pathlib import Path

import pytest

from k8sext.agent.fault import Fault, fault_of
from k8sext.agent.net import families
from k8sext.model.words import Reason

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.4.2.9
        /32 host LOCAL
     |-- 127.0.0.1
        /32 host LOCAL
"""
LOOPBACK_TRIE = TRIE.replace("10.4.2.9", "127.0.0.2")
SIX = "fd00000000000000000000000000000a 02 40 00 80 eth0\n"
LINK = "fe80000000000000025056fffe000001 02 40 20 80 eth0\n"
OWN = "00000000000000000000000000000001 01 80 10 80 lo\n"


@pytest.mark.parametrize(
    ("trie", "six", "expected"),
    [
        (TRIE, OWN + LINK, ("IPv4",)),
        (TRIE, "", ("IPv4",)),
        (TRIE, OWN + LINK + SIX, ("IPv4", "IPv6")),
        (LOOPBACK_TRIE, SIX, ("IPv6",)),
    ],
)
def test_the_kernels_lists(trie: str, six: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "trie").write_text(trie)
    (tmp_path / "six").write_text(six)
    assert families.present(tmp_path / "trie", tmp_path / "six") == expected


def test_without_lists_the_kernel_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "_leads_out", lambda family: family == "IPv4")
    assert families.present(tmp_path / "none", tmp_path / "none") == ("IPv4",)


@pytest.mark.parametrize(
    ("number", "have", "reason"),
    [
        (errno.ENETUNREACH, ("IPv4",), Reason.NO_FAMILY),
        (errno.EADDRNOTAVAIL, ("IPv4",), Reason.NO_FAMILY),
        (errno.EAFNOSUPPORT, ("IPv4",), Reason.NO_FAMILY),
        (errno.ENETUNREACH, ("IPv4", "IPv6"), Reason.NO_ROUTE),
        (errno.EHOSTUNREACH, ("IPv4",), Reason.NO_ROUTE),
        (errno.ECONNREFUSED, ("IPv4",), Reason.REFUSED),
    ],
)
def test_a_missing_family_is_no_missing_route(
    number: int, have: tuple[str, ...], reason: Reason, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "present", lambda: have)
    fault = families.explained(fault_of(OSError(number, "")), "2001:db8::9")
    assert fault.reason is reason
    if reason is Reason.NO_FAMILY:
        assert fault.evidence["family"] == "IPv6"
        assert fault.evidence["families"] == ["IPv4"]


def test_an_own_fault_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "present", lambda: ())
    own = Fault(Reason.NO_ROUTE, "an address out of bounds")
    assert families.explained(own, "192.0.2.9") is own


def test_applications_take_what_they_can_use_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "present", lambda: ("IPv6",))
    assert families.usable_first(("192.0.2.9", "2001:db8::9")) == ("2001:db8::9", "192.0.2.9")
    assert families.usable_first(("192.0.2.9", "192.0.2.1")) == ("192.0.2.9", "192.0.2.1")
