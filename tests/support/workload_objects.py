"""Workloads as the API gives them, and the bridges that they use, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8sext.kube.snapshot import Snapshot
from k8sext.model.bridge import Bridge, CredentialRef, Endpoint, Kind, Port
from k8sext.model.workload import Use, Workload
from k8sext.workloads import view

Object = dict[str, Any]


def port(number: int, protocol: str = "tcp") -> Port:
    return Port(name="p", port=number, protocol=protocol, protocol_source="port name")


def bridge(service: str, number: int, *addresses: str, **more: Any) -> Bridge:
    """A selectorless Service; `secret` names its credentials."""
    secret = more.pop("secret", "")
    base: dict[str, Any] = {
        "namespace": "dev",
        "service": service,
        "kind": Kind.SELECTORLESS,
        "ports": (port(number),),
        "endpoints": tuple(Endpoint(address=a, port=number, port_name="p") for a in addresses),
        "credentials": CredentialRef(secret=secret) if secret else None,
    }
    return Bridge(**{**base, **more})


REDIS = bridge("redis-svc", 26379, "198.51.100.21", secret="redis-auth",
               cluster_ips=("198.19.3.7",))  # fmt: skip
RABBIT = bridge("rabbitmq-svc", 5672, "198.51.100.32")
SQL = bridge("postgresql-svc", 5432, "198.51.100.9", "2001:db8::9")
ELASTIC = bridge("elasticsearch-svc", 9200, "198.51.100.32")
ALIAS = bridge("mail-svc", 25, kind=Kind.EXTERNAL_NAME, external_name="mail.example.com")
HEADLESS = bridge("mysql-svc", 3306, "198.51.100.9", kind=Kind.HEADLESS, endpoints=(
    Endpoint(address="198.51.100.9", port=13306, port_name="p"),))  # fmt: skip
BRIDGES = (REDIS, RABBIT, SQL, ELASTIC, ALIAS, HEADLESS)


def env(**values: str) -> list[Object]:
    """Environment with values."""
    return [{"name": name, "value": value} for name, value in values.items()]


def from_secret(name: str, secret: str, key: str = "password") -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def container(*variables: Object, **more: Any) -> Object:
    return {"name": "app", "env": list(variables), **more}


def deployment(*containers: Object, name: str = "shop", kind: str = "Deployment",
               pod: Mapping[str, Any] | None = None, **meta: Any) -> Object:  # fmt: skip
    """A workload of one kind; `pod` is merged into its pod spec."""
    template = {"spec": {"containers": list(containers), **(pod or {})}}
    spec: Object = {"template": template}
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    return {"kind": kind, "metadata": {"name": name, "namespace": "dev", **meta}, "spec": spec}


def mounted(**maps: Mapping[str, str]) -> tuple[Object, list[Object]]:
    """(a deployment with these ConfigMaps as volumes, the ConfigMaps)."""
    mounts = [{"name": name, "mountPath": f"/etc/{name}"} for name in maps]
    volumes = [{"name": name, "configMap": {"name": name}} for name in maps]
    made = deployment(container(volumeMounts=mounts), pod={"volumes": volumes})
    return made, [configmap(name, data) for name, data in maps.items()]


def configmap(name: str, data: Mapping[str, str]) -> Object:
    return {"metadata": {"name": name, "namespace": "dev"}, "data": dict(data)}


def owned_pod(
    name: str,
    owner: Object | None,
    node: str,
    spec: Object | None = None,
    labels: Mapping[str, str] | None = None,
    phase: str = "Running",
) -> Object:
    """A pod of a workload on a node."""
    meta = {"name": name, "namespace": "dev", "labels": dict(labels or {})}
    owners = [{**owner, "controller": True}] if owner else []
    return {
        "metadata": {**meta, "ownerReferences": owners},
        "spec": {"nodeName": node, **(spec or {})},
        "status": {"phase": phase},
    }


def snapshot(*workloads: Object, configmaps: Sequence[Object] = (), pods: Sequence[Object] = (),
             bridges: Sequence[Bridge] = BRIDGES, services: Sequence[str] = (),
             namespace: str | None = "dev") -> Snapshot:  # fmt: skip
    """A snapshot whose Services are those of the bridges and some more."""
    names = [(b.namespace, b.service) for b in bridges] + [("dev", name) for name in services]
    return Snapshot(
        services=tuple({"metadata": {"namespace": n, "name": s}} for n, s in names),
        workloads=workloads,
        configmaps=tuple(configmaps),
        pods=tuple(pods),
        namespace=namespace,
    )


def seen(*workloads: Object, bridges: Sequence[Bridge] = BRIDGES, **more: Any) -> list[Workload]:
    """The workloads of a view."""
    objects = snapshot(*workloads, bridges=bridges, **more)
    return list(view.view(objects, bridges).workloads)


def uses(*containers: Object, **more: Any) -> list[Use]:
    """The uses of one deployment with these containers."""
    return [u for w in seen(deployment(*containers), **more) for u in w.uses]


def uses_of_text(text: str, name: str = "application.yml", **more: Any) -> list[Use]:
    """The uses of a deployment that mounts one ConfigMap with this text."""
    made, maps = mounted(cfg={name: text})
    return [u for w in seen(made, configmaps=maps, **more) for u in w.uses]
