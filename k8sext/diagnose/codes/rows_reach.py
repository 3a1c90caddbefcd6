"""The rows of names and of the way to the server: KX2xx and KX3xx."""

from __future__ import annotations

from k8sext.model.words import Culprit, Reason

from .row import NOTE, WARN, Row

# Where the name does not lead to an address.
NAMES: dict[Reason, Row] = {
    Reason.NAME_NOT_FOUND: Row(
        "KX201", Culprit.MANIFEST, "{name} does not resolve: {detail}",
        "if {alias} is misspelt, correct spec.externalName of Service {service}; if not, add it to "
        "its DNS zone",
    ),
    Reason.NAME_NO_ADDRESS: Row(
        "KX202", Culprit.MANIFEST, "{name} resolves to no address: {detail}",
        "give the Service ready endpoints (kubectl get endpointslices -n {namespace!q} -l "
        "kubernetes.io/service-name={service!p}), or the outside name an A record",
    ),
    Reason.DNS_TIMED_OUT: Row(
        "KX203", Culprit.CLUSTER_DNS, "cluster DNS does not answer for {name}: {detail}",
        "kubectl get pods -n kube-system -l k8s-app=kube-dns; check policies on UDP and TCP 53",
    ),
    Reason.DNS_SERVER_FAILURE: Row(
        "KX205", Culprit.CLUSTER_DNS, "DNS gives an error for {name}: {detail}",
        "check CoreDNS (kubectl logs -n kube-system -l k8s-app=kube-dns), the server that it "
        "forwards to, and for an outside name the servers of its zone",
    ),
    Reason.NAME_NOT_A_NAME: Row(
        "KX204", Culprit.MANIFEST, "{misnamed}",
        "an ExternalName must be a host name; for an address the Service needs endpoints",
        command="k8sext provision {service!q} -n {namespace!q} --to {alias_address!q} --protocol "
        "{protocol!q} --adopt",
    ),
}  # fmt: skip

# Both ways fail alike, or there is only one way.
PATHS: dict[Reason, Row] = {
    Reason.REFUSED: Row(
        "KX301", Culprit.SERVER_HOST, "{target} refuses connections: likely nothing listens there",
        "on the host of {target} start the server, or make it listen on that address and port "
        "(a server bound to 127.0.0.1 refuses everybody else); if it does listen, a firewall "
        "rejects",
    ),
    Reason.TIMED_OUT: Row(
        "KX302", Culprit.PATH, "nothing comes back from {target}",
        "check that {host} is up; if it is, a firewall drops the packets: allow TCP {port} from "
        "{sources}",
    ),
    Reason.NO_ROUTE: Row(
        "KX308", Culprit.PATH, "{target} cannot be reached (no route to host): a route "
        "is missing, the host is down, or a firewall rejects",
        "on {here}: ip route get {host!q}; ping {host!q}; then add the route, start the host or "
        "allow "
        "TCP {port} at the firewall, or correct the address of Service {service}",
    ),
    Reason.NOT_PERMITTED: Row(
        "KX309", Culprit.CLUSTER_NETWORK, "the cluster's network forbids {target}",
        "allow egress to {host} TCP {port} in the network policies of namespace {namespace}",
    ),
    Reason.RESET: Row(
        "KX310", Culprit.PATH, "{target} resets the connection at once",
        "look for a firewall that rejects with a reset, or a proxy in front of {host}",
    ),
}  # fmt: skip

# The two ways differ, or the objects explain it.
NO_BACKEND = Row(
    "KX303", Culprit.CLUSTER_NETWORK,
    "{name} is refused inside the cluster while {target} accepts: the Service has no backend",
    "if Service {service} is new, run k8sext again; or check kube-proxy or the CNI on node {node}",
)  # fmt: skip
PORT_NAME = Row(
    "KX304", Culprit.MANIFEST,
    "the port names differ: Service {service} has {service_ports}, its endpoints have "
    "{endpoint_ports}",
    "give both the same name",
    command="kubectl patch service -n {namespace!q} {service!q} --type=json -p '[{{\"op\":\"add\","
    "\"path\":\"/spec/ports/{port_index}/name\",\"value\":\"{endpoint_port!j}\"}}]'",
)  # fmt: skip
NO_ENDPOINTS = Row(
    "KX305", Culprit.MANIFEST, "Service {service} has no endpoints: nothing stands behind its name",
    "give it the ADDRESS of your server (--adopt takes over the Service that is there): k8sext "
    "provision {service!q} -n {namespace!q} --to ADDRESS:{port!p} --protocol {protocol!q} --adopt",
)  # fmt: skip
NAME_TIMES_OUT = Row(
    "KX306", Culprit.CLUSTER_NETWORK, "{name} times out inside the cluster while {target} accepts",
    "check kube-proxy or the CNI on node {node}, and policies on the Service's cluster IP",
)  # fmt: skip
PARTIAL = Row(
    "KX307", Culprit.SERVER_HOST,
    "{dead} of {all} addresses {does} not work ({causes}): about {share} % of connections fail",
    "{mend}; until that is done take {host} out of {place}: Kubernetes does not check outside "
    "addresses, so connections still go there",
)  # fmt: skip
ONLY_BY_NAME = Row(
    "KX312", Culprit.CLUSTER_NETWORK, "only the name works, {target} itself cannot be reached",
    "nothing to do: a mesh or a policy lets only the Service through", NOTE,
)  # fmt: skip
POLICY = Row(
    "KX309", Culprit.CLUSTER_NETWORK,
    "NetworkPolicy forbids the probe to connect to {target}: {policies}",
    "allow egress to {block} TCP {port} in NetworkPolicy {policy}; if its podSelector selects "
    "the probe and none of your workloads, only this test is affected",
)  # fmt: skip

SERVICE_UNKNOWN = Row(
    "KX206", Culprit.CLUSTER_DNS,
    "cluster DNS does not know {name}, although Service {service} exists: {detail}",
    "kubectl logs -n kube-system -l k8s-app=kube-dns (can CoreDNS list Services?), and look at "
    "dnsPolicy and the search list: kubectl exec -n {namespace!q} YOUR-POD -- cat /etc/resolv.conf",
)  # fmt: skip
ORIGIN_MOVED = Row(
    "KX207", Culprit.MANIFEST,
    "{origin} now leads to {now}, but Service {service} still leads to {stale}",
    "{where}: write {now} in place of {stale}, or lead the bridge there anew",
    WARN,
    command="{lead_anew}",
)  # fmt: skip
ORIGIN_UNKNOWN = Row(
    "KX208", Culprit.MANIFEST,
    "the origin of Service {service} does not resolve in the cluster: {detail}",
    "correct the annotation k8sext.io/origin, or let cluster DNS forward the zone of {origin}",
    NOTE,
)  # fmt: skip
NOT_READY = Row(
    "KX315", Culprit.MANIFEST,
    "every endpoint of {service} is marked not ready, so nothing is sent on from {name}{state}",
    "if they are meant to serve, take conditions.ready out of its EndpointSlice (unset is ready)",
    command="{make_ready}",
)  # fmt: skip
NOT_READY_NAME = Row(
    "KX315", Culprit.MANIFEST,
    "every endpoint of {service} is marked not ready, so the name {service} has no address{state}",
    "if they are meant to serve, take conditions.ready out of its EndpointSlice (unset is ready)",
    command="{make_ready}",
)  # fmt: skip
LOCAL_TRAFFIC = Row(
    "KX319", Culprit.MANIFEST,
    "Service {service} has internalTrafficPolicy Local, and an address outside the cluster is "
    "local to no node: {name} leads nowhere while {target} accepts",
    "set internalTrafficPolicy to Cluster",
    command="kubectl patch service -n {namespace!q} {service!q} "
    "-p '{{\"spec\":{{\"internalTrafficPolicy\":\"Cluster\"}}}}'",
)  # fmt: skip
NOT_MIRRORED = Row(
    "KX320", Culprit.MANIFEST,
    "Service {service} has Endpoints and no EndpointSlice, and kube-proxy reads slices only: "
    "{name} is refused while {target} accepts",
    "let the control plane mirror the Endpoints",
    command="kubectl label endpoints -n {namespace!q} {service!q} "
    "endpointslice.kubernetes.io/skip-mirror-",
)  # fmt: skip
VIRTUAL = Row(
    "KX322", Culprit.MANIFEST,
    "the endpoint {virtual} of Service {service} is the cluster IP of another Service, and "
    "kube-proxy does not lead from one to the other: {name} leads nowhere while {virtual} accepts",
    "name the address of the real host: k8sext provision {service!q} -n {namespace!q} --to "
    "ADDRESS:{port!p} --adopt; or use the other Service's own name",
)  # fmt: skip
HEADLESS_PORT = Row(
    "KX321", Culprit.MANIFEST,
    "Service {service} is headless and says port {service_port}, its endpoints say {port}: nothing "
    "maps one to the other",
    "let the Service say the port of its endpoints",
    WARN,
    command="kubectl patch service -n {namespace!q} {service!q} --type=json -p '[{{\"op\":"
    "\"replace\",\"path\":\"/spec/ports/{port_index}/port\",\"value\":{port}}}]'",
)  # fmt: skip
REACHED = Row(
    "KX317", Culprit.PATH, "{name} must not be reachable, but it is: {target} {how}",
    "on the firewall before {host} deny TCP {port} from {sources}, or drop expect.unreachable",
)  # fmt: skip
NOT_REACHED = Row(
    "KX318", Culprit.PATH, "as expected, {target} cannot be reached: {stage} {detail}",
    "nothing to do: the bridge says expect.unreachable", NOTE,
)  # fmt: skip
NOT_USED = Row(
    "KX323", Culprit.MANIFEST,
    "not ready, not used: {unused}; connections of Service {service} go to its other addresses",
    "nothing to do if that is meant; otherwise mark it ready: kubectl edit -n {namespace!q} "
    "{place!q}", NOTE,
)  # fmt: skip
OTHER_FAMILY = Row(
    "KX210", Culprit.CLUSTER_NETWORK,
    "no application here uses {unused}: pods have no {family} address",
    "nothing to do", NOTE,
)  # fmt: skip
PATHS[Reason.NO_FAMILY] = ONLY_OTHER_FAMILY = Row(
    "KX209", Culprit.MANIFEST,
    "{service} leads to {family} addresses only ({unused}), and pods here have no {family} address",
    "{cure}; a route on the nodes would not help",
)  # fmt: skip
ROLES = Row(
    "KX324", Culprit.WRONG_TARGET,
    "{service} leads to servers of different roles ({roles}), by chance for each connection",
    "nothing to do if its clients only read; what writes needs a bridge to the primary alone, with "
    "expect.role so that this is watched", NOTE,
)  # fmt: skip
