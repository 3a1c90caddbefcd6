"""KX8xx addresses that a server gives to others."""

TEXT = """
KX801
means: The server itself is fine, but it sends its clients on to addresses that cannot be reached
  from here. The first connection works and later ones fail.
how: The server was asked which addresses it announces (Redis Cluster, Sentinel, Elasticsearch,
  Apollo); at most eight were connected to from the same place and greeted, without a login. A
  container registry names its token service in its challenge; that is asked for a token.
see: The evidence lists every address under announced, with how it ended. Redis: redis-cli -h HOST
  -p PORT CLUSTER SLOTS, or SENTINEL masters; Elasticsearch: GET /_nodes/http; Apollo: GET
  /services/config
repair: Let the servers announce addresses that the cluster reaches (cluster-announce-ip,
  replica-announce-ip, sentinel announce-ip, http.publish_host; Apollo:
  -Deureka.instance.homePageUrl or EUREKA_INSTANCE_HOME_PAGE_URL; a registry: auth.token.realm,
  Harbor: external_url), open the way to the announced ones, or use a client that does not follow
  them (no cluster mode, no sniffing).
wrong: An application whose client never follows announced addresses does not notice. Run from
  another place (--from local), the answer is about that place and not about the pods.

KX802
means: A system outside does not know an application that the bridge says it must know: nothing
  calls that application, or hands it work.
how: The system was asked for its list of applications (machines, executors, instances) and
  compared with expect.applications.
see: The system's own page of applications; the evidence lists the names that it does know.
repair: Look at the application's log for the address of this system and for refused registrations
  (a wrong token, a wrong context path), and compare the name letter by letter.
wrong: An application that has just started registers with its first heartbeat, and some register
  only with their first request (Sentinel).

KX803
means: An application has registered under an address that means the caller's own host, or
  nothing: loopback, 0.0.0.0, link-local. Whoever calls it reaches itself.
how: The address is in the system's own list; no network is needed to judge it.
see: The evidence lists every registered address under callbacks.
repair: Set the announced address at the application, as the fix says. Libraries take the first
  address of the first network interface, or what the host name resolves to.
wrong: A caller on the same host as the application reaches it under a loopback address.

KX804
means: Addresses are still registered of pods that no longer exist. Calls to them fail, or reach
  whichever pod gets the address next.
how: The address lies in a node's pod range, and no pod has it now.
see: kubectl get pods -A -o wide | grep ADDRESS finds nothing.
repair: Wait for the entry to time out, or remove it at the system; let applications deregister
  when they are told to stop (terminationGracePeriodSeconds, a preStop hook).
wrong: Pods of namespaces that we may not list cannot be seen. A pod that ended during the run.

KX805
means: The system outside cannot call back an application that runs here. It lives, it has
  registered, and no way leads from outside to the registered address.
how: The system says itself that the call failed, or did not come in time, while the same address
  answers from a pod of this cluster.
see: From the system's host connect to the registered address and port: nc -vz ADDRESS PORT
repair: Let the application announce an address that the outside reaches (hostPort or NodePort and
  the node's address), route the pod network to the outside, or run the calling system inside the
  cluster.
wrong: The system's last attempt may be older than the application's restart.

KX806
means: An application has registered under an address that looks like a node of this cluster and is
  none, or under a port of a node that nothing here listens on.
how: The address was compared with the addresses of the nodes, with node ports and with the host
  ports of pods.
see: kubectl get nodes -o wide; kubectl get services -A | grep NodePort
repair: Register the address of a node that exists, better a name or a load balancer before the
  nodes, and the node port that the Service has now.
wrong: A load balancer's or another cluster's address is none of our nodes', and may be right.

KX807
means: An application has registered under a name that only one side can resolve: a Service's name
  or a pod's host name means nothing outside the cluster.
how: The name's form (SERVICE.NAMESPACE.svc, or no dot at all), and that the system says it cannot
  reach it or does not say anything.
see: From the system's host: getent hosts NAME
repair: Announce an address in place of the name (eureka.instance.prefer-ip-address and the like),
  or a name that the outside's DNS has.
wrong: Where the outside uses the cluster's DNS, such names do resolve there.

KX808
means: A target is reached by the system and does not give what is wanted, or does not answer
  anybody: it is no question of the way back.
how: The system's own error (an HTTP status, a certificate, a refused connection), and that the
  address does not answer from inside the cluster either.
see: The system's page of targets; curl the address from a pod.
repair: Correct the path, the port or the login of the target; start what does not run.
wrong: A target that is down on purpose.

KX809
means: Several replicas stand behind one registered address. Each call reaches another of them, so
  that what is measured or told to one is mixed up with the others.
how: The address is a node port or a Service with more than one ready endpoint.
see: kubectl get endpointslices of that Service.
repair: Give the system each pod by itself: service discovery of pods (Prometheus:
  kubernetes_sd_configs with role pod, or a Prometheus inside), or one address for each replica.
wrong: Nothing is lost where the replicas are only to be reached, not to be told apart.

KX810
means: The system outside will probably not reach an application that has registered there; it
  has not said so yet.
how: The registered address is a pod's, pods of this cluster leave with another address than their
  own (a server saw it), and nothing says that the outside has a route to pods.
see: From the system's host: nc -vz ADDRESS PORT
repair: As for KX805: another announced address, a route to pods, or the caller inside.
wrong: A network in which pods are routed outside and only their outgoing connections are
  masqueraded: then the way back exists.

KX811
means: Two or more processes of one system call the same address, and those of one of them fail
  while those of the other arrive: about half of all jobs fail, by chance. Most often somebody has
  started a second XXL-JOB admin, on a laptop or in a test, with the production database.
how: XXL-JOB's log names the scheduler of each call. One scheduler's calls of an address failed at
  least twice, and in between another one's arrived. Several schedulers alone are normal.
see: The page of the log (trigger details), where each line names its scheduler; at the database
  SELECT host FROM information_schema.processlist WHERE db = 'xxl_job'
repair: Stop the scheduler that does not belong there, and give its owner a database of its own. One
  that belongs there needs the same way to the executors, and the same access token, as the others.
wrong: Lines of a scheduler that has been stopped stay in the log: it is said until newer lines have
  taken their place (fifty of an application), for two days at most.

KX812
means: The bridge's Secret names a user of XXL-JOB's pages whom people use (admin), and it was not
  logged in: that would log them out. From release 3.2 on a user has one session. Token and health
  were looked at, executors and their log were not.
how: The login page is that of 3.2 and later, and the user is called admin.
see: kubectl get secret -n NAMESPACE SECRET -o jsonpath='{.data.username}' | base64 -d
repair: Make a user of its own on the page of users, with the role of an administrator (executors
  are shown to those only), and put it in the Secret. Or expect login_as_admin, where nobody minds.
wrong: A user of another name may be a person's, too: k8sext cannot know, and logs in as it.
"""
