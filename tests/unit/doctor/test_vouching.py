"""`--credentials-from`: for which Service somebody vouches, and for which not."""

import pytest

from k8sext.doctor import vouching
from k8sext.doctor.request import Request
from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, CredentialRef, Kind


def bridge(name: str, secret: str = "db-auth", namespace: str = "dev", port: str = "") -> Bridge:
    ref = CredentialRef(secret=secret)
    return Bridge(
        namespace=namespace,
        service=name,
        kind=Kind.SELECTORLESS,
        ports=(),
        credentials=None if port else ref,
        credentials_by_port=((port, ref),) if port else (),
    )


def named(bridges: list[Bridge], *texts: str, trust: bool = False) -> list[tuple[str, ...]]:
    vouched = vouching.settled(vouching.parse(texts), bridges)
    request = Request(vouched=vouched, trust_annotations=trust)
    made = [vouching.trusted(b, request) for b in bridges]
    refs = [b.credentials or b.credentials_by_port[0][1] for b in made]
    assert all(r.vouched is trust for r in refs)
    return [r.named for r in refs]


def test_a_secret_is_vouched_for_one_service_and_for_nothing_else() -> None:
    two = [bridge("db-svc"), bridge("other-svc", "other-auth")]
    assert named(two, "db-auth=db-svc") == [("db-svc",), ()]
    assert named(two, "db-auth=db-svc.dev", "other-auth=x") == [("db-svc.dev",), ("x",)]


def test_the_short_form_is_the_only_bridge_that_names_it() -> None:
    assert named([bridge("db-svc"), bridge("x", "y")], "db-auth") == [("db-svc.dev",), ()]
    assert named([bridge("db-svc", port="pg")], "db-auth") == [("db-svc.dev",)]
    assert named([bridge("db-svc")], "absent") == [()]


@pytest.mark.parametrize(
    "second", [bridge("evil-svc"), bridge("evil-svc", port="x"), bridge("db-svc", namespace="evil")]
)
def test_the_short_form_is_no_guess(second: Bridge) -> None:
    """Whoever may make a Service in some namespace could otherwise be vouched for."""
    with pytest.raises(K8sextError) as caught:
        named([bridge("db-svc"), second], "db-auth")
    assert caught.value.exit_code == 2
    assert "2 bridges name Secret db-auth" in str(caught.value)
    assert "--credentials-from db-auth=db-svc.dev" in str(caught.value)
    assert named([bridge("db-svc"), second], "db-auth=db-svc.dev")[0] == ("db-svc.dev",)


@pytest.mark.parametrize("text", ["", "=", "=db-svc", "db-auth=", " = "])
def test_what_names_no_secret_or_no_service(text: str) -> None:
    with pytest.raises(K8sextError) as caught:
        vouching.parse([text])
    assert caught.value.exit_code == 2
    assert "SECRET=SERVICE" in str(caught.value)


def test_trusting_annotations_vouches_for_all() -> None:
    assert named([bridge("a"), bridge("b")], trust=True) == [(), ()]
