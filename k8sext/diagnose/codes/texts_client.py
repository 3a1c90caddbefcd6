"""Drivers beside the wire probe (`doctor --client`): KX52x and KX92x."""

TEXT = """
KX520
means: The driver itself refuses this server, by a rule of its own makers; the server is healthy.
how: k8sext's own probe of the same address passed to the end. The driver ended with a refusal of
  the server's version or kind, not with an error of the network or of the login.
see: Run the application's own driver from a pod; its words are in the reason. The official
  Elasticsearch clients from 7.14 on refuse servers that send no X-Elastic-Product header.
repair: Use the driver's release for this server's version (elasticsearch below 7.14 for a server
  of 7.1), or upgrade the server.
wrong: Your application may use another driver or another release than the one installed beside
  k8sext.

KX521
means: The driver that applications use does not get through, although k8sext's own probe does.
how: Both were tried one after the other on the same address with the same login and the same TLS
  settings. The driver's words are in the reason.
see: The same driver in a few lines from a pod, with its retries off.
repair: Compare what the driver insists on (TLS versions, login method, protocol version) with
  what the server offers; then try another release of the driver.
wrong: The server may have changed between the two probes; run again. The application may be in
  another language, with another driver.

KX522
means: The driver did not come to an end in time, although k8sext's own probe of the same address
  did.
how: The driver ran under a watchdog and was left behind when its time was up, or it said itself
  that it had waited too long.
see: The same driver from a pod, with its own time-outs set.
repair: Run again with a longer --timeout and --stage-timeout. If it stays so, an application with
  that driver hangs as well: set its time-outs, and look at the server's log for what it waits for.
wrong: A machine under load, or one slow answer, is enough to cause it.

KX523
means: Both the driver and k8sext's own probe fail, but not in the same way.
how: The reasons of the two probes of one address belong to different layers.
see: Both are in the report, with their own words.
repair: Begin with the other diagnosis of this bridge: it is of the layer that can be seen best.
  Then run again.
wrong: Drivers word their errors freely; two wordings of one fault may look like two faults.

KX920
means: The driver gets through where k8sext's own probe does not: do not trust the failure above
  without a second look.
how: Both were tried on the same address with the same login; the driver was tried later.
see: Run again; if both pass, the server had recovered between the two.
repair: If the difference stays, please report it with the product and version of the server: the
  probe is wrong, or it asks for more than a driver does.
wrong: A server that was just starting, or one of several behind an address, gives the same picture.

KX921
means: The driver for this protocol is not installed on this machine, so only k8sext's own probe
  was made.
how: The package's metadata was not found in the Python environment of k8sext.
see: pip list in the environment that k8sext was installed into
repair: Install the package into the same environment, or leave --client out.
wrong: It says nothing against the bridge.
"""
