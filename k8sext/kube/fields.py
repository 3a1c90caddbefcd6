"""The fields of API objects that are read here, by kind. Kubernetes API reference, v1.35."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

# A tuple of types, a mapping of fields, or one of the three below.
Field: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Required:
    """A field that is always there."""

    field: Field


@dataclass(frozen=True, slots=True)
class Item:
    """A list of these."""

    field: Field


@dataclass(frozen=True, slots=True)
class Values:
    """An object with any keys, and values of these."""

    field: Field


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object, by its name."""

    name: str
    fields: Mapping[str, Field]


TEXT, NUMBER, FLAG, ANY = (str,), (int,), (bool,), (dict,)
TEXTS, NAMES = Values(TEXT), Item(TEXT)
PORT = (int, str)

_META = {
    "name": Required(TEXT), "namespace": TEXT, "uid": TEXT, "resourceVersion": TEXT,
    "creationTimestamp": TEXT, "deletionTimestamp": TEXT, "labels": TEXTS, "annotations": TEXTS,
    "ownerReferences": Item({"kind": TEXT, "name": TEXT, "uid": TEXT, "controller": FLAG}),
    "managedFields": Item({"manager": TEXT, "operation": TEXT, "time": TEXT, "fieldsV1": ANY,
                           "subresource": TEXT}),
}  # fmt: skip
_WHOLE = {"metadata": Required(_META)}
_HERE = {"metadata": Required({**_META, "namespace": Required(TEXT)})}  # of a namespace
ANY_KIND = _WHOLE

_SELECTOR = {
    "matchLabels": TEXTS,
    "matchExpressions": Item({"key": Required(TEXT), "operator": Required(TEXT), "values": NAMES}),
}
_REFERENCE = {"kind": TEXT, "namespace": TEXT, "name": TEXT, "uid": TEXT, "key": TEXT}
_VALUE_FROM = {"secretKeyRef": _REFERENCE, "configMapKeyRef": _REFERENCE}
_CONTAINER = {
    "name": TEXT, "image": TEXT, "command": NAMES, "args": NAMES,
    "env": Item({"name": Required(TEXT), "value": TEXT, "valueFrom": _VALUE_FROM}),
    "envFrom": Item({"prefix": TEXT, "configMapRef": _REFERENCE, "secretRef": _REFERENCE}),
    "volumeMounts": Item({"name": TEXT, "mountPath": TEXT, "subPath": TEXT}),
}  # fmt: skip
_SOURCES = {"configMap": {"name": TEXT, "items": Item({"key": TEXT, "path": TEXT})},
            "secret": {"secretName": TEXT, "name": TEXT,
                       "items": Item({"key": TEXT, "path": TEXT})}}  # fmt: skip
_POD_SPEC = {
    "nodeName": TEXT, "hostNetwork": FLAG, "serviceAccountName": TEXT,
    "containers": Item(_CONTAINER), "initContainers": Item(_CONTAINER),
    "volumes": Item({"name": TEXT, **_SOURCES, "projected": {"sources": Item(_SOURCES)}}),
    "nodeSelector": TEXTS,
}  # fmt: skip
_STATE = {
    "waiting": {"reason": TEXT, "message": TEXT},
    "running": {"startedAt": TEXT},
    "terminated": {"exitCode": NUMBER, "reason": TEXT, "message": TEXT, "startedAt": TEXT,
                   "finishedAt": TEXT},
}  # fmt: skip
_CONDITIONS = Item({"type": TEXT, "status": TEXT, "reason": TEXT, "message": TEXT,
                    "lastTransitionTime": TEXT})  # fmt: skip
_STATUSES = Item({"name": TEXT, "state": _STATE, "restartCount": NUMBER, "ready": FLAG})
_POD_STATUS = {
    "phase": TEXT, "podIP": TEXT, "hostIP": TEXT, "podIPs": Item({"ip": Required(TEXT)}),
    "reason": TEXT, "message": TEXT, "startTime": TEXT, "conditions": _CONDITIONS,
    "containerStatuses": _STATUSES, "initContainerStatuses": _STATUSES,
}  # fmt: skip
_TEMPLATE = {
    "metadata": {"labels": TEXTS, "annotations": TEXTS},
    "spec": _POD_SPEC,
}
_REPLICAS = {"replicas": NUMBER, "selector": _SELECTOR, "template": _TEMPLATE}
_JOB_SPEC = {"activeDeadlineSeconds": NUMBER, "template": _TEMPLATE, "suspend": FLAG}
_PORTS = Item({"name": TEXT, "port": NUMBER, "protocol": TEXT, "appProtocol": TEXT})
_ADDRESSES = Item({"ip": Required(TEXT), "hostname": TEXT, "nodeName": TEXT,
                   "targetRef": _REFERENCE})  # fmt: skip
_BALANCER = {"loadBalancer": {"ingress": Item({"ip": TEXT, "hostname": TEXT})}}
_BACKEND = {"service": {"name": TEXT, "port": {"name": TEXT, "number": NUMBER}},
            "resource": _REFERENCE}  # fmt: skip
_PEERS = Item({"podSelector": _SELECTOR, "namespaceSelector": _SELECTOR,
               "ipBlock": {"cidr": Required(TEXT), "except": NAMES}})  # fmt: skip
_RULE_PORTS = Item({"port": PORT, "endPort": NUMBER, "protocol": TEXT})

_SERVICE = {
    **_HERE,
    "spec": {
        "type": TEXT, "selector": TEXTS, "clusterIP": TEXT, "clusterIPs": NAMES,
        "externalName": TEXT, "externalIPs": NAMES, "ipFamilies": NAMES, "loadBalancerIP": TEXT,
        "internalTrafficPolicy": TEXT, "externalTrafficPolicy": TEXT, "sessionAffinity": TEXT,
        "publishNotReadyAddresses": FLAG, "loadBalancerSourceRanges": NAMES,
        "ports": Item({"name": TEXT, "port": Required(NUMBER), "targetPort": PORT,
                       "protocol": TEXT, "appProtocol": TEXT, "nodePort": NUMBER}),
    },
    "status": _BALANCER,
}  # fmt: skip
_SLICE = {
    **_HERE,
    "addressType": TEXT,
    "endpoints": Item({
        "addresses": NAMES, "nodeName": TEXT, "hostname": TEXT, "zone": TEXT,
        "conditions": {"ready": FLAG, "serving": FLAG, "terminating": FLAG},
        "targetRef": _REFERENCE,
    }),
    "ports": _PORTS,
}  # fmt: skip
_ENDPOINTS = {
    **_HERE,
    "subsets": Item({"addresses": _ADDRESSES, "notReadyAddresses": _ADDRESSES, "ports": _PORTS}),
}
_NODE = {
    **_WHOLE,
    "spec": {"podCIDR": TEXT, "podCIDRs": NAMES, "unschedulable": FLAG},
    "status": {"addresses": Item({"type": TEXT, "address": Required(TEXT)}),
               "conditions": _CONDITIONS},
}  # fmt: skip
_POLICY = {
    **_HERE,
    "spec": {"podSelector": _SELECTOR, "policyTypes": NAMES,
             "egress": Item({"to": _PEERS, "ports": _RULE_PORTS}),
             "ingress": Item({"from": _PEERS, "ports": _RULE_PORTS})},
}  # fmt: skip
_INGRESS = {
    **_HERE,
    "spec": {
        "ingressClassName": TEXT, "defaultBackend": _BACKEND,
        "rules": Item({"host": TEXT, "http": {"paths": Item(
            {"path": TEXT, "pathType": TEXT, "backend": _BACKEND})}}),
        "tls": Item({"hosts": NAMES, "secretName": TEXT}),
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

KINDS: Mapping[str, Kind] = {
    "services": Kind("Service", _SERVICE),
    "endpoints": Kind("Endpoints", _ENDPOINTS),
    "endpointslices": Kind("EndpointSlice", _SLICE),
    "nodes": Kind("Node", _NODE),
    "pods": Kind("Pod", {**_HERE, "spec": _POD_SPEC, "status": _POD_STATUS}),
    "namespaces": Kind("Namespace", {**_WHOLE, "status": {"phase": TEXT}}),
    "networkpolicies": Kind("NetworkPolicy", _POLICY),
    "deployments": Kind("Deployment", {**_HERE, "spec": _REPLICAS}),
    "statefulsets": Kind("StatefulSet", {**_HERE, "spec": _REPLICAS}),
    "daemonsets": Kind("DaemonSet", {**_HERE, "spec": _REPLICAS}),
    "jobs": Kind("Job", {**_HERE, "spec": _JOB_SPEC, "status": {"conditions": _CONDITIONS}}),
    "cronjobs": Kind("CronJob", {**_HERE, "spec": {"jobTemplate": {"spec": _JOB_SPEC}}}),
    "configmaps": Kind("ConfigMap", {**_HERE, "data": TEXTS}),
    "secrets": Kind("Secret", {**_HERE, "data": TEXTS, "type": TEXT}),
    "ingresses": Kind("Ingress", _INGRESS),
    "ingressclasses": Kind("IngressClass", {**_WHOLE, "spec": {"controller": TEXT}}),
    "events": Kind("Event", _EVENT),
    "selfsubjectaccessreviews": Kind("SelfSubjectAccessReview",
                                     {"status": Required({"allowed": FLAG, "denied": FLAG})}),
}  # fmt: skip
