"""The servers, one row each: what they are called, where they come from, how they are started."""

from __future__ import annotations

from functools import partial

from tests.compat import debian, maven
from tests.compat.server import PASSWORD, USER, Server

_LOGIN = {"username": USER, "password": PASSWORD}

TABLE: tuple[Server, ...] = (
    *(maven.postgresql(v) for v in ("9.6.24", "10.23.0", "13.18.0", "16.4.0", "18.0.0")),
    *(maven.zipkin(v) for v in ("2.11.12", "2.16.2", "2.23.2", "3.5.1")),
    *(maven.search("elasticsearch", v) for v in ("6.8.23", "7.17.28")),
    *(maven.search("opensearch", v) for v in ("2.11.1",)),
    debian.server("redis", "redis-server", "8.0", partial(debian.key_value, "redis-server"),
                  password=PASSWORD),
    debian.server("redis", "valkey-server", "8.1", partial(debian.key_value, "valkey-server"),
                  password=PASSWORD),
    debian.server("mysql", "mariadb-server", "11.8", debian.mariadb, database=USER, **_LOGIN),
    debian.server("rabbitmq", "rabbitmq-server", "4.0", debian.rabbitmq, **_LOGIN),
    debian.server("prometheus", "prometheus", "2.53", debian.prometheus),
    debian.server("alertmanager", "prometheus-alertmanager", "0.28", debian.alertmanager,
                  name="alertmanager"),
)  # fmt: skip
