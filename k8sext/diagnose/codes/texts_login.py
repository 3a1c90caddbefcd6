"""KX6xx who may come in."""

TEXT = """
KX601
means: The server rejects the login.
how: One login was tried with the values of the Secret, at one address first. After a rejection
  the same login was not tried again on this server, so that the account is not locked; every
  other bridge that leads there with the same values fails by it ("tried once only, at …").
see: Log in with the same user from a pod; the evidence has the server's own words, and under
  credential_hints what is odd about the values (an end of line, quotes, base64 twice, a
  placeholder), told without showing any of them.
repair: Correct the Secret's values or the user's password at the server. A line break at the end
  of a value (echo without -n) is a part of the password.
wrong: Some servers say the same for an unknown user, a wrong database or a host that may not log
  in; MySQL and MariaDB also for an account with REQUIRE SSL when the bridge goes without TLS.

KX602
means: The server asks for a login and the bridge has none configured; it was tested as far as
  that.
how: The server's answer to the first exchange of the protocol.
see: k8sext checks shows which keys a login of this protocol has
repair: kubectl annotate service -n NAMESPACE SERVICE k8sext.io/credentials=SECRET; the Secret
  must name the Service in its key k8sext.service (k8sext explain KX612)
wrong: It says nothing against the bridge: your application may log in with values that are kept
  elsewhere.

KX603
means: The server's host rules do not allow the address from which this client comes.
how: The server said so (pg_hba.conf of PostgreSQL, error 1130 of MySQL), mostly with the address
  that it saw.
see: The evidence has the server's words; the address is the node's, not the pod's.
repair: Allow the addresses of all nodes in the host rules, then reload them.
wrong: The rule may depend on user, database or encryption as well; the words tell which.

KX604
means: The server has locked out this client's address after too many broken connections.
how: Error 1129 of MySQL and MariaDB in place of their greeting.
see: On the server: SELECT * FROM performance_schema.host_cache
repair: FLUSH HOSTS (or TRUNCATE TABLE performance_schema.host_cache), then find the client on
  that node that hangs up in the middle of handshakes: often a TCP health check.
wrong: Behind NAT the culprit can be any pod on the node or any node behind the same address.

KX605
means: Redis runs in protected mode: no password is set, so it answers its own host only.
how: Its answer begins with DENIED.
see: redis-cli -h HOST -p PORT ping
repair: Set requirepass or users at the server and put the login into a Secret; do not just turn
  the mode off.
wrong: Hardly: only Redis and its forks answer so.

KX606
means: This user may log in from the server's own host only. RabbitMQ ships its user guest like
  that.
how: The server's words at the login.
see: On the server: rabbitmqctl environment | grep loopback_users
repair: Make a user for the application (rabbitmqctl add_user, set_permissions) and put it into
  the Secret.
wrong: An authentication plug-in may refuse with similar words.

KX607
means: The login works and the user lacks a right that the check, and so probably the application,
  needs.
how: The server's answer to the one harmless question that is asked after the login.
see: Ask the same as that user; the evidence has the server's words.
repair: Grant the right to the user, or correct the database or virtual host in the Secret.
wrong: The application may never need what was asked here.

KX608
means: The server wants a way of logging in that k8sext does not speak, so the login could not be
  judged.
how: The method's name in the server's request.
see: Log in with the application's own driver from a pod.
repair: Check with the driver, or give the application's user a method that is spoken here.
wrong: The bridge may be perfectly well: this is a limit of the tool.

KX609
means: The password crosses the network in clear text.
how: The login's method sends it readably and the connection was not encrypted.
see: tcpdump on the node shows it, which is the point.
repair: Switch TLS on; or state that you accept it with k8sext.io/tls=disable.
wrong: The network between may be encrypted by other means (WireGuard of the CNI, a VPN).

KX610
means: The Secret that the bridge names does not exist in this namespace, so no login was tried.
how: The Secret is mounted into the probe's pod as optional, and its folder is empty.
see: kubectl get secret -n NAMESPACE SECRET
repair: Create it, or correct the name in k8sext.io/credentials. A Secret must be in the Service's
  namespace.
wrong: It was created in the last moments of the run, or exists without any key.

KX611
means: The Secret is there and lacks a key that the login needs.
how: Only the names of its keys were compared with the words and aliases of the protocol.
see: kubectl get secret -n NAMESPACE SECRET -o json | jq '.data | keys'; k8sext checks lists the
  aliases
repair: Add the key, or name yours: k8sext.io/credentials-keys=password=YOUR-KEY, and list it in
  the Secret's own key k8sext.keys
wrong: Your application may read the value from another Secret.

KX614
means: You may not read the Secret that the bridge names, so no login was tried.
how: --credentials cluster reads it with your own rights, and the API server refused.
see: kubectl auth can-i get secret/SECRET -n NAMESPACE
repair: Have the right to get this one Secret given to you, give the values yourself with
  --credentials file:PATH, or look --from pod, which mounts Secrets and needs no such right.
wrong: It says nothing against the login itself, which was not tried.

KX613
means: The password has expired at the server.
how: The server's own answer to the login.
see: Log in with the same user; the server asks for a new password.
repair: Set a new password at the server and in the Secret, or exempt the application's user from
  expiry.
wrong: Clients that can change the password while logging in may still come in.

KX620
means: The user's account is locked at the server, whatever the password.
how: The server's own words at the login (error 3118 or 3955 of MySQL, 4150 or 4151 of MariaDB).
  The login was not tried again on another route.
see: On the server: SHOW CREATE USER 'NAME'@'HOST'
repair: ALTER USER 'NAME'@'HOST' ACCOUNT UNLOCK; after too many wrong passwords find the client that
  still has the old one first, or it locks the account again.
wrong: Another account of the same name may match this client's address.

KX615
means: The login or token that the product ships with works. Whoever reaches the port may use it.
how: The configured login is the default one, or the default token was accepted by a request that
  changes nothing.
see: The product's manual names the default.
repair: Set another password or token at the server and in the Secret, then in every client.
wrong: A test environment may want it so: k8sext.io/ignore takes the code and a reason.

KX616
means: The Secret has the login in an address (uri or jdbc-url), and not every client library
  reads that address as k8sext does.
how: The address has a character that must be percent-encoded in a login (@ is %40, % is %25, a
  space is %20), or a form that only some clients take. Python's own reader, which k8sext and pika
  and redis-py use, is lenient; libpq, JDBC drivers, Java's and Go's readers are not. The value
  itself is never shown.
see: psql "$(kubectl get secret -n NAMESPACE SECRET -o jsonpath='{.data.uri}' | base64 -d)" -c '\\q'
repair: Write user and password percent-encoded into the address, in the Secret and in whatever
  makes the Secret. A password of letters and digits needs no encoding.
wrong: Applications that read the Secret's other keys (username, password) never see the address.

KX617
means: A password is configured and the server never asked for it: whoever reaches the port gets in
  with the user's name alone.
how: PostgreSQL answered the startup message with AuthenticationOk, and no client certificate was
  presented.
see: On the server: SELECT * FROM pg_hba_file_rules
repair: Replace trust in pg_hba.conf by scram-sha-256, then reload.
wrong: The network may be the protection that is meant. Nobody knows whether the password is right.

KX755
means: A container registry is reached without TLS. It may be quite well; but container runtimes ask
  a registry over HTTPS unless their configuration says otherwise, so that pods end in ErrImagePull
  (http: server gave HTTP response to HTTPS client) although the registry answers here.
how: /v2/ was answered as a registry does, on a connection in clear text, and the bridge does not
  say that this is meant.
see: On a node: ls /etc/containerd/certs.d; or /etc/docker/daemon.json, insecure-registries
repair: Give the registry a certificate. Or make a file hosts.toml in
  /etc/containerd/certs.d/HOST:PORT on every node with the line server = "http://HOST:PORT" (the
  directory is config_path in containerd's own configuration), and annotate the bridge with
  k8sext.io/tls=disable, which says that clear text is meant.
wrong: The nodes are configured already, or reach the registry by another address that has TLS: the
  probe stands in a pod and does not see their configuration.

KX756
means: The registry asks for a token of another host, and the login that the bridge names was not
  sent there. Nothing is known of whether it is good.
how: The challenge (WWW-Authenticate) names the address. A password goes to the registry's own host,
  or over HTTPS to a host that the Secret itself names: whoever answers at the bridge's address must
  not be able to have it sent to a host of his choice. The token service was only looked at.
see: curl -i http://HOST:PORT/v2/ shows the challenge
repair: If that host is right, give the Secret an entry for it under auths, or its name in the key
  host. If not, correct it at the registry: auth.token.realm, for Harbor external_url.
wrong: A public registry does this on purpose (auth.docker.io for Docker Hub); its clients send the
  password there without asking.
"""
