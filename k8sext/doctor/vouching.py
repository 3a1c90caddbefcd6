"""What the person who runs k8sext vouches for, beside what Secrets say of themselves: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from k8sext.errors import K8sextError
from k8sext.model.bridge import Bridge, CredentialRef

from .request import Request

OPTION = "--credentials-from"
Vouched = tuple[tuple[str, str], ...]


def parse(texts: Iterable[str]) -> Vouched:
    """`SECRET=SERVICE` or `SECRET`, each as Secret and what it may go to ("": not said).

    `SERVICE` may be `NAME.NAMESPACE`, or the host to which an ExternalName Service leads. Raises
    K8sextError.
    """
    return tuple(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    secret, equals, whom = (part.strip() for part in text.partition("="))
    if not secret or (equals and not whom):
        raise K8sextError(
            f"{text!r} does not name a Secret and a Service", where=OPTION, fix="SECRET=SERVICE"
        )
    return secret, whom


def settled(vouched: Vouched, bridges: Sequence[Bridge]) -> Vouched:
    """The same with a Service for each Secret: where none is said, the only bridge that names it.

    Raises K8sextError where several do: whoever annotates a Service of theirs with somebody else's
    Secret would be vouched for as well.
    """
    return tuple(pair for secret, whom in vouched for pair in _settled(secret, whom, bridges))


def _settled(secret: str, whom: str, bridges: Sequence[Bridge]) -> Iterator[tuple[str, str]]:
    if whom:
        yield secret, whom
        return
    naming = [b for b in bridges if any(ref.secret == secret for ref in _refs(b))]
    if len(naming) > 1:
        names = ", ".join(b.ref for b in naming[:4])
        raise K8sextError(
            f"{len(naming)} bridges name Secret {secret} ({names}), so that nobody knows which of "
            "them you vouch for",
            where=OPTION,
            fix=f"{OPTION} {secret}={naming[0].service}.{naming[0].namespace}, once for each",
        )
    for bridge in naming:
        yield secret, f"{bridge.service}.{bridge.namespace}"


def _refs(bridge: Bridge) -> Iterator[CredentialRef]:
    if bridge.credentials:
        yield bridge.credentials
    yield from (ref for _, ref in bridge.credentials_by_port)


def trusted(bridge: Bridge, request: Request) -> Bridge:
    """The bridge, its Secrets with what the invoker vouches for."""

    def vouch(ref: CredentialRef) -> CredentialRef:
        named = tuple(whom for secret, whom in request.vouched if secret == ref.secret and whom)
        return replace(
            ref, vouched=ref.vouched or request.trust_annotations, named=(*ref.named, *named)
        )

    return replace(
        bridge,
        credentials=vouch(bridge.credentials) if bridge.credentials else None,
        credentials_by_port=tuple((k, vouch(ref)) for k, ref in bridge.credentials_by_port),
    )
