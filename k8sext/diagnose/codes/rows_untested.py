"""The rows of what was not looked at, and how to tell us what there is (KX922 to KX925).

Their codes are listed in k8sext.model.diagnosis.NOT_TESTED: reports and gates look there.
"""

from __future__ import annotations

from k8sext.model.words import Culprit

from .row import NOTE, Row

_PORTS = (
    "kubectl annotate service -n {namespace!q} {service!q} --overwrite k8sext.io/ports={example!p} "
    "(`k8sext checks` lists the protocols)"
)
TRANSPORT = Row(
    "KX922", Culprit.TOOL_ENVIRONMENT,
    "port {port} of Service {service} was not tested: it is {transport}, and k8sext connects by "
    "TCP only",
    "ask its server with a client of its own; if it takes TCP on this port as well, give the "
    "Service a TCP port for it; to accept this: kubectl annotate service -n {namespace!q} "
    "{service!q} "
    "--overwrite k8sext.io/ignore='KX922 not tested by k8sext'",
    NOTE,
)  # fmt: skip
NO_PORT = Row(
    "KX923", Culprit.TOOL_ENVIRONMENT,
    "Service {service} names no port, so no more than its name was looked at",
    "say which port and protocol, for example 5432/postgresql: " + _PORTS, NOTE,
)  # fmt: skip
GUESS = Row(
    "KX924", Culprit.TOOL_ENVIRONMENT,
    "Service {service} names no port; port {port} is a guess ({guessed_from}), and no {protocol} "
    "answers there: {detail}",
    "say which port it is: " + _PORTS, NOTE,
)  # fmt: skip
NOT_FROM_HERE = Row(
    "KX925", Culprit.TOOL_ENVIRONMENT,
    "Service {service} was not tested: from here only addresses can be connected to, and it has "
    "none",
    "--from pod asks by its name, as applications do", NOTE,
)  # fmt: skip
