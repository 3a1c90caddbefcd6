"""KX74x: Prometheus, Alertmanager, Grafana; and who is let in by web services in general."""

TEXT = """
KX740
means: Prometheus works, and some of what it should watch is down for it: it was asked for and did
  not answer, or answered with something that is no metrics.
how: Prometheus's own list of targets, with the error of the last try. Of a server with very many
  targets the sums by job, and one by one those of a few jobs.
see: Prometheus: Status, Targets; curl http://HOST:9090/api/v1/targets?state=active
repair: The words tell how far it came. "connection refused" and "context deadline exceeded" speak
  of the way from Prometheus's host to the target, 404 of metrics_path, 401 and 403 of its login,
  "valid start token" of a page that is no metrics. Ask for the same address from that host.
wrong: A target that is restarted, or meant to be down, is down for Prometheus, too. What must be up
  can be said: k8sext.io/expect={"jobs":["shop"]}

KX741
means: The server was given a new configuration, refused it, and goes on with the one before.
  After its next restart it would not come up at all.
how: Its own word: reloadConfigSuccess of Prometheus, the metric
  alertmanager_config_last_reload_successful of Alertmanager.
see: promtool check config FILE, amtool check-config FILE; the server's log
repair: Correct the file and reload (SIGHUP, or POST /-/reload where that is enabled).
wrong: Hardly: the server says it of itself.

KX742
means: A recording or alerting rule cannot be evaluated. What it should record is missing, and what
  it should warn of is not warned of.
how: Prometheus's list of rules, health "err", with the error of the last evaluation.
see: Prometheus: Status, Rules; curl http://HOST:9090/api/v1/rules
repair: Follow the error. Often two series match where one is meant ("many-to-many matching",
  "same labelset"): aggregate, or match on more labels.
wrong: A rule may fail once while targets change their labels; a second run decides.

KX743
means: Alerts are not told to those who should know: Prometheus does not get them to its
  Alertmanager, or Alertmanager does not get them to a receiver.
how: Their own counters: prometheus_notifications_errors_total grew within three minutes;
  alertmanager_notifications_failed_total grew while we looked, or no notification of that kind has
  ever succeeded.
see: curl http://HOST:9090/metrics or http://HOST:9093/metrics, and their logs
repair: Start what they send to, or correct its address, its login or its certificate.
wrong: The receiver may be back already: Prometheus sends firing alerts again only every minute.

KX744
means: Grafana works, and a data source that its dashboards read from does not.
how: Grafana was asked to check the data source, as its button "Save & test" does; it then asks the
  data source itself, from where Grafana runs.
see: curl -u USER http://HOST:3000/api/datasources/uid/UID/health
repair: Correct the data source's URL or login in Grafana, or start the system behind it. A name
  that only the cluster resolves leads nowhere from a Grafana outside it.
wrong: A plug-in may not be able to check itself; such a source is not called failing.

KX745
means: The product has a login, and it is switched off. Whoever reaches the port may do what its
  users may: with Sentinel's dashboard, change the rules by which applications refuse requests.
how: It tells a version that has a login, and answers without one what only users may see.
see: curl http://HOST:8858/app/names.json
repair: Switch the login on (Sentinel: -Dauth.enabled=true, sentinel.dashboard.auth.username and
  sentinel.dashboard.auth.password), and name it in the bridge's Secret.
wrong: Where only a proxy with a login of its own leads to the port, or in a test environment:
  k8sext.io/ignore takes the code and a reason.

KX746
means: The server forbids what was asked for (403) to a client that has sent no login. Whether a
  login would be let in, or whether it is this client's address that is not, is not known.
how: The status of the answer, and that no login was sent: none is configured, or nobody asked for
  one.
see: curl -i http://HOST:PORT/PATH, from a pod and from another host
repair: If clients log in there, name the Secret with their login at the bridge. If not, look at the
  server's access rules (nginx: allow and deny; a web application firewall) and allow the address
  that pods leave with, or expect the status: k8sext.io/expect={"status":403}
wrong: Another path may be open to everybody: k8sext.io/expect={"path":"/healthz"}

KX748
means: The registry is well, and an application that is registered there is not: its instances say
  that they are not UP, or have stopped renewing their lease. Callers are sent to nobody, or to
  somebody who does not answer.
how: The registry's list of instances with their status; one whose lease seems overdue was asked for
  by itself, as the list is minutes old.
see: curl -H 'Accept: application/json' http://HOST:8761/eureka/apps/NAME
repair: Look at that application: its process, its health (/actuator/health), its log. A process
  that hangs renews no lease; one that was killed stays listed until its lease has run out.
wrong: An instance that was taken out of service on purpose (OUT_OF_SERVICE). Which applications
  this bridge depends on can be said: k8sext.io/expect={"applications":["SHOP"]}; others then only
  show.

KX747
means: The request was signed for one host name and sent to another. Object stores (S3, MinIO, OSS,
  Azure Blob) put Host into what is signed: who signs with the outside name and calls the bridge's
  name, or passes a proxy that changes Host, is refused with SignatureDoesNotMatch, although key and
  secret are right.
how: The store's own error code; where the outside name is known and is answered, that proves it.
see: Compare X-Amz-SignedHeaders and the host in the signed URL with the name that is called.
repair: Let clients use one name for both: the endpoint in the S3 client's configuration is what it
  signs. A Service changes no Host header; a proxy must pass it on (proxy_set_header Host
  $http_host). With virtual-hosted buckets BUCKET.NAME must resolve too: choose path-style.
wrong: A wrong secret key, or a clock that is off, gives the same code. Sign the request anew with
  the name that is called; if it is still refused, it is the key.
"""
