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
"""
