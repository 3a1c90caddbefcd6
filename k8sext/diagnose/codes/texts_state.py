"""KX7xx the state of the service."""

TEXT = """
KX701
means: The server has no database of the name that the login gives.
how: The server's own error after the login was accepted.
see: PostgreSQL: psql -l; MySQL: SHOW DATABASES
repair: Create the database, or correct its name in the Secret. Names may be case-sensitive.
wrong: Some servers hide databases that the user has no right to.

KX702
means: RabbitMQ has no virtual host of that name.
how: The server's answer when the connection was opened, after the login.
see: On the server: rabbitmqctl list_vhosts
repair: rabbitmqctl add_vhost NAME and set_permissions, or correct the virtual host in the Secret.
wrong: The name may need its leading slash, or must not have it.

KX703
means: A queue, exchange, index or other object that the bridge expects is not there.
how: The server was asked for it without creating it.
see: The evidence has the object's name and the server's words.
repair: Create it, or correct k8sext.io/expect.
wrong: Applications often create such objects when they start for the first time.

KX704
means: The server takes no more connections.
how: Its own error at the greeting or the login, and again up to three times within two seconds,
  while none of our own probes was connected to it.
see: PostgreSQL: SELECT count(*) FROM pg_stat_activity; MySQL: SHOW PROCESSLIST
repair: Find who holds them (a pool that is too large, times the number of replicas), or raise the
  limit.
wrong: A short peak; a second run decides. The limit may be this user's own.

KX705
means: The server takes no writes, and the bridge expects one that does.
how: It was asked for its state after the login.
see: PostgreSQL: SHOW transaction_read_only; MySQL: SELECT @@read_only; Redis: ROLE;
  Elasticsearch: GET /_cluster/state/blocks
repair: Point the Service at the primary; if this is the primary, see why it is read-only (a full
  disk?). Elasticsearch before 7.4 keeps index.blocks.read_only_allow_delete after the disk is
  freed: set it to null.
wrong: A fail-over is under way.

KX706
means: The server is starting up or loading its data and serves nobody yet.
how: Its own answer.
see: The server's log tells how far it is.
repair: Wait and run again. If it stays so, its recovery is stuck or it restarts again and again.
wrong: Hardly: the server says it of itself.

KX707
means: The server has raised an alarm and holds back some or all clients.
how: It said so, at the connection or when its state was asked for.
see: RabbitMQ: rabbitmqctl status lists alarms; Elasticsearch: GET /_cat/allocation?v
repair: Free memory or disk at the server; publishers stay blocked until then.
wrong: The alarm may have ended since.

KX708
means: The service works with less safety than it should, for example a yellow Elasticsearch
  cluster.
how: Its own report of its health.
see: curl http://HOST:PORT/_cluster/health, then /_cluster/allocation/explain
repair: See which copies are missing there. A single node with replicas configured is always
  yellow; where that is meant, say so: k8sext.io/expect={"health":"yellow"}
wrong: On a single node yellow is the normal state.

KX709
means: The service answers and says that it is not well, answers with a server's error (5xx), or
  greets and then answers no more.
how: Its own report or status; or a small question after the login that had no answer, or half of
  one. A pooler whose connections to its server are all taken lets clients log in and wait.
see: The evidence has its words; then the server's log.
repair: Repair the service: the way to it is fine.
wrong: A gateway in front may give the error for a server that is well; a pool may be exhausted
  for a moment only.

KX710
means: The server is not what the bridge expects.
how: A fact that it gave was compared with k8sext.io/expect.
see: k8sext doctor -n NAMESPACE SERVICE -o json shows the facts under evidence
repair: Correct the target, or the expectation.
wrong: The expectation may be older than a change that was meant.

KX711
means: The server answers with an error that is none of the known ones.
how: Its words and its code are in the evidence.
see: The server's own log at that time.
repair: Follow the server's words: the way to it and its protocol are fine.
wrong: A proxy in front may speak for it.

KX712
means: Nobody reads from a queue that the bridge expects, or fewer readers than it expects.
how: The queue was declared passively, which changes nothing; the broker's answer counts consumers.
  RabbitMQ's management port gives the same count.
see: On the server: rabbitmqctl list_queues -p VHOST name messages consumers
repair: Start the workload that reads from the queue; if it runs, its own log says why it does not
  consume. Where none is meant to read, expect min_consumers 0.
wrong: A consumer that fetches single messages (basic.get) is never counted, nor is one that is
  reconnecting at this moment.

KX720
means: The server takes connections, and at least nine of ten that it allows are in use.
how: Connections in use were compared with its limit, after the login.
see: PostgreSQL: SELECT sum(numbackends) FROM pg_stat_database; MySQL: SHOW STATUS LIKE
  'Threads_connected'
repair: Find who holds them (a pool that is too large, times the number of replicas), or raise the
  limit before it is reached.
wrong: A short peak; a pooler in front may hold them on purpose.

KX721
means: The replica behind this address is further behind its primary than the bridge allows, or
  does not replicate any more.
how: It was asked for its replication's state after the login, and compared with
  expect.max_lag_s.
see: PostgreSQL: SELECT now() - pg_last_xact_replay_timestamp(); MySQL: SHOW REPLICA STATUS
repair: See in the server's log why replication stopped; if it is only slow, look at long
  transactions and at the disk.
wrong: On PostgreSQL the seconds since the last replayed transaction also grow while nobody writes
  and the connection to the primary is down.

KX722
means: This protocol cannot check the expectation that is set on the bridge, so nothing is known of
  it.
how: The keys and values of the annotation k8sext.io/expect were compared with those that the check
  knows. What was expected has not been checked, whatever else passed.
see: k8sext checks
repair: Correct the key or its value. A typing error would otherwise pass for ever.
wrong: The expectation may be meant for a check of a newer k8sext.

KX723
means: An annotation k8sext.io/… of the Service has a value that cannot be used, so the check that
  somebody asked for was not made as they meant it.
how: The value was read, and compared with the words that there are: protocols, TLS modes, ports,
  names of Secrets, codes to ignore.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.metadata.annotations}'
repair: Correct the value; k8sext checks lists the protocols. What cannot be read is passed over,
  and a pass without it would say more than was looked at.
wrong: The word may belong to a newer k8sext.

KX724
means: An annotation k8sext.io/… of the Service does not exist, or is for a port that the Service
  does not have, so it has no effect.
how: Its name was compared with those that there are, and its port with the Service's.
see: kubectl get service -n NAMESPACE SERVICE -o jsonpath='{.metadata.annotations}'
repair: Write the name that the message offers, or remove the annotation.
wrong: The annotation may belong to a newer k8sext, or to another tool that uses the same prefix.

KX730
means: Marked data was sent through the system (--active), accepted, and not found where it must
  arrive. An application would lose its data in the same way, without an error.
how: A message, span or log line with a mark of this run was sent as applications send theirs, and
  looked for at the other end until the time was up.
see: The evidence says where it was looked for and for how long. Look at the consumer's log.
repair: Start or mend the consumer (Logstash, the collector), and correct the index, queue or
  database that it writes to.
wrong: A consumer that works off a long queue, or writes in large batches, is late; a longer
  expect or a second run decides.

KX731
means: The queue has a consumer, and messages pile up in it all the same.
how: The messages that wait were counted three times within two seconds by passive declares, which
  change nothing; each time there were more.
see: On the server: rabbitmqctl list_queues -p VHOST name messages_ready messages_unacknowledged
  consumers
repair: Look at the consumer's own log: one that cannot write further (Elasticsearch full or
  read-only) takes no more. If it only is too slow, start more consumers.
wrong: A burst of a second looks the same; it is worked off afterwards.

KX736
means: The path that is checked leads through another bridge, and that one does not work.
how: The check connected to the bridge that expect names, greeted it and logged in.
see: The sentence names the bridge and how it ended.
repair: Mend that bridge first; it has a verdict of its own in the same report if it is a bridge
  that is probed.
wrong: The two systems may use another way to each other than applications here do.
"""
