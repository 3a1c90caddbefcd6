"""What leads to a bridge from outside, judged: Ingresses and node ports. Pure.

It is told beside the bridge's own verdict: an Ingress that is wrong blames no server, and one that
works hides no dead name. What only a page shows is told where the bridge itself is well; else the
page says nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from k8sext.diagnose.codes.row import Row
from k8sext.model.bridge import Bridge, Port
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.egress import isolating
from k8sext.model.front import Front
from k8sext.model.result import Observation, StageResult
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason, Route, Severity, Stage, Status

from .case import PlaceFacts, split
from .codes import rows_fronts as rows
from .saying import say_without

_DATES = (Reason.CERTIFICATE_EXPIRED, Reason.CERTIFICATE_NOT_YET_VALID)
_UNKNOWN = (404, 421)  # nobody has this host or path
_NO_ENDPOINT = 503
_GATEWAYS = (502, 503, 504)
_DENIED = (401, 403)  # the controller may ask for a login of its own


def judge(
    bridge: Bridge, mine: Sequence[Observation], context: PlaceFacts, said: Sequence[Diagnosis]
) -> list[Diagnosis]:
    """What is said of the ways from outside; `said` is what the bridge itself was told."""
    if bridge.expect.get("unreachable"):
        return []
    sound = all(d.severity in (Severity.WARN, Severity.NOTE) for d in said)
    pages = {o.via: o for o in mine if o.route is Route.INGRESS} if sound else {}
    found = [*_wanted(bridge)]
    for front in bridge.fronts:
        found += _of_front(bridge, front, pages.get(front.via), context)
    return [*found, *(_node_ports(bridge, mine, context) if sound else ())]


def _wanted(bridge: Bridge) -> Iterator[Diagnosis]:
    """The host that somebody asked for, by annotation or file."""
    asked = bridge.front_wanted
    if not asked or not bridge.fronts_read or any(f.covers(asked) for f in bridge.fronts):
        return
    leads = ", ".join(dict.fromkeys(f"Ingress {f.ingress} has {f.leads}" for f in bridge.fronts))
    others = f": {leads}" if leads else ""
    yield _say(bridge, None, rows.NOT_LED_AT_ALL, wanted=asked, others=others)


def _of_front(
    bridge: Bridge, front: Front, page: Observation | None, context: PlaceFacts
) -> Iterator[Diagnosis]:
    """One host and path. What the objects show to be wrong is not asked for any more."""
    if front.applied_as:
        yield _say(bridge, front, rows.OLD_FORM)
    wrong = _by_objects(front)
    if wrong:
        yield _say(bridge, front, wrong)
        return
    if front.tls_hosts and not front.tls and front.host:
        yield _say(bridge, front, rows.TLS_OTHER_HOST)
    told = _by_page(bridge, front, page, context) if page else None
    if told:
        yield told
    if bridge.external_name and not page:
        yield _say(bridge, front, rows.OUTSIDE_NAME)
    if front.rivals:
        yield _say(bridge, front, rows.RIVALS)


def _by_objects(front: Front) -> Row | None:
    if not front.port_key:
        return rows.BACKEND_PORT
    if front.addresses:  # a controller has taken it, whatever its class says
        return None
    if not front.class_by:
        return rows.NO_CLASS
    unknown = front.class_by == "field" and front.class_known is False
    return rows.CLASS_MISSING if unknown else rows.UNSERVED


# -- the page through the controller ---------------------------------------------------------------


def _by_page(
    bridge: Bridge, front: Front, page: Observation, context: PlaceFacts
) -> Diagnosis | None:
    greeting = page.stage(Stage.HANDSHAKE)
    ended = page.ended_by
    if greeting is None or greeting.status is not Status.PASS:
        return _unanswered(bridge, front, page, ended, context) if ended else None
    certificate = _certificate(bridge, front, page)
    if certificate:
        return certificate
    status, direct = _status(greeting.evidence), _direct(greeting)
    row = _row_of(bridge, front, greeting, status, direct)
    if row is None:
        return None
    said = _say(bridge, front, row, page, **_texts(greeting, status, direct))
    unsure = front.rewrites and said.severity is Severity.FAIL and row is rows.NOT_LED
    return replace(said, severity=Severity.WARN) if unsure else said


def _unanswered(
    bridge: Bridge, front: Front, page: Observation, ended: StageResult, context: PlaceFacts
) -> Diagnosis | None:
    """No page at all. That pods are kept from the controller by a policy is nobody's fault."""
    if ended.status is not Status.FAIL:
        return None
    if ended.reason is Reason.TLS_REQUIRED and _speaks_tls(bridge, front):
        return _say(bridge, front, rows.SPEAKS_TLS, page, **_texts(ended, 400, _direct(ended)))
    row = rows.TLS_FAILS if ended.stage is Stage.TLS else rows.CONTROLLER
    said = _say(bridge, front, row, page, detail=_words(ended))
    return _unless_kept_away(said, page, context) if row is rows.CONTROLLER else said


def _certificate(bridge: Bridge, front: Front, page: Observation) -> Diagnosis | None:
    stage = page.stage(Stage.TLS)
    if stage is None or not front.tls or stage.status is Status.SKIP:
        return None
    names = stage.evidence.get("names")
    if front.host and names is not None and not stage.evidence.get("matching"):
        listed = ", ".join(map(str, names)) if isinstance(names, list) else ""
        shown = listed or str(stage.evidence.get("subject") or "nobody")
        said = _say(bridge, front, rows.WRONG_CERTIFICATE, page, names=shown)
        return replace(said, why=f"{said.why}; {_secret_words(front)}")
    if stage.reason in _DATES:
        return _say(bridge, front, rows.CERTIFICATE_DATES, page, detail=stage.detail)
    if stage.reason is Reason.CERTIFICATE_EXPIRES_SOON:
        return _say(bridge, front, rows.CERTIFICATE_SOON, page, detail=stage.detail)
    return None


def _secret_words(front: Front) -> str:
    """What can be known of the Secret without reading it."""
    if not front.tls_secret:
        return "spec.tls names no Secret, so the controller's default certificate is shown"
    return (
        f"likely Secret {front.tls_secret} is missing, is not of type kubernetes.io/tls or holds a "
        "certificate for other names (Secrets are not read): controllers then show their default"
    )


def _row_of(
    bridge: Bridge,
    front: Front,
    greeting: StageResult,
    status: int,
    direct: Mapping[str, Any],
) -> Row | None:
    """What the answer means beside the bridge's own; the same answer is the bridge's matter."""
    own = _status(direct)
    if status == own or status in _DENIED:
        return None
    well = own < 400
    if bridge.external_name and status in (*_UNKNOWN, _NO_ENDPOINT):
        return rows.OUTSIDE_REFUSED
    if status in _UNKNOWN:
        return rows.NOT_LED
    if status in (400, 502) and _speaks_tls(bridge, front):
        return rows.SPEAKS_TLS
    if status in _GATEWAYS:
        return rows.NO_BACKEND if status == _NO_ENDPOINT else rows.GATEWAY
    secure = str(greeting.evidence.get("location") or "").startswith("https:")
    if 300 <= status < 400:
        return rows.REDIRECTS if secure and not front.tls else None
    return rows.DIFFERS if status >= 400 and well else None


def _texts(greeting: StageResult, status: int, direct: Mapping[str, Any]) -> dict[str, str]:
    own = str(direct.get("status") or str(direct.get("reason") or "nothing").replace("_", " "))
    location = str(greeting.evidence.get("location") or "")
    return {"status": str(status), "direct": own, "location": location}


def _status(evidence: Mapping[str, Any]) -> int:
    found = evidence.get("status")
    return found if isinstance(found, int) else 0


def _direct(greeting: StageResult) -> Mapping[str, Any]:
    found = greeting.evidence.get("direct")
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _speaks_tls(bridge: Bridge, front: Front) -> bool:
    port = next((p for p in bridge.ports if p.key == front.port_key), None)
    spec = bridge.tls_of(front.port_key)
    asks = spec is not None and spec.mode in (TlsMode.REQUIRE, TlsMode.VERIFY_FULL)
    return asks or (port is not None and port.protocol == "https")


# -- node ports ------------------------------------------------------------------------------------


def _node_ports(
    bridge: Bridge, mine: Sequence[Observation], context: PlaceFacts
) -> Iterator[Diagnosis]:
    for port in bridge.ports:
        if port.node_port:
            seen = [o for o in mine if o.route is Route.NODE_PORT and o.port == port.key]
            yield from _node_port(bridge, port, seen, context)


def _node_port(
    bridge: Bridge, port: Port, seen: Sequence[Observation], context: PlaceFacts
) -> Iterator[Diagnosis]:
    """Within the cluster a node may lead its own pods on where it leads nobody else."""
    bad = [o for o in seen if o.ended_by and o.ended_by.status is Status.FAIL]
    local = bridge.external_traffic == "Local" and not any(
        e.node for e in bridge.endpoints_of(port)
    )
    if not seen or not (bad or local):
        return
    nodes = ", ".join(o.via.removeprefix("Node/") for o in bad) or "seen from other nodes"
    ended = bad[0].ended_by if bad else None
    facts = {"node_port": str(port.node_port), "nodes": nodes}
    facts["detail"] = _words(ended) if ended else ""
    row = rows.NODE_PORT_PART if len(bad) < len(seen) else rows.NODE_PORT_DEAD
    said = _say(bridge, None, rows.NODE_PORT_LOCAL if local else row, (bad or seen)[0], **facts)
    yield said if local else _unless_kept_away(said, bad[0], context)


# -- sentences -------------------------------------------------------------------------------------


def _unless_kept_away(said: Diagnosis, seen: Observation, context: PlaceFacts) -> Diagnosis:
    """A policy that isolates the probe's egress explains a silence that those outside never see."""
    host, port = split(seen.target)
    names = isolating(context.policies or (), context.labels, host, port)
    if not names:
        return said
    why = f"{said.why}; NetworkPolicy {', '.join(names)} keeps pods here from that address"
    return replace(said, severity=Severity.NOTE, why=why)


def _words(ended: StageResult) -> str:
    return ended.detail or str(ended.reason or ended.status).replace("_", " ")


def _say(
    bridge: Bridge,
    front: Front | None,
    row: Row,
    seen: Observation | None = None,
    **more: str,
) -> Diagnosis:
    facts = {**_facts(bridge, front, seen), **more}
    mark = f"{seen.id}/{_last(seen)}" if seen else f"Ingress/{bridge.namespace}/{facts['ingress']}"
    if not seen and front is None:
        mark = f"Service/{bridge.ref}"
    said = say_without(row, mark, facts, _why(front, seen))
    return replace(said, severity=Severity.WARN) if row in rows.WEAKER else said


def _last(seen: Observation) -> Stage:
    return seen.ended_by.stage if seen.ended_by else seen.depth or Stage.CONNECT


def _why(front: Front | None, seen: Observation | None) -> str:
    if seen is None or front is None:
        return f"{seen.target} ({seen.route}) was asked from the pod" if seen else ""
    scheme = "https" if front.tls else "http"
    return f"{scheme}://{front.leads} was asked of {seen.target} from the pod"


def _facts(bridge: Bridge, front: Front | None, seen: Observation | None) -> dict[str, str]:
    listed = ", ".join(f"{p.name or 'no name'} ({p.port})" for p in bridge.ports)
    facts = {
        "namespace": bridge.namespace,
        "service": bridge.service,
        "service_ports": listed or "none",
        "address": seen.target if seen else "",
        "ingress": front.ingress if front else "",
    }
    if front is None:
        return facts
    return facts | {
        "leads": front.leads,
        "host": front.host or "any host",
        "port": front.port or "(none)",
        "class": front.class_name,
        "controller": f" (controller {front.controller})" if front.controller else "",
        "secret": front.tls_secret or "SECRET",
        "tls_hosts": ", ".join(front.tls_hosts),
        "rivals": ", ".join(front.rivals),
        "applied_as": front.applied_as,
    }
