"""The fields of API objects that are read here, by kind. Kubernetes API reference, v1.35."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from k8sext.model.data import dataclass

# A tuple of types, a mapping of fields, or one of the three below.
Field: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Required:
    """A field that is always there."""

    field: Field


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of these."""

    field: Field


@dataclass(frozen=True, slots=True)
class Values:
    """An object with any keys, and values of these."""

    field: Field


@dataclass(frozen=True, slots=True)
class ObjectKind:
    """A kind of object, by its name."""

    name: str
    fields: Mapping[str, Field]


TEXT, NUMBER, FLAG, ANY = (str,), (int,), (bool,), (dict,)
TEXTS, NAMES = Values(TEXT), ListOf(TEXT)
PORT = (int, str)

_META = {
    "name": Required(TEXT), "namespace": TEXT, "uid": TEXT, "resourceVersion": TEXT,
    "creationTimestamp": TEXT, "deletionTimestamp": TEXT, "labels": TEXTS, "annotations": TEXTS,
    "ownerReferences": ListOf({"kind": TEXT, "name": TEXT, "uid": TEXT, "controller": FLAG}),
    "managedFields": ListOf({"manager": TEXT, "operation": TEXT, "time": TEXT, "fieldsV1": ANY,
                           "subresource": TEXT}),
}  # fmt: skip
_WHOLE = {"metadata": Required(_META)}
_HERE = {"metadata": Required({**_META, "namespace": Required(TEXT)})}  # of a namespace
ANY_KIND = _WHOLE

_SELECTOR = {
    "matchLabels": TEXTS,
    "matchExpressions": ListOf(
        {"key": Required(TEXT), "operator": Required(TEXT), "values": NAMES}
    ),
}
_REFERENCE = {"kind": TEXT, "namespace": TEXT, "name": TEXT, "uid": TEXT, "key": TEXT}
_VALUE_FROM = {"secretKeyRef": _REFERENCE, "configMapKeyRef": _REFERENCE}
_CONTAINER = {
    "name": TEXT, "image": TEXT, "command": NAMES, "args": NAMES,
    "env": ListOf({"name": Required(TEXT), "value": TEXT, "valueFrom": _VALUE_FROM}),
    "envFrom": ListOf({"prefix": TEXT, "configMapRef": _REFERENCE, "secretRef": _REFERENCE}),
    "volumeMounts": ListOf({"name": TEXT, "mountPath": TEXT, "subPath": TEXT}),
}  # fmt: skip
_SOURCES = {"configMap": {"name": TEXT, "items": ListOf({"key": TEXT, "path": TEXT})},
            "secret": {"secretName": TEXT, "name": TEXT,
                       "items": ListOf({"key": TEXT, "path": TEXT})}}  # fmt: skip
_POD_SPEC = {
    "nodeName": TEXT, "hostNetwork": FLAG, "serviceAccountName": TEXT,
    "containers": ListOf(_CONTAINER), "initContainers": ListOf(_CONTAINER),
    "volumes": ListOf({"name": TEXT, **_SOURCES, "projected": {"sources": ListOf(_SOURCES)}}),
    "nodeSelector": TEXTS,
}  # fmt: skip
_STATE = {
    "waiting": {"reason": TEXT, "message": TEXT},
    "running": {"startedAt": TEXT},
    "terminated": {"exitCode": NUMBER, "reason": TEXT, "message": TEXT, "startedAt": TEXT,
                   "finishedAt": TEXT},
}  # fmt: skip
_CONDITIONS = ListOf({"type": TEXT, "status": TEXT, "reason": TEXT, "message": TEXT,
                    "lastTransitionTime": TEXT})  # fmt: skip
_STATUSES = ListOf({"name": TEXT, "state": _STATE, "restartCount": NUMBER, "ready": FLAG})
_POD_STATUS = {
    "phase": TEXT, "podIP": TEXT, "hostIP": TEXT, "podIPs": ListOf({"ip": Required(TEXT)}),
    "reason": TEXT, "message": TEXT, "startTime": TEXT, "conditions": _CONDITIONS,
    "containerStatuses": _STATUSES, "initContainerStatuses": _STATUSES,
}  # fmt: skip
_TEMPLATE = {
    "metadata": {"labels": TEXTS, "annotations": TEXTS},
    "spec": _POD_SPEC,
}
_REPLICAS = {"replicas": NUMBER, "selector": _SELECTOR, "template": _TEMPLATE}
_JOB_SPEC = {"activeDeadlineSeconds": NUMBER, "template": _TEMPLATE, "suspend": FLAG}
_PORTS = ListOf({"name": TEXT, "port": NUMBER, "protocol": TEXT, "appProtocol": TEXT})
_ADDRESSES = ListOf({"ip": Required(TEXT), "hostname": TEXT, "nodeName": TEXT,
                   "targetRef": _REFERENCE})  # fmt: skip
_BALANCER = {"loadBalancer": {"ingress": ListOf({"ip": TEXT, "hostname": TEXT})}}
_BACKEND = {"service": {"name": TEXT, "port": {"name": TEXT, "number": NUMBER}},
            "resource": _REFERENCE}  # fmt: skip
_PEERS = ListOf({"podSelector": _SELECTOR, "namespaceSelector": _SELECTOR,
               "ipBlock": {"cidr": Required(TEXT), "except": NAMES}})  # fmt: skip
_RULE_PORTS = ListOf({"port": PORT, "endPort": NUMBER, "protocol": TEXT})

_SERVICE = {
    **_HERE,
    "spec": {
        "type": TEXT, "selector": TEXTS, "clusterIP": TEXT, "clusterIPs": NAMES,
        "externalName": TEXT, "externalIPs": NAMES, "ipFamilies": NAMES, "loadBalancerIP": TEXT,
        "internalTrafficPolicy": TEXT, "externalTrafficPolicy": TEXT, "sessionAffinity": TEXT,
        "publishNotReadyAddresses": FLAG, "loadBalancerSourceRanges": NAMES,
        "ports": ListOf({"name": TEXT, "port": Required(NUMBER), "targetPort": PORT,
                       "protocol": TEXT, "appProtocol": TEXT, "nodePort": NUMBER}),
    },
    "status": _BALANCER,
}  # fmt: skip
_SLICE = {
    **_HERE,
    "addressType": TEXT,
    "endpoints": ListOf({
        "addresses": NAMES, "nodeName": TEXT, "hostname": TEXT, "zone": TEXT,
        "conditions": {"ready": FLAG, "serving": FLAG, "terminating": FLAG},
        "targetRef": _REFERENCE,
    }),
    "ports": _PORTS,
}  # fmt: skip
_ENDPOINTS = {
    **_HERE,
    "subsets": ListOf({"addresses": _ADDRESSES, "notReadyAddresses": _ADDRESSES, "ports": _PORTS}),
}
_NODE = {
    **_WHOLE,
    "spec": {"podCIDR": TEXT, "podCIDRs": NAMES, "unschedulable": FLAG},
    "status": {"addresses": ListOf({"type": TEXT, "address": Required(TEXT)}),
               "conditions": _CONDITIONS},
}  # fmt: skip
_POLICY = {
    **_HERE,
    "spec": {"podSelector": _SELECTOR, "policyTypes": NAMES,
             "egress": ListOf({"to": _PEERS, "ports": _RULE_PORTS}),
             "ingress": ListOf({"from": _PEERS, "ports": _RULE_PORTS})},
}  # fmt: skip
_INGRESS = {
    **_HERE,
    "spec": {
        "ingressClassName": TEXT, "defaultBackend": _BACKEND,
        "rules": ListOf({"host": TEXT, "http": {"paths": ListOf(
            {"path": TEXT, "pathType": TEXT, "backend": _BACKEND})}}),
        "tls": ListOf({"hosts": NAMES, "secretName": TEXT}),
    },
    "status": _BALANCER,
}  # fmt: skip
_EVENT = {
    "metadata": {**_META, "name": TEXT},
    "involvedObject": _REFERENCE,
    "reason": TEXT,
    "message": TEXT,
    "type": TEXT,
}

KINDS: Mapping[str, ObjectKind] = {
    "services": ObjectKind("Service", _SERVICE),
    "endpoints": ObjectKind("Endpoints", _ENDPOINTS),
    "endpointslices": ObjectKind("EndpointSlice", _SLICE),
    "nodes": ObjectKind("Node", _NODE),
    "pods": ObjectKind("Pod", {**_HERE, "spec": _POD_SPEC, "status": _POD_STATUS}),
    "namespaces": ObjectKind("Namespace", {**_WHOLE, "status": {"phase": TEXT}}),
    "networkpolicies": ObjectKind("NetworkPolicy", _POLICY),
    "deployments": ObjectKind("Deployment", {**_HERE, "spec": _REPLICAS}),
    "statefulsets": ObjectKind("StatefulSet", {**_HERE, "spec": _REPLICAS}),
    "daemonsets": ObjectKind("DaemonSet", {**_HERE, "spec": _REPLICAS}),
    "jobs": ObjectKind("Job", {**_HERE, "spec": _JOB_SPEC, "status": {"conditions": _CONDITIONS}}),
    "cronjobs": ObjectKind("CronJob", {**_HERE, "spec": {"jobTemplate": {"spec": _JOB_SPEC}}}),
    "configmaps": ObjectKind("ConfigMap", {**_HERE, "data": TEXTS}),
    "secrets": ObjectKind("Secret", {**_HERE, "data": TEXTS, "type": TEXT}),
    "ingresses": ObjectKind("Ingress", _INGRESS),
    "ingressclasses": ObjectKind("IngressClass", {**_WHOLE, "spec": {"controller": TEXT}}),
    "events": ObjectKind("Event", _EVENT),
    "selfsubjectaccessreviews": ObjectKind("SelfSubjectAccessReview",
                                     {"status": Required({"allowed": FLAG, "denied": FLAG})}),
}  # fmt: skip
