"""KX33x the ways to a bridge from outside: Ingresses and node ports."""

TEXT = """
KX330
means: The Ingress leads to a port that the Service does not have. Its controller has no backend
  for it and answers 503, or 404 for everything.
how: backend.service.port of the Ingress was compared with the ports of the Service: a name with
  names, a number with numbers (never with the server's own port out there).
see: kubectl get ingress -n NAMESPACE INGRESS -o jsonpath='{.spec.rules[*].http.paths[*].backend}';
  kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.ports}'
repair: Correct backend.service.port: kubectl edit ingress -n NAMESPACE INGRESS. A port's name goes
  into `name`, its number into `number`.
wrong: A few controllers take a number that the Service does not list and use it as it is.

KX331
means: Nobody serves the Ingress. It names no class, a class that does not exist, or one whose
  controller has not taken it, so no page comes of it.
how: spec.ingressClassName (or the old annotation) was looked up among the IngressClasses, and the
  status of the Ingress has no address of a controller.
see: kubectl get ingressclasses; kubectl get ingress -n NAMESPACE INGRESS (columns CLASS, ADDRESS)
repair: Name a class that exists, or have its controller installed or repaired. A default class is
  written into Ingresses when they are made, not later.
wrong: A controller that never publishes its address (some Traefik installations) may serve it all
  the same; say so on the Service: k8sext.io/ignore: KX331 REASON. An Ingress that was made a moment
  ago gets its address within seconds.

KX332
means: No Ingress leads the host and path to this bridge: none has them, another one claims them
  too, or the controller does not know them.
how: What the bridge's annotation k8sext.io/ingress or the file asks for was compared with all
  Ingresses here. Where a controller's address is known, the page was asked of it and, with the same
  Host and path, of the bridge itself: it said 404 where the bridge did not.
see: curl -sS -o /dev/null -w '%{http_code}' -H 'Host: HOST' http://CONTROLLER/PATH; kubectl
  describe ingress -n NAMESPACE INGRESS
repair: Correct host or path of the Ingress; take them out of one of two that claim the same. If
  both are right, the controller's events and log say why it left the Ingress out.
wrong: An application that answers by headers which the controller adds, or a path that an
  annotation rewrites, may answer 404 itself through the controller only.

KX333
means: HTTPS for the Ingress's host does not show the certificate that the Ingress asks for, or
  shows one that browsers refuse. Most often its Secret is missing and the controller shows its own.
how: A TLS handshake with the controller under the Ingress's host name; the names and dates of the
  certificate that came. Secrets are not read, so whether one is there is not known.
see: openssl s_client -connect CONTROLLER:443 -servername HOST </dev/null | openssl x509 -noout
  -ext subjectAltName -dates
repair: kubectl create secret tls SECRET -n NAMESPACE --cert=FILE --key=FILE, in the Ingress's own
  namespace, for its host; list the host in spec.tls. Or renew it.
wrong: A load balancer before the controller may end TLS with the right certificate for people
  outside, while pods talk to the controller itself.

KX334
means: The ingress controller answers in place of the bridge, with an error. It cannot send the
  request on, although the bridge itself answers the probe.
how: The page was asked of the controller and, with the same Host and path, of the bridge itself
  from the probe's pod. 502 and 504 are a controller that was refused or not answered, 503 one that
  knows no endpoint.
see: kubectl logs of the controller's pods; from there: curl -sS http://ADDRESS-OF-THE-SERVER/
repair: Open the way from the controller's nodes to the server (firewall, NetworkPolicy of its
  namespace), correct port names, or tell the controller that the server speaks HTTPS.
wrong: The server may turn the controller away itself, for a header that the controller adds.

KX335
means: The Ingress leads to an ExternalName Service. Many controllers forbid that (Traefik and
  Contour unless it is allowed), since it lets an Ingress reach any name, or resolve it once only.
how: The type of the Service; and no page of it was seen through the controller.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.type} {.spec.externalName}'; the
  controller's log names the Ingress that it left out
repair: A Service with addresses needs no allowance: k8sext provision SERVICE --to ADDRESS:PORT
  --adopt. Or allow it at the controller, knowing what that opens.
wrong: The controller allows it and publishes no address, so that no page could be asked for.

KX336
means: The Service's node port does not answer. Who comes from outside, by a node's address, gets
  nothing, while the bridge works inside the cluster.
how: The probe connected to the port at the nodes' addresses (at most four) and to the bridge's name
  beside it. With externalTrafficPolicy Local a node leads to its own endpoints only, and an address
  outside the cluster belongs to none.
see: From outside: curl -v http://NODE:NODE-PORT/; kubectl get service -n NAMESPACE SERVICE -o
  jsonpath='{.spec.externalTrafficPolicy}'
repair: Set externalTrafficPolicy to Cluster, repair kube-proxy or the CNI on the node, or open the
  firewall for the port between pods and nodes.
wrong: A firewall between pods and nodes may forbid what those outside are allowed.

KX337
means: The address that the Ingress's status gives for its controller does not answer the probe, so
  that nothing more can be said of the page.
how: A connection from the probe's pod to that address, port 80, or 443 for a host with TLS.
see: kubectl get ingress -n NAMESPACE INGRESS; kubectl exec -n NAMESPACE YOUR-POD -- timeout 3 bash
  -c '</dev/tcp/CONTROLLER/80'
repair: See whether the controller's pods run and its Service has the address; a controller behind
  node ports publishes addresses on which port 80 does not answer.
wrong: The balancer before the cluster may serve those outside only; then nothing is broken, and the
  page has to be asked for from there.

KX338
means: The Ingress stands, but the manifest that it was applied from is of an API version that
  servers no longer have (extensions/v1beta1, networking.k8s.io/v1beta1). It cannot be applied
  again.
how: kubectl's annotation last-applied-configuration, which holds that manifest.
see: kubectl get ingress -n NAMESPACE INGRESS -o
  jsonpath='{.metadata.annotations.kubectl\\.kubernetes\\.io/last-applied-configuration}'
repair: Write it in networking.k8s.io/v1: backend.service.name and .port, and a pathType. k8sext
  provision SERVICE --ingress HOST writes one.
wrong: The manifest was rewritten since and is applied by another tool, which leaves the annotation.
"""
