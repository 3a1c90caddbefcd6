"""Where a driver may take a login: it looks names up for itself, a moment after the wire probe."""

from __future__ import annotations

from dataclasses import replace

from k8sext.agent.check import Login
from k8sext.model.plan import Target, split_address
from k8sext.model.result import Json

from .scene import Scene


def placed(scene: Scene, target: Target, address: str = "") -> Target:
    """The target at an address of its name, by default where its wire probe was connected."""
    seen, trail = scene.wire.get(target.id), target.trail
    if trail and seen:
        peer, chain = address or _host(seen.fact("peer")), seen.fact("cname")
        names = tuple(map(str, chain)) if isinstance(chain, list) else ()
        target = replace(target, trail=replace(trail, peer=peer, chain=names))
    return scene.logins.prepared(target)


def _host(peer: Json) -> str:
    try:
        return split_address(str(peer))[0]
    except ValueError:
        return ""


def reach(scene: Scene, target: Target) -> frozenset[str] | None:
    """The addresses of its name to which a target's login may go; None where there is none."""
    seen = scene.wire.get(target.id)
    if seen is None or target.trail is None or not _carries(scene, placed(scene, target)):
        return None
    known = seen.fact("addresses")
    addresses = [str(a) for a in known] if isinstance(known, list) else [target.host]
    return frozenset(a for a in addresses if _carries(scene, placed(scene, target, a)))


def _carries(scene: Scene, target: Target) -> bool:
    """Whether a login, or a certificate in place of one, goes there."""
    return bool(login_of(scene, target) or scene.logins.client_pair(target))


def login_of(scene: Scene, target: Target) -> Login | None:
    """The login of a target that was placed."""
    keys = scene.checks[target.protocol].info.credential_keys
    found = scene.logins.lookup(target, keys) if keys else None
    return found if isinstance(found, Login) else None
