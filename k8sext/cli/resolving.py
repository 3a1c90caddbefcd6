"""`resolve` of provision: host names become the addresses that the cluster's DNS has for them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from k8sext.doctor import lookup, rights
from k8sext.doctor.cluster import LiveCluster
from k8sext.kube.session import Session
from k8sext.provision import desired
from k8sext.provision.spec import BridgeSpec

from . import console, talk
from .pod_options import pod_options


def resolved(
    session: Session, specs: Sequence[BridgeSpec], image: str | None
) -> tuple[BridgeSpec, ...]:
    """The bridges as they are to be written; one pod in each namespace that has names to ask."""
    names: dict[str, list[str]] = {}
    for spec in specs:
        if spec.resolve:
            names.setdefault(spec.namespace, []).append(spec.to[0])
    found = _addresses(session, names, image)
    return tuple(desired.led_to(s, found[s.namespace][s.to[0]]) if s.resolve else s for s in specs)


def _addresses(
    session: Session, names: dict[str, list[str]], image: str | None
) -> dict[str, dict[str, tuple[str, ...]]]:
    cluster = LiveCluster(api=session, user_assigned=functools.partial(_assigns_user, session))
    options = pod_options(image=image)
    progress = console.Progress(quiet=talk.quiet())
    try:
        return {
            namespace: lookup.addresses(
                asked, namespace, cluster, options, functools.partial(progress.phase, namespace)
            )
            for namespace, asked in names.items()
        }
    finally:
        progress.close()


def _assigns_user(session: Session, namespace: str) -> bool:
    return rights.is_openshift(session.get("/apis")) or rights.has_uid_range(session, namespace)
