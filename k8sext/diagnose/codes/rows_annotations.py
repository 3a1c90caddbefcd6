"""The rows of annotations of ours: what somebody asked for and nobody has looked at."""

from __future__ import annotations

from k8sext.model.words import Culprit

from .row import WARN, Row

BAD_EXPECTATION = Row(
    "KX722", Culprit.MANIFEST,
    "what Service {service} expects cannot be checked: {detail}",
    "write k8sext.io/expect as a JSON object with the keys that `k8sext checks` lists, for "
    "example: kubectl annotate service -n {namespace!q} {service!q} --overwrite "
    "k8sext.io/expect='{{\"version\":\">=1\"}}'",
)  # fmt: skip
UNREAD = Row(
    "KX723", Culprit.MANIFEST,
    "an annotation of Service {service} cannot be used: {detail}",
    "correct it: kubectl edit service -n {namespace!q} {service!q}; `k8sext checks` lists the "
    "protocols and what each can expect",
)  # fmt: skip
UNKNOWN = Row(
    "KX724", Culprit.MANIFEST,
    "an annotation of Service {service} has no effect: {detail}",
    "correct or remove it: kubectl edit service -n {namespace!q} {service!q}", WARN,
)  # fmt: skip
