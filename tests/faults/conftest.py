from tests.support.api_fixtures import no_cluster_of_this_machine, sessions_are_closed

__all__ = ["no_cluster_of_this_machine", "sessions_are_closed"]
