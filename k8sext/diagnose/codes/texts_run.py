"""KX9xx what kept us from testing. None of these says anything about a bridge."""

TEXT = """
KX901
means: The API server could not be reached or did not answer as one.
how: The error of the connection or of the request is in the reason.
see: kubectl version
repair: Check --kubeconfig and --context, the network or VPN, and the certificates in the
  kubeconfig.
wrong: A proxy between may answer in the API server's place.

KX902
means: A right is missing for what the run has to do.
how: The API server refused with 403 and named the verb and the resource, or said so when asked
  beforehand.
see: kubectl auth can-i --list -n NAMESPACE
repair: Have the Role applied that this prints: k8sext rbac --for doctor -n NAMESPACE
wrong: An admission plug-in may refuse with the same status; its words then name it.

KX903
means: The cluster did not admit the probe's pod: a quota, Pod Security or an admission webhook is
  against it.
how: The event of the Job, or the API server's answer when the Job was created.
see: kubectl get events -n NAMESPACE --sort-by=.lastTimestamp
repair: Raise the quota; adapt the pod with --pod-patch; or look from elsewhere with --from local.
wrong: A webhook that is down refuses everything, which the words usually tell.

KX904
means: The probe's image cannot be pulled on the node.
how: The state of the container, and the event with the registry's words.
see: kubectl get events -n NAMESPACE; on the node: crictl pull IMAGE
repair: Mirror the image into a registry that the nodes reach and name it with --image; add
  --image-pull-secret if it wants a login.
wrong: Registries that limit the rate of pulls refuse for a while only.

KX905
means: No node takes the probe's pod.
how: The scheduler's message on the pod.
see: kubectl get events -n NAMESPACE; kubectl describe nodes
repair: Free resources, or steer the pod with --pod-patch (nodeSelector, tolerations).
wrong: An autoscaler may bring a node in a minute or two: raise --pod-start-timeout.

KX906
means: The probe's pod did not start in time, and nothing says why.
how: No line of its log was heard until the end of --pod-start-timeout.
see: kubectl get pods,events -n NAMESPACE
repair: Raise --pod-start-timeout, above all for the first pull of the image on a node.
wrong: The pod may run while its log cannot be read: then the right pods/log is missing.

KX907
means: A result of the probe did not reach us, so what it was about counts as untested.
how: The log ended without its end record, or lacks the result of a probe that was planned.
see: kubectl logs -n NAMESPACE -l app.kubernetes.io/managed-by=k8sext while the run lasts
repair: Run again. If a proxy before the API server cuts long requests, have its time-out raised.
wrong: The probes themselves may all have passed; the run cannot know.

KX908
means: The time for the run, or for one probe, was up before it was done.
how: The deadline of --timeout passed while stages were still open.
see: k8sext doctor -n NAMESPACE SERVICE alone shows how long one bridge takes
repair: Run again with a longer --timeout, or with fewer bridges at a time.
wrong: Many silent targets use up the time for the others: repair the time-outs first.

KX909
means: The place that was looked from is not proven to have a working network, so no server is
  blamed.
how: Nothing at all could be connected to, and the control probes (cluster DNS and the API server)
  failed too.
see: kubectl exec -n NAMESPACE YOUR-POD -- getent hosts kubernetes.default
repair: Look at the probe's node and at network policies that select the probe; then run again.
wrong: A namespace that denies all egress on purpose looks like this. There the tool cannot see a
  bridge.

KX910
means: k8sext itself failed: a defect of the tool, not of the bridge.
how: An error inside of a check was caught; its kind and its line are in the reason.
see: Run again with --debug
repair: Please report it with the reason's line. The other bridges of the run are judged as usual.
wrong: It may have been provoked by an answer that is odd in itself; --debug shows which.

KX911
means: The node could not run the probe's container, or the container ended before it was done.
how: The state of the container, or an event of the kubelet.
see: kubectl describe pod -n NAMESPACE -l app.kubernetes.io/managed-by=k8sext
repair: Read the runtime's words there: a sandbox that cannot be made points at the CNI of that
  node.
wrong: A node that is being drained ends pods as well.

KX913
means: The way from this machine to the relay pod broke, or could not be made.
how: The port-forward through the API server was refused or cut; what went over it is nobody's
  fault but its own, so nothing that was under way is blamed on a server.
see: kubectl port-forward -n NAMESPACE pod/ANY 8080:80 from the same machine
repair: Run again. A proxy before the API server may not know WebSockets or cut long connections;
  --from pod needs no port-forward.
wrong: A relay pod that was ended by its node looks like this, too; then KX911 is the cause.

KX912
means: A volume of the probe could not be mounted, or the container's configuration was refused.
how: The event FailedMount, or the waiting reason of the container.
see: kubectl get events -n NAMESPACE
repair: See which object the words name; Secrets are mounted as optional and are seldom the cause.
wrong: The kubelet may have been slow: mounts are tried again by themselves.

KX926
means: A pod carries this run's label and is not the probe. Nothing that it says or answers counts;
  the verdicts are those of the pod that the run's Job made.
how: A pod is the probe only if its controller is the run's Job, by UID, and if its containers do
  what the Job's template says.
see: kubectl get pods -n NAMESPACE -l k8sext.io/run -o yaml
repair: Find out who made it (managedFields and ownerReferences tell, and the audit log), and delete
  it. Whoever may create pods in a namespace can do this.
wrong: A workload of yours may have been given the label k8sext.io/run by a copied manifest.

KX927
means: The pod of the run's Job is not as the Job's template says, and it is not proven that
  admission changed it. It was not listened to, and no login was sent to it.
how: Image, command, environment, mounts and containers were compared with the template, and with a
  dry run of the same pod, for which the right to create pods is needed.
see: kubectl get pods -n NAMESPACE -l k8sext.io/run -o yaml
repair: If your cluster changes pods on purpose (a mirror of images, an injected container), name
  the image with --image, opt the pod out, or run as somebody who may create pods (nothing is
  created). Else find out who made the pod.
wrong: A webhook that changes each pod in another way (random names or values) looks like this.

KX928
means: What the probe said is not believed: its log does not add up, or its pod was replaced or
  changed while the run lasted.
how: Records are numbered, carry the run's nonce and end with their count; the log was read three
  times. The pod's UID, image and restarts were compared each time it was spoken to.
see: kubectl get events -n NAMESPACE; the audit log tells who changed the pod
repair: Run again. If it stays so, look at who may create, delete and patch pods, or exec into them.
wrong: A proxy before the API server that repeats or mixes up lines of a log looks like this.

KX929
means: The run's Job could not be deleted. The verdicts are not affected.
how: Deleting it was tried several times; the last answer of the API server is in the reason.
see: kubectl get jobs -n NAMESPACE -l k8sext.io/run
repair: Type the command in the reason, or k8sext cleanup -n NAMESPACE. Otherwise the Job ends at
  its own deadline, and the cluster removes it a minute later.
wrong: The Job may be gone all the same, where only the answer was lost.

KX916
means: The run was interrupted before it was done, so nothing is known of the bridges.
how: The process got SIGINT (Ctrl-C), SIGTERM or SIGHUP; its exit code is 130.
see: The log of the CI job around the end of the run
repair: Run again. If a time limit of the CI job ended it, raise that, or lower --timeout.
wrong: The probes may all have passed until then; nothing of an interrupted run counts.

KX922
means: A port of the Service is UDP or SCTP, and k8sext connects by TCP only: nothing is known of
  it.
how: The port's protocol stands in the Service. A datagram that nobody answers says nothing: a
  server may be silent to strangers, so there is no harmless question that proves anything.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.spec.ports}'
repair: Ask the server with its own client (logger, dig, snmpget). If it takes TCP as well, give the
  Service a TCP port. To accept it: annotate k8sext.io/ignore='KX922 REASON'.
wrong: The port may be UDP by mistake only: then correct spec.ports[].protocol.

KX923
means: The Service names no port, and neither its annotations nor its name tell which protocol is
  meant: its name was resolved, and no server was looked at.
how: spec.ports is empty, as ExternalName and headless Services may have it.
see: kubectl get service -n NAMESPACE SERVICE -o yaml
repair: Say it: kubectl annotate service -n NAMESPACE SERVICE k8sext.io/ports=5432/postgresql
  (several are separated by commas; without /PROTOCOL it is inferred).
wrong: Applications know the port all the same; nothing is wrong with such a Service.

KX924
means: The Service names no port. The one that its protocol usually has was tried, and no such
  server answers there, which says nothing against the host.
how: The protocol comes of the Service's name or of k8sext.io/protocol, the port of the protocol.
see: kubectl get service -n NAMESPACE SERVICE -o yaml
repair: Say which port it is: kubectl annotate service -n NAMESPACE SERVICE
  k8sext.io/ports=PORT/PROTOCOL
wrong: If the port is the right one after all, the server is down or out of reach; with the
  annotation the next run says which.

KX925
means: The Service was not tested, because the place that was looked from connects to addresses
  only, and the Service has none.
how: --from local stands outside of the cluster, where Services have no names.
see: kubectl get endpointslices -n NAMESPACE -l kubernetes.io/service-name=SERVICE
repair: Give the Service its endpoints (k8sext provision), or look with --from pod.
wrong: A Service without endpoints leads nowhere from inside either; --from pod says so.
"""
