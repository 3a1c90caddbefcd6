"""KX155: the kubelet sets variables like POSTGRES_PORT=tcp://…, which an image takes for its own.

For each Service with a cluster IP every pod of its namespace gets NAME_SERVICE_HOST, NAME_PORT and
more, unless the pod says enableServiceLinks: false (Kubernetes documentation, Accessing the
Service, Environment Variables).
"""

from __future__ import annotations

from collections.abc import Iterator

from k8sext.model.bridge import Bridge, Kind
from k8sext.model.diagnosis import Finding
from k8sext.model.lint import Rule, Subject
from k8sext.model.words import Severity
from k8sext.model.workload import Workload

# Names of products whose images, or clients, read variables that begin with the product's name.
PRODUCTS = frozenset(
    "postgres postgresql mysql mariadb redis rabbitmq elasticsearch kibana grafana prometheus "
    "zipkin mongodb mongo kafka db database".split()
)


def judge(subject: Subject) -> Iterator[Finding]:
    """A warning for a workload that reads such a variable; else a note for the Service, where some
    workload of its namespace gets one.
    """
    for bridge in subject.bridges:
        if bridge.kind is not Kind.SELECTORLESS or not bridge.ports:
            continue
        linked = [w for w in subject.workloads if _linked(w, bridge)]
        readers = [w for w in linked if _variable(bridge) in w.traits.reads]
        yield from (_read(w, bridge) for w in readers)
        if linked and not readers and bridge.service in PRODUCTS:
            yield _noted(bridge)


def _linked(workload: Workload, bridge: Bridge) -> bool:
    return workload.namespace == bridge.namespace and workload.traits.service_links


def _variable(bridge: Bridge) -> str:
    return bridge.service.upper().replace("-", "_") + "_PORT"


def _value(bridge: Bridge) -> str:
    address = next(iter(bridge.cluster_ips), "CLUSTER-IP")
    return f"{_variable(bridge)}=tcp://{address}:{bridge.ports[0].port}"


def _read(workload: Workload, bridge: Bridge) -> Finding:
    return Finding(
        code=RULE.code,
        severity=Severity.WARN,
        object=workload.ref,
        summary=f"it reads the variable {_variable(bridge)} and does not set it: the kubelet does, "
        f"because of Service {bridge.service}: {_value(bridge)}",
        fix=f"set enableServiceLinks: false in its pod template, or set {_variable(bridge)} itself",
        bridge=bridge.ref,
    )


def _noted(bridge: Bridge) -> Finding:
    return Finding(
        code=RULE.code,
        severity=Severity.NOTE,
        object=f"Service/{bridge.ref}",
        summary=f"pods of namespace {bridge.namespace} get the variable {_value(bridge)}, which an "
        "image of that product may take for a setting of its own",
        fix="where an image minds: enableServiceLinks: false in the pod template, or another name "
        "for the Service",
        bridge=bridge.ref,
    )


RULE = Rule(
    code="KX155",
    line="the kubelet sets a variable named after a Service, and an image may read it",
    judge=judge,
)
