"""Rows of what leads to a bridge from outside: Ingresses and node ports. See `fronts.py`."""

from __future__ import annotations

from k8sext.model.words import Culprit

from .row import NOTE, WARN, Row

_PATCH = "kubectl patch ingress -n {namespace!q} {ingress!q} --type=json -p "

BACKEND_PORT = Row(
    "KX330", Culprit.MANIFEST,
    "Ingress {ingress} leads {leads} to port {port} of Service {service}, which has no such port: "
    "it has {service_ports}",
    "correct backend.service.port of Ingress {ingress}: kubectl edit ingress -n {namespace!q} "
    "{ingress!q} (a name goes into `name`, a number into `number`)",
)  # fmt: skip
NO_CLASS = Row(
    "KX331", Culprit.MANIFEST,
    "nobody has taken Ingress {ingress}: it names no class, and no controller has given it an "
    "address",
    _PATCH + '\'[{{"op":"add","path":"/spec/ingressClassName","value":"CLASS"}}]\' with a CLASS of '
    "kubectl get ingressclasses",
)  # fmt: skip
CLASS_MISSING = Row(
    "KX331", Culprit.MANIFEST,
    "nobody takes Ingress {ingress}: its class {class} does not exist",
    _PATCH + '\'[{{"op":"add","path":"/spec/ingressClassName","value":"CLASS"}}]\' with a CLASS of '
    "kubectl get ingressclasses, or install the controller of {class}",
)  # fmt: skip
UNSERVED = Row(
    "KX331", Culprit.MANIFEST,
    "likely nobody serves Ingress {ingress}: no controller of class {class} has given it an "
    "address{controller}",
    "see whether the controller runs and watches this namespace: kubectl get pods -A | grep -i "
    "ingress; kubectl describe ingress -n {namespace!q} {ingress!q}",
)  # fmt: skip
NOT_LED_AT_ALL = Row(
    "KX332", Culprit.MANIFEST,
    "no Ingress leads {wanted} to Service {service}{others}",
    "correct the host or path of the Ingress, or the annotation k8sext.io/ingress (in a file: "
    "`ingress.host`); or make one: k8sext provision {service!q} … --ingress {wanted!q}",
)  # fmt: skip
NOT_LED = Row(
    "KX332", Culprit.MANIFEST,
    "the ingress controller at {address} does not lead {leads} here: it answers {status}, where "
    "the bridge itself answers {direct}",
    "compare host and path of Ingress {ingress} with what people open, and see what its controller "
    "says of it: kubectl describe ingress -n {namespace!q} {ingress!q}",
)  # fmt: skip
RIVALS = Row(
    "KX332", Culprit.MANIFEST,
    "Ingress {ingress} and {rivals} both claim {leads}: which one is used, nobody says",
    "take {leads} out of one of them: kubectl get ingress -n {namespace!q}",
)  # fmt: skip
WRONG_CERTIFICATE = Row(
    "KX333", Culprit.TLS,
    "https://{leads} shows a certificate for {names}: it is not that of Ingress {ingress}",
    "kubectl create secret tls -n {namespace!q} {secret!q} --cert=FILE --key=FILE, of a "
    "certificate "
    "for {host}, in the Ingress's own namespace",
)  # fmt: skip
CERTIFICATE_DATES = Row(
    "KX333", Culprit.TLS,
    "https://{leads} shows a certificate that browsers refuse: {detail}",
    "renew the certificate in Secret {secret} (namespace {namespace})",
)  # fmt: skip
CERTIFICATE_SOON = Row(
    "KX333", Culprit.TLS,
    "the certificate of https://{leads} expires soon: {detail}",
    "renew the certificate in Secret {secret} (namespace {namespace})",
)  # fmt: skip
TLS_FAILS = Row(
    "KX333", Culprit.TLS,
    "the TLS handshake with the ingress controller at {address} fails for {host}: {detail}",
    "see whether Secret {secret} is there, of type kubernetes.io/tls and for {host}: kubectl get "
    "secret -n {namespace!q} {secret!q}",
)  # fmt: skip
TLS_OTHER_HOST = Row(
    "KX333", Culprit.TLS,
    "Ingress {ingress} has TLS for {tls_hosts} and not for {host}: https://{leads} shows the "
    "controller's own certificate",
    "add {host} to spec.tls of Ingress {ingress}: kubectl edit ingress -n {namespace!q} "
    "{ingress!q}",
)  # fmt: skip
REDIRECTS = Row(
    "KX333", Culprit.TLS,
    "the ingress controller sends {leads} on to {location}, and Ingress {ingress} has no TLS for "
    "{host}",
    "give Ingress {ingress} a certificate (spec.tls), or switch the controller's redirection off",
)  # fmt: skip
NO_BACKEND = Row(
    "KX334", Culprit.CLUSTER_NETWORK,
    "the ingress controller at {address} answers {status} for {leads}: it has no endpoint to send "
    "it to, where the bridge itself answers {direct}",
    "see what the controller says of it: kubectl describe ingress -n {namespace!q} {ingress!q}, "
    "and "
    "its log; compare the port names of Service {service} and its EndpointSlices",
)  # fmt: skip
GATEWAY = Row(
    "KX334", Culprit.PATH,
    "the ingress controller at {address} does not reach what is behind {service}: {status} for "
    "{leads}, where the bridge itself answers {direct} from the probe's pod",
    "allow the controller to connect: on the firewall in front of the server, and in "
    "NetworkPolicies of the controller's namespace; its log names the address that it tried",
)  # fmt: skip
SPEAKS_TLS = Row(
    "KX334", Culprit.MANIFEST,
    "the ingress controller at {address} speaks HTTP to a server that wants HTTPS: {status} for "
    "{leads}, where the bridge itself answers {direct}",
    "say it to the controller (ingress-nginx: annotation backend-protocol)",
    command="kubectl annotate --overwrite ingress -n {namespace!q} {ingress!q} "
    "nginx.ingress.kubernetes.io/backend-protocol=HTTPS",
)  # fmt: skip
DIFFERS = Row(
    "KX334", Culprit.CLUSTER_NETWORK,
    "through the ingress controller at {address} {leads} answers {status}, and the bridge itself "
    "{direct}",
    "look at the controller's log, and at the annotations of Ingress {ingress}",
)  # fmt: skip
OUTSIDE_REFUSED = Row(
    "KX335",
    Culprit.MANIFEST,
    "the ingress controller at {address} answers {status} for {leads}, where the bridge itself "
    "answers {direct}: likely it does not lead to ExternalName Services, as many forbid it",
    "make it a Service with addresses: k8sext provision {service!q} -n {namespace!q} --to "
    "ADDRESS:PORT "
    "--adopt; or allow it at the controller (Traefik: allowExternalNameServices)",
)  # fmt: skip
OUTSIDE_NAME = Row(
    "KX335", Culprit.MANIFEST,
    "Ingress {ingress} leads to an ExternalName Service, which many controllers forbid or handle "
    "in their own way",
    "make it a Service with addresses: k8sext provision {service!q} -n {namespace!q} --to "
    "ADDRESS:PORT "
    "--adopt; or allow it at the controller (Traefik: allowExternalNameServices)",
)  # fmt: skip
NODE_PORT_LOCAL = Row(
    "KX336", Culprit.MANIFEST,
    "node port {node_port} leads nowhere: Service {service} has externalTrafficPolicy Local, and "
    "an address outside the cluster is local to no node ({nodes})",
    "set externalTrafficPolicy to Cluster",
    command="kubectl patch service -n {namespace!q} {service!q} "
    "-p '{{\"spec\":{{\"externalTrafficPolicy\":\"Cluster\"}}}}'",
)  # fmt: skip
NODE_PORT_DEAD = Row(
    "KX336", Culprit.CLUSTER_NETWORK,
    "node port {node_port} of Service {service} does not answer on any node ({nodes}): {detail}",
    "check kube-proxy or the CNI on the nodes, and firewalls before {node_port}",
)  # fmt: skip
NODE_PORT_PART = Row(
    "KX336", Culprit.CLUSTER_NETWORK,
    "node port {node_port} of Service {service} does not answer on {nodes}: {detail}",
    "check kube-proxy or the CNI on {nodes}, and firewalls before {node_port}; whoever balances "
    "over the nodes loses a share of connections",
)  # fmt: skip
CONTROLLER = Row(
    "KX337", Culprit.CLUSTER_NETWORK,
    "the ingress controller does not answer at {address}, which the status of Ingress {ingress} "
    "names: {detail}",
    "see whether the controller runs, and whether pods may reach that address at all: a balancer "
    "before the cluster may serve those outside only",
    WARN,
)  # fmt: skip
OLD_FORM = Row(
    "KX338", Culprit.MANIFEST,
    "Ingress {ingress} was applied from a manifest of {applied_as}, which no server since "
    "Kubernetes 1.22 takes: it cannot be applied again",
    "write the manifest in networking.k8s.io/v1 (kubectl get ingress -n {namespace!q} "
    "{ingress!q} -o "
    "yaml), or have it written: k8sext provision {service!q} … --ingress {host!q}",
    NOTE,
)  # fmt: skip

# Told as warnings: likely only, or nobody is kept from the page.
WEAKER = (
    OUTSIDE_NAME,
    UNSERVED,
    RIVALS,
    CERTIFICATE_SOON,
    TLS_OTHER_HOST,
    REDIRECTS,
    DIFFERS,
    NODE_PORT_PART,
)
