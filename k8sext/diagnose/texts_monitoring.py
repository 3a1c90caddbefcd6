"""KX74x monitoring: Prometheus, Alertmanager, Grafana."""

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
"""
