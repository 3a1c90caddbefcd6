"""KX8xx addresses that a server gives to others."""

TEXT = """
KX801
means: The server itself is fine, but it sends its clients on to addresses that cannot be reached
  from here. The first connection works and later ones fail.
how: The server was asked which addresses it announces (Redis Cluster, Sentinel, Elasticsearch and
  the like); at most eight were connected to from the same place and greeted, without a login.
see: The evidence lists every address under announced, with how it ended. Redis: redis-cli -h HOST
  -p PORT CLUSTER SLOTS, or SENTINEL masters; Elasticsearch: GET /_nodes/http
repair: Let the servers announce addresses that the cluster reaches (cluster-announce-ip,
  replica-announce-ip, sentinel announce-ip, http.publish_host), open the way to the announced
  ones, or use a client that does not follow them (no cluster mode, no sniffing).
wrong: An application whose client never follows announced addresses does not notice. Run from
  another place (--from local), the answer is about that place and not about the pods.
"""
