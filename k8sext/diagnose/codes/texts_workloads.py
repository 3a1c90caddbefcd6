"""KX15x what lint rules find in workloads (`doctor --workloads`)."""

TEXT = """
KX150
means: A workload names a bridge with a port that the bridge does not have. What connects there
  gets no answer, however well the server is: only the ports of the Service lead out.
how: Environment, command line and the ConfigMaps of the pod template were read; a host with a
  port, or a host setting with a port setting of the same prefix (REDIS_HOST and REDIS_PORT,
  spring.redis.host and .port), was compared with spec.ports of the Service. Where a URI has no
  port, the usual one of its scheme is meant (redis:// is 6379). A setting is a failure; a line of
  a text that is no setting, a warning.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.ports[*].port}'; kubectl get
  deploy -n NAMESPACE NAME -o yaml
repair: Write the bridge's port in the workload, or add the port to the Service and its slice if the
  server listens there too. Example: rabbitmq-svc:9411 is Zipkin's port at RabbitMQ's name; 5672 is
  meant. Example: redis://redis-svc where the bridge listens on 26379; write redis-svc:26379.
wrong: The text belongs to a profile that is not active, or is an example that nobody reads. Say so
  with the annotation k8sext.io/ignore: KX150 REASON at the workload or at the Service. An
  ExternalName maps no ports and is not judged.

KX151
means: A workload names a Service that does not exist, and a bridge is called nearly so. Likely the
  name is misspelt.
how: The host of a URI or of a host setting reads as a Service of a namespace that was looked at,
  none of that name is there, and a bridge's name differs by one or two letters or by its ending.
see: kubectl get service -n NAMESPACE NAME; kubectl exec -n NAMESPACE YOUR-POD -- getent hosts NAME
repair: Write the bridge's name. Example: redis-scv for redis-svc. Example: redis where the bridge
  is redis-svc.
wrong: A short name can be one of the nodes' own search domains, or of a Service that is made later;
  such a name is a warning, one with .svc a failure. Hosts of hostAliases are passed over.

KX152
means: A workload connects to the server behind a bridge directly, by its address or its outside
  name. It works as long as nothing changes; a new address of the bridge never reaches it, and what
  is said here of the bridge's name does not hold for it.
how: An address of the bridge's endpoints (with its port), spec.externalName or the origin stands in
  a URI, before a port or in a host setting of the workload.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: Write the bridge's name in its place. Example: 198.51.100.21:26379 becomes redis-svc:26379.
  Example: db.example.com becomes the ExternalName Service that leads to it.
wrong: A certificate or a virtual host asks for the outside name, so that it is written on purpose.
  Without a port another service of the same host may be meant; that is called likely.

KX153
means: A workload logs in to a bridge with another Secret than the one that the bridge names. That
  the bridge's login works says nothing of the workload's.
how: The password beside the host (REDIS_PASSWORD beside REDIS_HOST, or in the same URI) comes from
  a Secret whose name is not the one of k8sext.io/credentials, and that one is not used at all.
  Secrets are not read: only names are compared.
see: kubectl get deploy -n NAMESPACE NAME -o yaml; kubectl get service -n NAMESPACE SERVICE -o yaml
repair: Let both use one Secret, or let the bridge name the workload's. Example: shop-redis holds
  the same password as redis-auth; keep one. Example: each application has a user of its own; test
  with one of those users as well.
wrong: Each application has a user of its own, as it should; then this is how it is meant.

KX618
means: Pods read a Secret when they started, and the Secret has been changed since then. They still
  log in to the bridge with the old values.
how: The API server's managedFields say when the data of the Secret were last changed, and the
  status of each container says when it started. Environment variables and subPath mounts are read
  once; a Secret that is mounted as a volume is renewed by the kubelet, and no finding. The values
  are not read.
see: kubectl get secret -n NAMESPACE SECRET -o yaml --show-managed-fields; kubectl get pods -n
  NAMESPACE -o wide
repair: kubectl rollout restart deployment/NAME -n NAMESPACE; a controller such as Reloader does it
  by itself from then on.
wrong: The new value may equal the old one (the Secret was deleted and made again), or another key
  of the same Secret was changed. Where the Secret carries the labels of a release it is a note.

KX154
means: The image of a workload names a bridge as its registry. Images are pulled by the node,
  which does not ask cluster DNS, so the name of a Service is no host there.
how: The part of `image` before the first slash has a dot or a port and reads as the bridge, by
  its short name or any of the longer ones.
see: kubectl get events -n NAMESPACE --field-selector reason=Failed; kubectl get deploy -n
  NAMESPACE NAME -o jsonpath='{.spec.template.spec.containers[*].image}'
repair: Write the registry's outside name, or give containerd on every node a mirror of that name
  in /etc/containerd/certs.d. Example: registry-svc:8888/shop:1 becomes
  registry.corp.example:8888/shop:1. Example: hosts.toml under certs.d/registry-svc:8888 with
  server = "http://198.51.100.32:8888".
wrong: The nodes know the name by /etc/hosts, by such a mirror, or because their resolver asks
  cluster DNS; pods that have started since then prove it.

KX155
means: The kubelet sets variables for every Service of a namespace in its pods. A Service called
  postgres gives POSTGRES_PORT=tcp://ADDRESS:5432, and an image that reads POSTGRES_PORT as a
  number fails.
how: A warning where a text of the workload refers to that variable and the workload does not set
  it; a note where the Service is called like a product, and pods of the namespace have such
  variables.
see: kubectl exec -n NAMESPACE YOUR-POD -- env | grep _PORT=tcp
repair: Set enableServiceLinks: false in the pod template, set the variable there, or call the
  Service otherwise. Example: Service postgres and an image with POSTGRES_PORT; call it
  postgres-svc. Example: Service redis and --port $(REDIS_PORT); set REDIS_PORT to 6379 in the
  container.
wrong: The program reads the variable as it is meant, an address with tcp:// before it.

KX156
means: A workload runs on its node's network and asks the node's DNS, which knows no Service: the
  name of the bridge does not resolve in it.
how: The pod template has hostNetwork true and dnsPolicy ClusterFirst, which then means Default,
  or Default itself; its settings name the bridge.
see: kubectl exec -n NAMESPACE YOUR-POD -- cat /etc/resolv.conf
repair: Set dnsPolicy ClusterFirstWithHostNet. Example: a DaemonSet of log shippers with
  hostNetwork and the host elasticsearch-svc. Example: an ingress controller on the node's network
  whose upstream is a bridge.
wrong: The nodes' resolver forwards the cluster's zone to cluster DNS; then only the short name
  fails.

KX157
means: A NetworkPolicy isolates what the pods of a workload may dial and allows no DNS, so that
  they cannot resolve the name of the bridge.
how: Policies of the namespace that select the pod template's labels for egress were read: none of
  them allows port 53.
see: kubectl get networkpolicies -n NAMESPACE -o yaml; kubectl exec -n NAMESPACE YOUR-POD --
  getent hosts SERVICE
repair: Allow UDP and TCP 53, best to kube-dns alone. Example: a policy for egress to
  198.51.100.9/32 and nothing else. Example: default-deny of egress and one policy for the
  database's port only.
wrong: No network plug-in enforces policies here, or the pods resolve by other means (hostAliases,
  a node-local cache that policies do not see).

KX158
means: A port is HTTP by its name or appProtocol and its server speaks something else. Istio goes
  by that name, takes the connections for HTTP and breaks them, in every pod that has its proxy.
how: The namespace has sidecars injected or is in ambient mode, the port's name begins with http
  or grpc, and the protocol that is checked is no HTTP.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.ports}'; kubectl get namespace
  NAMESPACE --show-labels
repair: Say appProtocol tcp at the port, or begin its name with tcp- in Service and endpoints
  alike. Example: port http 3306 of a MySQL becomes tcp-mysql. Example: port http-redis 6379 with
  appProtocol tcp.
wrong: Only HTTP that is tunnelled, or pods without the proxy, use the port.

KX159
means: Two ExternalName Services of a namespace in a mesh have the same TCP port. Neither has an
  address of its own, so the proxy cannot tell the two apart, and connections of one reach the
  other.
how: The Services and the namespace's labels were read; both lead to different hosts.
see: istioctl proxy-config listeners YOUR-POD -n NAMESPACE --port PORT
repair: Give one of them addresses (provision --resolve), or write a ServiceEntry for it. Example:
  two databases, db-a and db-b, both on 5432. Example: two brokers on 5672.
wrong: The proxy resolves names itself (DNS proxying with addresses of its own), or the pods that
  use them have no proxy.
"""
