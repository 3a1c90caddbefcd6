"""The bridges of a file, put over the live ones: the file says where to, the cluster how: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k8sext.model.bridge import Bridge, Endpoint, Kind
from k8sext.model.plan import join_address


def over(found: Sequence[Bridge], files: Sequence[Bridge]) -> tuple[Bridge, ...]:
    """Exactly the bridges of the files. Their addresses are what is looked at and what logins may
    go to; where the live Service leads elsewhere is noted (`elsewhere`) and not followed.
    """
    live = {b.ref: b for b in found}
    return tuple(_over(live[b.ref], b) if b.ref in live else b for b in files)


def _over(live: Bridge, wanted: Bridge) -> Bridge:
    known = replace(
        wanted,
        cluster_ips=live.cluster_ips,
        selector=live.selector,
        virtual=live.virtual,
        fronts=live.fronts,
        fronts_read=live.fronts_read,
    )
    inside = live.kind is not Kind.EXTERNAL_NAME
    if wanted.origin and wanted.kind is Kind.EXTERNAL_NAME and inside:
        # It holds addresses of a name (`resolve`). They are in the Service only, so that its own
        # slices are what the file's login may go to.
        own = (f"{live.service}.{live.namespace}",)
        return replace(known, kind=live.kind, external_name="", endpoints=live.endpoints, given=own)
    if inside is (wanted.kind is Kind.EXTERNAL_NAME):  # it has become something else
        return replace(known, elsewhere=_ends(live) if inside else (live.external_name,))
    if not inside:
        same = _plain(live.external_name) == _plain(wanted.external_name)
        return replace(known, elsewhere=() if same else (live.external_name,))
    there = {(e.address, e.port) for e in wanted.endpoints}
    return replace(
        known,
        kind=live.kind,
        endpoints=tuple(_alive(e, live) for e in wanted.endpoints),
        elsewhere=tuple(
            dict.fromkeys(
                join_address(e.address, e.port)
                for e in _used(live)
                if (e.address, e.port) not in there
            )
        ),
    )


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _used(live: Bridge) -> tuple[Endpoint, ...]:
    return tuple(e for p in live.ports for e in live.used(p))


def _ends(live: Bridge) -> tuple[str, ...]:
    return tuple(dict.fromkeys(join_address(e.address, e.port) for e in _used(live)))


def _alive(wanted: Endpoint, live: Bridge) -> Endpoint:
    """The endpoint with its conditions as they are; the file may call its port otherwise."""
    names = {p.name for p in live.ports}
    same = [e for e in live.endpoints if (e.address, e.port) == (wanted.address, wanted.port)]
    found = next((e for e in same if e.port_name == wanted.port_name), next(iter(same), None))
    if found is None:
        return wanted
    return replace(found, port_name=wanted.port_name) if found.port_name in names else found
