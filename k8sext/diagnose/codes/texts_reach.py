"""KX2xx names and KX3xx the way to the server."""

TEXT = """
KX201
means: The bridge's name does not resolve: DNS says that it does not exist (NXDOMAIN). For an
  ExternalName Service the alias itself is there, and the outside name that it leads to is not.
how: A stub resolver in the probe asked the servers of the pod's resolv.conf, with its search
  list, and kept the answer code and the chain of aliases.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent hosts SERVICE; and for the outside name: getent
  hosts EXTERNAL-NAME
repair: Correct spec.externalName, or have the name added to the zone that serves it. A corporate
  zone that only the company's own DNS serves needs a forward in CoreDNS.
wrong: The name was created moments ago and DNS still caches its absence (commonly up to a few
  minutes).

KX202
means: The name exists and has no IPv4 or IPv6 address.
how: The answer had no error and neither an A nor an AAAA record at the end of its aliases.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE; for an
  ExternalName: dig EXTERNAL-NAME A
repair: A headless Service needs ready endpoints with addresses; an outside name needs an A or
  AAAA record.
wrong: The record was removed for a switch-over that is under way; run again after it.

KX203
means: Cluster DNS does not answer. Every application here that needs a name is hit, whatever it
  talks to.
how: The question was repeated until the resolve deadline and no server of resolv.conf sent
  anything back.
see: kubectl get pods -n kube-system -l k8s-app=kube-dns; kubectl exec -n NAMESPACE YOUR-POD --
  nslookup kubernetes.default
repair: Bring CoreDNS back, or allow UDP and TCP 53 to it in this namespace's egress policies.
wrong: A policy that selects the probe's pod and not yours blocks DNS for the probe alone.

KX204
means: The Service leads to something that is no host name, most often an IP address written as
  spec.externalName. Kubernetes hands it out as a DNS alias, and no resolver can follow it.
how: The alias in the answer is an address in text form, or breaks the rules for host names.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.externalName}'
repair: For an address make a Service without selector and an EndpointSlice: k8sext provision
  SERVICE -n NAMESPACE --to ADDRESS:PORT --adopt
wrong: Some resolvers hand such text to the client as an address, so an application may work by
  luck.

KX205
means: Cluster DNS answers with an error (SERVFAIL, REFUSED or the like) in place of a result.
how: The code in the DNS answer, after every server of resolv.conf had been asked.
see: kubectl logs -n kube-system -l k8s-app=kube-dns
repair: Check the forward in the Corefile and the DNS server behind it, and DNSSEC if the zone is
  signed.
wrong: The outside DNS server was restarting; a second run decides.

KX206
means: Cluster DNS does not know a Service that exists in the API.
how: The Service was read from the API, and DNS answered that its name has no entry.
see: kubectl exec -n NAMESPACE YOUR-POD -- nslookup SERVICE.NAMESPACE.svc.cluster.local
repair: See whether CoreDNS can list Services (its log, its Role), and whether the pod's search
  list has the namespace (dnsPolicy ClusterFirst).
wrong: The Service is seconds old, or the cluster's domain is not cluster.local.

KX207
means: The addresses of the bridge are not those of the outside name that they were taken from.
how: The annotation k8sext.io/origin records that name; it was resolved by cluster DNS, and an
  address in the Service's endpoints is not among the answers.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent hosts ORIGIN; kubectl get endpointslices
  -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: Write the new addresses into the bridge; it is a failure where nothing answers at the old
  ones any more, and a warning while something still does.
wrong: DNS servers that balance load give a part of the addresses, or others to other places; then
  ignore this code in the annotation k8sext.io/ignore, with the reason.

KX208
means: The outside name that the bridge's addresses were taken from cannot be resolved in the
  cluster, so nobody can say whether they are still its addresses.
how: The name in the annotation k8sext.io/origin was asked of cluster DNS.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent hosts ORIGIN
repair: Correct the annotation, or let CoreDNS forward that zone.
wrong: A name that only your own network knows is no fault of the bridge; it is not compared then.

KX209
means: The name leads to addresses of one family only (IPv6, most often), and the pods here have no
  address of that family. No route or firewall is the cause: there is nothing to send from.
how: DNS or the slices gave no address of the other family; connecting ended with ENETUNREACH (or
  EADDRNOTAVAIL, EAFNOSUPPORT), and /proc/net/if_inet6 of the probe's pod lists no global address.
see: kubectl exec -n NAMESPACE YOUR-POD -- cat /proc/net/if_inet6; dig EXTERNAL-NAME A; dig
  EXTERNAL-NAME AAAA
repair: Have an address of the pods' family added where the name is served, or make the cluster
  dual-stack (kube-controller-manager --cluster-cidr with both families, and the CNI).
wrong: Pods on the host network have their node's families, which may be more than other pods have.

KX210
means: An address of the bridge is of a family that the pods here do not have, so no application
  chooses it. It counts in no share and in no verdict.
how: Connecting ended without a route, and the probe's pod has no address of that family; an
  address of the other family is there.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent ahosts SERVICE
repair: Nothing needs to be done.
wrong: Applications with a resolver of their own may try addresses in the order of the answer and
  log a failure for this one before they go on.

KX301
means: The server's host answers, and nobody listens on that address and port.
how: The connection was refused (ECONNREFUSED) by name and at the address itself.
see: On the server's host: ss -ltn; from the pod's side: timeout 3 bash -c '</dev/tcp/HOST/PORT'
repair: Start the server, or make it listen on that address and not on 127.0.0.1 only; or correct
  the port of the bridge.
wrong: A firewall may reject with a refusal (REJECT with tcp-reset) and look just the same.

KX302
means: Nothing comes back from the server's address: packets are dropped on the way there or back.
how: Connecting by name and to the address itself both ended at the deadline, while the probe's
  own network is proven by other connections or by the control probes.
see: From a pod: timeout 3 bash -c '</dev/tcp/HOST/PORT'; from a node the same: if that works, the
  firewall knows only some of the nodes.
repair: Allow the port on the firewall in front of the server, from the addresses of all nodes: pods
  leave the cluster with their node's address.
wrong: A host that is switched off, or a wrong address, is just as silent. So is a NetworkPolicy,
  if policies could not be read (the reason then says so).

KX303
means: The Service's cluster IP has no backend, although its endpoints are right and the server
  answers.
how: The name is refused, again after 0.5, 1.5 and 3.5 seconds; the address behind it accepts from
  the same pod, and port names, readiness and slices of the Service are in order.
see: On the node: iptables-save | grep SERVICE, or nft list ruleset; kubectl logs -n kube-system
  -l k8s-app=kube-proxy
repair: Restart or repair kube-proxy (or the CNI that replaces it) on the named node; check
  internalTrafficPolicy, which for outside addresses must be Cluster.
wrong: The Service is new and the node has not programmed it yet. kube-proxy that failed to write
  its rules tries again after its syncPeriod only, which is 30 seconds.

KX304
means: The port's name in the Service is not the port's name in its endpoints. Kubernetes joins
  the two by name, so this Service port has no backend.
how: Read from the objects; the name is refused as expected, and the address itself was tried as
  well.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml | grep -A3 ports:
repair: Give both the same name, or none at all where there is a single port.
wrong: Not when the objects were read as they are now; they may have been changed during the run.

KX305
means: Nothing stands behind the Service: it has no selector and no EndpointSlice or Endpoints
  belongs to it.
how: The API was asked for slices with the label kubernetes.io/service-name and for Endpoints of
  its name.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: k8sext provision SERVICE -n NAMESPACE --to ADDRESS:PORT --adopt. If a slice exists, it
  probably lacks that label.
wrong: A controller fills the slice later; then it is down now, which is a fault all the same.

KX306
means: The way through the Service's cluster IP loses packets; the server itself is fine.
how: The name timed out while the address behind it accepted, from the same pod.
see: From a pod: timeout 3 bash -c '</dev/tcp/CLUSTER-IP/PORT' and the same with the server's
  address
repair: Check kube-proxy or the CNI on the named node, and policies that name the cluster IP.
wrong: With several endpoints the cluster IP may have chosen one that is dead; KX307 then names
  it.

KX307
means: Some addresses of the bridge do not work. kube-proxy does not test addresses outside the
  cluster, so it keeps sending about that share of new connections to them.
how: Every address was tried by itself, from the same pod.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE -o yaml; then
  connect to each address
repair: Take the dead address out of the slice, or bring its server back.
wrong: A client that knows all addresses itself (a Redis or Elasticsearch cluster client) may
  cope.

KX308
means: There is no route to the address.
how: The connection ended with EHOSTUNREACH, ENETUNREACH or EADDRNOTAVAIL.
see: On the node: ip route get ADDRESS
repair: Add the route on the nodes (or a NAT gateway), or correct the address.
wrong: A router or firewall on the way may send the same message for an address that it forbids.

KX309
means: The cluster's own network forbids this connection.
how: Either a NetworkPolicy isolates egress of the probe's pod and no policy allows the address
  and port, or the node answered that it is not permitted (EPERM).
see: kubectl get networkpolicies -n NAMESPACE -o yaml
repair: Allow egress to the address and port, by ipBlock: selectors of pods never match outside
  addresses.
wrong: Policies select by label. One that selects every pod or the probe's label may leave your
  application alone, and the reverse.

KX310
means: The connection is reset by the other side.
how: ECONNRESET, while connecting or when the first bytes were sent.
see: timeout 3 bash -c 'cat </dev/tcp/HOST/PORT' | od -c | head
repair: Look for host rules, connection limits and proxies in front of the server, then in
  the server's log.
wrong: A firewall that rejects established connections, or a crash of the server, look the same.

KX311
means: The connection is accepted and closed before one word of the protocol. Something may accept
  in the server's place, or the server turns this client away without saying so.
how: The stream ended before the first complete message.
see: timeout 3 bash -c 'cat </dev/tcp/HOST/PORT' | od -c | head
repair: See whether the proxy or load balancer in front has a living backend, then read the
  server's log.
wrong: Servers at their limit of connections may close just so.

KX312
means: Only the Service's name works; its addresses cannot be reached directly. That is no fault.
how: The name passed every stage and connecting to every single address failed.
see: kubectl get networkpolicies -n NAMESPACE; kubectl get pods -n NAMESPACE -o yaml | grep -i
  proxy
repair: Nothing, if a mesh or a policy is meant to let only the Service through.
wrong: If nobody meant it so, the next change of the data plane may cut the name as well.

KX313
means: The connection is accepted and then nothing comes: something accepts in the server's place,
  or this port speaks another protocol that waits for its client.
how: Not one byte arrived until the deadline after a harmless opener of the protocol.
see: timeout 5 bash -c 'cat </dev/tcp/HOST/PORT' | od -c | head
repair: Correct the port or the protocol of the bridge; look at what stands in front of the server.
wrong: A server under heavy load, or one that looks up the client's name in a slow DNS, may be
  that late.

KX314
means: Small answers of the server arrive and large ones do not: large packets are lost on the way.
how: A large answer (INFO of Redis, a certificate, a long page) did not come, although small ones
  did, or its last and small packet came without those before it.
see: ping -M do -s 1400 HOST from a node
repair: The path's MTU is smaller than the pods', and nobody says so: lower the pods' or clamp the
  MSS.
wrong: A server that hangs in its TLS handshake, or in the middle of a long page, looks the same; a
  second run with a longer --stage-timeout tells the two apart.

KX315
means: Every endpoint of the Service is marked as not ready, so kube-proxy sends nothing there.
how: conditions.ready is false in the slices; the name is refused (of a headless Service: has no
  address) and the address itself accepts.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE -o yaml
repair: Set conditions.ready to true, or leave it out: for outside addresses nobody else will set
  it.
wrong: A controller of yours may mark them so on purpose during maintenance.

KX316
means: The proxy of a service mesh stands in the probe's way, and nothing of the server was heard.
how: The created pod carries a mesh's proxy. It accepts before it dials, so a refusal or a
  time-out behind it looks like a connection that is reset or silent.
see: kubectl logs -n NAMESPACE YOUR-POD --all-containers
repair: Look in the proxy's log for the real reason, or probe from a namespace without injection.
wrong: The server may be at fault after all; this verdict only says that it cannot be told from
  here.

KX317
means: The bridge is marked as one that must not be reachable (expect.unreachable), and it is.
how: A probe got an answer of the server at the named stage; with plain TCP an accepted connection
  is enough.
see: kubectl exec -n NAMESPACE YOUR-POD -- timeout 3 bash -c '</dev/tcp/HOST/PORT'
repair: Deny the port on the firewall in front of the server or by a NetworkPolicy with egress
  rules; or take unreachable out of k8sext.io/expect if the bridge is meant to work now.
wrong: A proxy that accepts for everybody answers plain TCP probes even where the server behind it
  is closed: give the port its protocol.

KX318
means: The bridge is marked as one that must not be reachable (expect.unreachable), and it is not.
how: Every route ended before the server's first answer, while the probe's own network is proven.
see: kubectl exec -n NAMESPACE YOUR-POD -- timeout 3 bash -c '</dev/tcp/HOST/PORT'
repair: Nothing: this is what was asked for.
wrong: A server that is merely switched off cannot be reached either; whether something denies the
  way shows only while the server runs.

KX319
means: The Service has internalTrafficPolicy Local: kube-proxy sends its traffic only to endpoints
  on the client's own node. An address outside the cluster is on no node, so it goes nowhere.
how: The field of the Service; its name is refused or silent inside the cluster, and the address
  itself accepts.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.internalTrafficPolicy}'
repair: Set spec.internalTrafficPolicy to Cluster, which is the default.
wrong: Data planes that do without kube-proxy may not honour the field; then the cause is theirs.

KX320
means: The Service stands on legacy Endpoints of which there is no EndpointSlice. kube-proxy and
  the cluster's DNS read slices only.
how: No slice carries the Service's name, the Endpoints object has addresses, and the name is
  refused while an address accepts.
see: kubectl get endpoints,endpointslices -n NAMESPACE -o yaml | grep -e skip-mirror -e name
repair: Write an EndpointSlice (k8sext provision --adopt), or let the control plane mirror the
  Endpoints: no label skip-mirror, no selector in the Service, the mirroring controller running.
wrong: Endpoints written a moment ago are mirrored within a second or two.

KX321
means: A headless Service names a port that is not the one its endpoints listen on. Without a
  cluster IP nothing maps ports: who dials the Service's port reaches no server.
how: The ports of the Service and of its slices; the probe dialled the endpoints' port.
see: kubectl get service,endpointslices -n NAMESPACE -o yaml | grep -w port
repair: Give the Service the port of the endpoints, or take clusterIP None away.
wrong: Applications that are configured with the right port, or that ask DNS for SRV records, do
  not notice.

KX322
means: An endpoint of the bridge is the cluster IP of another Service. kube-proxy rewrites a
  connection once; what it leads to must be a real address.
how: The address is among the cluster IPs of the Services that were read; the name leads nowhere
  in the cluster, and the address itself accepts, because it is then the first to be rewritten.
see: kubectl get services -A -o wide | grep ADDRESS
repair: Write the address of the host behind that Service, or let applications use its own name.
wrong: Data planes that balance at the socket may let it pass; it stays unsupported.

KX323
means: An endpoint of the Service is marked as not ready (or terminates while others are ready), so
  no connection is sent there. It counts in no share, identity or verdict.
how: conditions of the EndpointSlice, or notReadyAddresses of the Endpoints. The address was greeted
  all the same, without a login.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE -o yaml
repair: Nothing if it is meant, as during maintenance; otherwise set conditions.ready to true.
wrong: spec.publishNotReadyAddresses changes nothing for slices that people made: it speaks to the
  controllers that make slices (measured with kube-proxy and CoreDNS).

KX324
means: The addresses behind the bridge are one system, a primary and what follows it, and each
  connection reaches one of them by chance. What only reads does not notice.
how: Every server was asked for its role, and the bridge does not say which one it expects.
see: k8sext doctor SERVICE -n NAMESPACE -o wide
repair: Nothing for readers; for writers make a bridge to the primary alone and annotate
  k8sext.io/expect with the role.
wrong: Drivers that are given all addresses and look for the primary themselves do not mind.
"""
