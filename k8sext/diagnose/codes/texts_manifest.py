"""KX10x and KX11x: what lint rules find in the objects of a bridge."""

TEXT = """
KX101
means: The Service has a selector beside addresses that somebody wrote for it. Kubernetes fills the
  endpoints of such a Service itself: it empties hand-written Endpoints at once, and beside a
  hand-made slice pods get a share of the connections.
how: spec.selector is set, and a slice is there that no controller keeps, or addresses stand in
  kubectl's copy of what was applied (last-applied-configuration) or in managedFields of Endpoints.
  Without such proof a Service with a selector is no bridge and is not looked at.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.selector}'; kubectl get
  endpoints,endpointslices -n NAMESPACE -o yaml
repair: Remove spec.selector, then apply the addresses again. Example: commonLabels of kustomize add
  a selector to every Service; use labels with includeSelectors: false. Example: a manifest was
  copied from a Service of pods; delete its selector.
wrong: The selector is meant, and the slice is a leftover of a move into the cluster; then delete
  the slice. While the bridge works this is a warning.

KX102
means: The endpoints of a port have another transport than the Service: UDP on one side, TCP on the
  other. kube-proxy matches ports by name and transport, so nothing leads from one to the other.
how: spec.ports of the Service and ports of its slices (or Endpoints) with the same name were
  compared. Both mean TCP where they say nothing.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml, and compare protocol
repair: Write the same protocol on both sides. Example: a syslog Service says UDP and the Endpoints
  say nothing; add protocol UDP to their port. Example: a slice that was copied from a DNS server
  says UDP for Redis; write TCP.
wrong: A data plane of its own may match by name alone; where the name works, this is a warning.

KX103
means: The Service says targetPort N and its endpoints have another port. Without a selector nothing
  reads targetPort: connections go to the port that the endpoints say.
how: targetPort is a number that is neither the Service's port (the API fills it in where it was
  left out) nor the port of any endpoint. It is the cause where nobody answers at the endpoints, a
  note or a warning where the bridge works.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml
repair: Write into the endpoints the port on which the server listens. Example: port 6379,
  targetPort 26379 and Endpoints with port 6379; the server listens on 26379, so the Endpoints must
  say it. Example: the server moved to 26380 and only targetPort was changed; change the slice.
wrong: targetPort is a leftover and the endpoints are right; then remove it, or write the same
  number.

KX104
means: The Service is an alias (ExternalName) with a targetPort that differs from its port. An alias
  is a DNS name and no more: clients dial the port that they were given.
how: spec.type, spec.ports[].port and targetPort were read. It is the cause where nobody answers at
  the port that clients dial, else a note.
see: kubectl get service -n NAMESPACE SERVICE -o yaml; kubectl exec -n NAMESPACE YOUR-POD -- timeout
  3 bash -c '</dev/tcp/HOST/PORT'
repair: Let clients use the server's own port, or make it a Service with addresses, which does map
  ports. Example: port 6379, targetPort 26379: clients must say 26379. Example: port 80 to a server
  on 8080 becomes a selectorless Service with an EndpointSlice on 8080.
wrong: The server listens on the Service's port too, and the targetPort is a leftover.

KX105
means: spec.externalName is localhost, or a name that is whole inside a pod only. Localhost is every
  pod itself; redis, redis.prod and redis.prod.svc need the search list of a pod, which is not used
  for the target of an alias.
how: The name was compared with these forms. A name of one or two words is the cause only where DNS
  does not know it, and one of two words only where a Service is called so.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent hosts NAME. (with the dot at its end)
repair: Write the whole name, or make a Service with addresses. Example: redis.prod becomes
  redis.prod.svc.cluster.local. Example: localhost, meant as the node, becomes a slice with the
  node's address.
wrong: The company's own DNS knows the single word; then the name resolves and this is a note.

KX106
means: The Service is an alias of another Service of this cluster, and that one does not exist.
how: The name ends in .svc.cluster.local, the Services of all namespaces (or those of its own
  namespace) were read, and it is not among them.
see: kubectl get service -n NAMESPACE NAME
repair: Correct the name or make the Service. Example: the Service was moved to namespace data;
  write redis.data.svc.cluster.local. Example: the release that makes it is not installed yet.
wrong: It is made later, by an operator or another release.

KX107
means: Addresses are written in an object that belongs to no Service, and a Service of nearly that
  name has none. Endpoints belong to the Service of their own name, slices to the one that their
  label kubernetes.io/service-name names.
how: All Endpoints and slices of the namespace were compared with its Services; those of controllers
  and leader elections were passed over. That this Service is meant is likely, not proven.
see: kubectl get endpoints,endpointslices -n NAMESPACE --show-labels
repair: Rename the Endpoints or correct the label. Example: Endpoints redis for Service redis-svc.
  Example: a slice without the label kubernetes.io/service-name.
wrong: The addresses are for something else, and the Service is to get its own.

KX108
means: The Service has the label service.kubernetes.io/service-proxy-name, which tells kube-proxy to
  leave it to another proxy. Where there is none, its cluster IP leads nowhere.
how: The label was read. It is the cause where the name fails and the address itself accepts.
see: kubectl get service -n NAMESPACE SERVICE --show-labels
repair: Remove the label. Example: a Service was copied from one that a mesh or a virtual kubelet
  serves. Example: a proxy was uninstalled and its Services kept the label.
wrong: A proxy of that name does serve the Service; then it works and this is a note.

KX109
means: The Service had a selector once. It was removed, and the slices that a controller had filled
  with pods are still there: they get a share of the connections, and nobody corrects them.
how: The Service has no selector, and slices with the label endpointslice.kubernetes.io/managed-by:
  endpointslice-controller.k8s.io belong to it and hold addresses.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: Delete them. Example: a database was moved out of the cluster, and one of three connections
  still goes to the address of a pod that is gone. Example: the Endpoints object of that time is
  still there and is mirrored; delete it too.
wrong: The selector was removed a moment ago and is to come back.

KX110
means: An endpoint of a slice holds two addresses. kube-proxy uses the first; the others never get a
  connection, and when the first one fails nothing takes its place.
how: endpoints[].addresses of the slices of a Service with a cluster IP have more than one entry,
  and the further ones stand nowhere else. The API's own text says that consumers use the first.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE -o yaml
repair: Write one endpoint for each address. Example: addresses [A, B] becomes two entries under
  endpoints. Example: a template that joins all hosts into one list; let it loop.
wrong: DNS of a headless Service publishes all of them; such a Service is not judged.

KX111
means: Another Service claims an address and port of this bridge for itself, by spec.externalIPs or
  as the address of its load balancer. Every node then leads connections to that address to the
  other Service's own endpoints, and refuses them where it has none, for the whole cluster.
how: spec.externalIPs and status.loadBalancer.ingress of the Services of all namespaces were
  compared with the endpoints of the bridge. The server outside has not been reached, so it is not
  blamed.
see: kubectl get services -A -o wide, column EXTERNAL-IP
repair: Take the address out of externalIPs: they are for traffic that comes in. Example: somebody
  wrote the address of the database as externalIPs of a Service. Example: a test left a Service with
  the address of the web server in another namespace.
wrong: The data plane passes over externalIPs (they are deprecated), and the server fails by itself.
  Where the bridge works, it is a warning; at a load balancer's address a note.

KX112
means: A slice has addresses of a kind that nothing routes for this Service: host names (FQDN), or a
  family that the Service does not have. Its addresses never get a connection.
how: addressType was compared with spec.ipFamilies of the Service.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: Write addresses of a family that the Service has, or an ExternalName. Example: addressType
  FQDN with db.example.com becomes an ExternalName. Example: an IPv6 slice of an IPv4 Service; set
  spec.ipFamilyPolicy: PreferDualStack where the cluster has both.
wrong: The slice is meant for another consumer than the Service, such as a gateway.

KX113
means: Argo CD applies this Service, which has no endpoints. Its default settings leave Endpoints
  and EndpointSlices out, so that a slice that stands in the repository beside it is never applied.
how: The Service has Argo CD's tracking annotation (of this very object) or its instance label, and
  no endpoints. Argo CD's settings were not read, so this is likely, not proven.
see: kubectl get configmap -n argocd argocd-cm -o jsonpath='{.data.resource\\.exclusions}'
repair: Take both kinds out of resource.exclusions, or use an ExternalName. Example: after the
  update to Argo CD 3 all bridges lost their slices with the first prune. Example: a new bridge
  never gets any.
wrong: The slice is missing in the repository, too.

KX114
means: An endpoint of the Service is the cluster IP of a Service in another namespace. kube-proxy
  translates an address once, so that nothing leads from one cluster IP to the other.
how: The endpoints were compared with spec.clusterIPs of the Services of all namespaces.
see: kubectl get services -A -o wide
repair: Use the other Service's own name, or an alias. Example: 198.19.3.7 is the cluster IP of
  redis in namespace data; applications use redis.data. Example: to keep the name, make it an
  ExternalName of redis.data.svc.cluster.local.
wrong: Some data planes do translate twice; where the bridge works, this is a warning.

KX115
means: The Service is an alias of another bridge of this cluster. It was checked through that one:
  what fails there fails here.
how: spec.externalName names a Service of this cluster that has no selector.
see: kubectl get service -n NAMESPACE NAME -o yaml
repair: Nothing to do. Example: team-b uses redis of namespace shared by an alias. Example: where
  both fail, correct the one in namespace shared.
wrong: The other Service gets its endpoints from an operator and is no way out of the cluster.

KX116
means: The Service has no endpoints and names an address in spec.externalIPs. That is no place to
  lead to: it makes every node answer for the address, so nobody in the cluster reaches the server
  that really has it.
how: spec.externalIPs is set, there is no selector, and neither slices nor Endpoints belong to it.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.externalIPs}'
repair: Remove externalIPs and write the address into a slice. Example: externalIPs of the
  database's address becomes k8sext provision db-svc --to ADDRESS:PORT. Example: a Service that is
  no more needed; delete it.
wrong: The endpoints are yet to come, and the address is one by which outside traffic comes in.
"""
