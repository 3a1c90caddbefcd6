from tests.support.api_fixtures import (
    no_cluster_of_this_machine,
    pauses_are_short,
    pki,
    server,
    sessions_are_closed,
)

__all__ = [
    "no_cluster_of_this_machine",
    "pauses_are_short",
    "pki",
    "server",
    "sessions_are_closed",
]
