"""KX4xx TLS and KX5xx who answers."""

TEXT = """
KX401
means: TLS is asked for and the server does not offer it on this port.
how: The protocol's own question for TLS was declined, or plain bytes came in place of a TLS
  record.
see: openssl s_client -connect HOST:PORT (for PostgreSQL add -starttls postgres, for MySQL
  -starttls mysql)
repair: Switch TLS on at the server, use its TLS port, or set k8sext.io/tls to disable if that is
  accepted.
wrong: A proxy in front may end TLS only for names that it knows (SNI).

KX402
means: The server insists on TLS and the bridge is set to go without.
how: The server said so in its own words, or answered a plain opener as a TLS port does; or MySQL
  has no RSA key, without which a login that it does not remember goes by TLS only (it says Access
  denied in place of the key, whatever the password is).
see: openssl s_client -connect HOST:PORT
repair: kubectl annotate service -n NAMESPACE SERVICE k8sext.io/tls=verify-full, and tls-ca for a
  private CA
wrong: The rule may hold only for this client's address or user.

KX403
means: The TLS handshake fails before any certificate can be judged.
how: The alert or error of the TLS library is kept in the evidence.
see: openssl s_client -connect HOST:PORT -tls1_2, and again with -tls1_3
repair: Find a protocol version and cipher that both sides allow; look for a proxy that cuts the
  handshake.
wrong: The Python of the probe's image may forbid old versions that your application's library
  still speaks.

KX404
means: The certificate does not lead to a CA that is trusted here.
how: The chain was verified with the CA that the bridge names, otherwise with the image's list.
see: openssl s_client -connect HOST:PORT -showcerts -CAfile ca.crt
repair: Put the CA into a Secret and annotate k8sext.io/tls-ca=SECRET#ca.crt; a server must send
  its intermediate certificates too.
wrong: Your application may trust another list than the one that was used here.

KX405
means: The certificate is for other names than the one that the application uses.
how: The names in the certificate were compared with the bridge's names and its outside name.
see: openssl s_client -connect HOST:PORT | openssl x509 -noout -ext subjectAltName
repair: Add the Service's name to the certificate, or have clients ask for the name that is there
  (k8sext.io/tls-server-name).
wrong: Clients that do not verify names never notice.

KX406
means: The server's certificate has expired.
how: Its end of validity was compared with the clock of the probe's node.
see: openssl s_client -connect HOST:PORT | openssl x509 -noout -enddate
repair: Renew it at the server, and have the server load it.
wrong: The node's clock is wrong.

KX407
means: The server's certificate is not valid yet.
how: Its begin of validity was compared with the clock of the probe's node.
see: openssl s_client -connect HOST:PORT | openssl x509 -noout -startdate
repair: Set the clocks of the server's CA and of the node right.
wrong: It was issued a moment ago by a host whose clock is a little ahead.

KX408
means: The server's certificate expires soon. Everything works today.
how: Its end of validity, which is given in the evidence, against the clock of the probe's node.
see: openssl s_client -connect HOST:PORT | openssl x509 -noout -enddate
repair: Renew it, or see why its automatic renewal is late.
wrong: Short-lived certificates that are renewed automatically are always close to their end.

KX409
means: Only strict verification objects to the certificate: it breaks a rule that older clients
  overlook.
how: It was verified without the strict rules and judged by them, so the verdict does not depend on
  the image.
see: openssl verify -x509_strict -CAfile ca.crt server.crt
repair: Reissue it with the missing extensions (often the key identifiers or basic constraints of
  the CA).
wrong: If no client of yours is strict (Python 3.13 and later is), nothing fails.

KX410
means: The server asks for a certificate of the client and refuses to go on without.
how: The server asked for a certificate in the handshake and ended it, or said so in an alert. It
  was given the one in the bridge's Secret (tls.crt and tls.key, or certificates and private-key).
see: openssl s_client -connect HOST:PORT prints the CAs whose certificates it accepts
repair: Give the application a client certificate from one of those CAs.
wrong: Without one in the Secret the probe presents none; the application may have one and work.

KX501
means: Something answers on this port, and it does not speak the protocol of the bridge.
how: The first bytes of its answer, which are in the evidence, do not begin any message of that
  protocol.
see: timeout 3 bash -c 'cat </dev/tcp/HOST/PORT' | od -c | head
repair: Correct the port, or tell the right protocol: k8sext.io/protocol. k8sext list shows how it
  was inferred.
wrong: A proxy may speak first with a header of its own, or TLS is expected (then the bytes show
  an alert).

KX502
means: The protocol is right and the product is another than expected.
how: The server's own name in its greeting or answer.
see: k8sext doctor -n NAMESPACE SERVICE -o wide shows product, version and identity
repair: Point the Service at the right server, or correct what the bridge expects.
wrong: Forks and proxies often call themselves by another name and work all the same.

KX503
means: The server has another role than the bridge needs: a replica for a primary, a Sentinel for
  a Redis.
how: The server was asked for its role after the login.
see: PostgreSQL: SELECT pg_is_in_recovery(); Redis: ROLE; MySQL: SELECT @@read_only
repair: Point the Service at a server with that role, or correct expect.role.
wrong: A fail-over is under way; run again after it.

KX504
means: The server's version is outside of what the bridge allows.
how: The version that the server states was compared with expect.version.
see: k8sext doctor -n NAMESPACE SERVICE -o wide
repair: Upgrade the server, or correct expect.version.
wrong: Proxies may state a version of their own, or a fixed one.

KX505
means: The other side sends more than any honest server of that protocol does.
how: An announced length, or what had arrived, went over the probe's limit, and the probe hung up.
see: timeout 3 bash -c 'cat </dev/tcp/HOST/PORT' | od -c | head
repair: See what listens there: most often it is another protocol whose first bytes read as a huge
  length.
wrong: A server with a very unusual configuration; please report it with the first bytes.

KX506
means: The web server answers to its own name and not to the bridge's, which is what clients of the
  bridge send as Host.
how: The path was asked for with the bridge's name as Host and, after an answer such as 404 or 421,
  on the same connection with the outside name, which was answered.
see: curl -i -H 'Host: SERVICE' http://HOST:PORT/, and again with the outside name
repair: Add the bridge's name to the server (nginx: server_name), or have clients send the outside
  name. An ExternalName leads to the address and leaves the Host header as it is.
wrong: Clients that set the Host header themselves, or a proxy that does, never notice.

KX507
means: The addresses behind the bridge are different systems: each connection gets the data of one
  of them, by chance.
how: Every address was logged in to, and told an identity that the servers of one system share:
  PostgreSQL's system identifier, Redis' replication id, the uuid or name of a cluster.
see: PostgreSQL: SELECT system_identifier FROM pg_control_system(); Redis: INFO replication
  (master_replid); Elasticsearch: GET / (cluster_uuid); RabbitMQ: rabbitmqctl cluster_status
repair: Leave only the addresses of one system in the EndpointSlice. If a copy was restored beside
  the original, decide which of the two the applications are meant to use.
wrong: Independent brokers behind one name may be meant so: annotate k8sext.io/ignore with the code
  and the reason. The other way round, a PostgreSQL server restored from a copy of the files keeps
  the identifier of the original and is not told from it.

KX508
means: The addresses behind the bridge are probably different systems, as KX507 says; what would
  join them could not be seen.
how: Their servers have identities of their own, belong to no cluster that they tell of, and did
  not say whether one follows the other.
see: On each of the servers: SHOW REPLICA STATUS (SHOW SLAVE STATUS before MySQL 8.0.22)
repair: Let the login see replication (REPLICATION CLIENT, on MariaDB also SLAVE MONITOR), or leave
  only the addresses of one system in the EndpointSlice.
wrong: Servers that follow each other, or a common third one, are one system all the same.

KX509
means: The addresses behind the bridge are Redis servers that know nothing of each other: a value
  written through one connection may not be there on the next.
how: Each is a master without replicas, and their replication ids differ.
see: redis-cli -h HOST -p PORT info replication
repair: For independent caches nothing. For data, leave one address in the EndpointSlice, or make
  the others replicas of it and send writes to the master alone.
wrong: Clients that choose their server themselves (by hash) never go through the Service's name.

KX510
means: A broker has two doors, AMQP and the management API, and here they lead to two brokers.
how: Both told their cluster's name, and the names differ. What is missing behind one door (a queue,
  an exchange, a virtual host) may well be there behind the other.
see: rabbitmqctl cluster_status, on the hosts behind both
repair: Point both at the same broker or cluster.
wrong: The names may have been changed by hand (rabbitmqctl set_cluster_name), or the two are meant
  to be two.
"""
