"""What a bridge asks of TLS."""

from enum import StrEnum

from .data import dataclass


class TlsMode(StrEnum):
    """`disable`: never; `require`: encrypted, unverified; `verify-full`: chain and name.

    Without a mode (None in TlsSpec) a check does what its protocol's clients do by default.
    """

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSpec:
    """TLS of one bridge port."""

    mode: TlsMode | None = None
    ca_secret: str = ""  # the Secret that holds the CA
    ca_key: str = ""
    server_name: str = ""
