"""The rows of callbacks: whom a system outside calls back, and what is wrong with it."""

from __future__ import annotations

from k8sext.model.words import Culprit

from .row import WARN, Row

# Whom a system outside calls back; `advice` is what the check knows of its product.
_ANNOUNCE = "let the application announce an address that the outside reaches{advice}"
UNUSABLE = Row(
    "KX803", Culprit.CALLBACK,
    "{caller} is told to call addresses that lead nowhere from its host: {entries}", _ANNOUNCE,
)  # fmt: skip
GONE = Row(
    "KX804", Culprit.CALLBACK,
    "{caller} still knows addresses of pods that are gone: {entries}",
    "wait for the entries to time out, or remove them there; let the application deregister when "
    "it is stopped", WARN,
)  # fmt: skip
NO_WAY_BACK = Row(
    "KX805", Culprit.CALLBACK,
    "{caller} cannot call back what runs in this cluster: {entries}", _ANNOUNCE,
)  # fmt: skip
NO_SUCH_NODE = Row(
    "KX806", Culprit.CALLBACK,
    "{caller} is told to call a node, or a port of one, that is not there: {entries}",
    "register the address of a node that exists and the node port that the Service has now: "
    "kubectl get nodes -o wide; kubectl get services -A{advice}",
)  # fmt: skip
ONE_SIDED_NAME = Row(
    "KX807", Culprit.CALLBACK,
    "{caller} is told to call names that mean something in this cluster only: {entries}", _ANNOUNCE,
)  # fmt: skip
TARGET_UNWELL = Row(
    "KX808", Culprit.CALLBACK, "{caller} does not get what it wants from {entries}",
    "look at those targets themselves: their path, port, login and certificate", WARN,
)  # fmt: skip
INDISTINCT = Row(
    "KX809", Culprit.CALLBACK,
    "{caller} takes several replicas for one, as they stand behind one address: {entries}",
    "give it every pod by itself{advice}", WARN,
)  # fmt: skip
LIKELY_NO_WAY_BACK = Row(
    "KX810", Culprit.CALLBACK,
    "{caller} likely cannot call back what runs in this cluster: {entries}", _ANNOUNCE, WARN,
)  # fmt: skip
ANOTHER_CALLER = Row(
    "KX811", Culprit.SERVER_CONFIG,
    "several schedulers share the database of {caller}, and not all of them reach the executors: "
    "{entries}",
    "if the scheduler whose calls fail was started on that database by mistake, stop it; if it "
    "belongs there, open its way to these executors",
)  # fmt: skip
