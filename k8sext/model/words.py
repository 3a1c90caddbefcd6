"""The closed lists of words that results are made of. Their values are contracts (JSON, JUnit)."""

from enum import StrEnum


class Stage(StrEnum):
    """A step of one probe, in the order in which reports show them."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    VERIFY = "verify"


class Status(StrEnum):
    """How a stage, a probe or a bridge came out."""

    PASS = "pass"  # noqa: S105 - a word, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    INCONCLUSIVE = "inconclusive"


class Route(StrEnum):
    """How a connection is made."""

    NAME = "name"
    CLUSTER_IP = "cluster-ip"
    ENDPOINT = "endpoint"
    ORIGIN = "origin"
    INGRESS = "ingress"  # a page through an ingress controller
    NODE_PORT = "node-port"


class Severity(StrEnum):
    """How much a finding or a diagnosis weighs."""

    FAIL = "fail"
    WARN = "warn"
    NOTE = "note"
    INCONCLUSIVE = "inconclusive"

    @property
    def order(self) -> int:
        """From the heaviest: fail, inconclusive, warn, note."""
        return _BY_WEIGHT.index(self)


class Culprit(StrEnum):
    """Whose fault it is."""

    MANIFEST = "manifest"
    CLUSTER_DNS = "cluster-dns"
    CLUSTER_NETWORK = "cluster-network"
    PATH = "path"
    SERVER_HOST = "server-host"
    SERVER_CONFIG = "server-config"
    CREDENTIALS = "credentials"
    TLS = "tls"
    WRONG_TARGET = "wrong-target"
    SERVER_STATE = "server-state"
    CALLBACK = "callback"
    TOOL_ENVIRONMENT = "tool-environment"


class Reason(StrEnum):
    """How a stage ended when it did not simply pass.

    A check maps the server's own words to one of these; the diagnosis knows nothing else.
    """

    # names
    NAME_NOT_FOUND = "name_not_found"  # NXDOMAIN
    NAME_NO_ADDRESS = "name_no_address"  # the name exists and has no A or AAAA record
    DNS_SERVER_FAILURE = "dns_server_failure"  # SERVFAIL, REFUSED and other error codes
    DNS_TIMED_OUT = "dns_timed_out"
    NAME_NOT_A_NAME = "name_not_a_name"  # an address written where a name belongs
    # network
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    NO_ROUTE = "no_route"  # EHOSTUNREACH, ENETUNREACH
    NO_FAMILY = "no_family"  # this place has no address of the family that the target has
    NOT_PERMITTED = "not_permitted"  # EPERM: a local policy forbids it
    RESET = "reset"
    CLOSED_EARLY = "closed_early"
    SILENT = "silent"  # accepted, then not a byte until the deadline
    # tls
    TLS_NOT_OFFERED = "tls_not_offered"
    TLS_REQUIRED = "tls_required"
    TLS_FAILED = "tls_failed"  # an alert or a protocol error
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_NAME_MISMATCH = "certificate_name_mismatch"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    CERTIFICATE_EXPIRES_SOON = "certificate_expires_soon"
    CERTIFICATE_STRICT_ONLY = "certificate_strict_only"  # only X509_STRICT objects
    CLIENT_CERTIFICATE_REQUIRED = "client_certificate_required"
    # who answers
    WRONG_PROTOCOL = "wrong_protocol"
    WRONG_PRODUCT = "wrong_product"
    OTHER_BROKER = "other_broker"  # two doors of one broker lead to two
    WRONG_ROLE = "wrong_role"  # a Sentinel where a Redis server is expected, ...
    UNSUPPORTED_VERSION = "unsupported_version"
    HOST_NAME_UNKNOWN = "host_name_unknown"  # HTTP: the outside name is answered, the bridge's not
    SIGNED_FOR_ANOTHER_HOST = "signed_for_another_host"  # a signature that covers the Host header
    TOO_MUCH = "too_much"  # more bytes than any honest answer has
    # who may come in
    AUTH_REQUIRED = "auth_required"  # the server wants a login and none is configured
    AUTH_REJECTED = "auth_rejected"
    AUTH_METHOD_UNSUPPORTED = "auth_method_unsupported"
    HOST_NOT_ALLOWED = "host_not_allowed"
    LOCKED_OUT = "locked_out"
    PROTECTED_MODE = "protected_mode"
    LOOPBACK_ONLY_USER = "loopback_only_user"
    PERMISSION_DENIED = "permission_denied"  # to a login that was sent
    FORBIDDEN = "forbidden"  # the same to a client that sent none: HTTP 403, NOPERM
    PASSWORD_IN_CLEAR = "password_in_clear"  # noqa: S105 - a word, not a password
    PLAIN_HTTP = "plain_http"  # a registry without TLS, where clients ask over HTTPS first
    REALM_ELSEWHERE = "realm_elsewhere"  # logins are sent to a host that the Secret does not name
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 - a word, not a password
    ACCOUNT_LOCKED = "account_locked"  # the user, not the client's address (that is locked_out)
    SESSION_OF_A_PERSON = "session_of_a_person"  # a login would log somebody out: not tried
    # what state it is in
    DATABASE_MISSING = "database_missing"
    VHOST_MISSING = "vhost_missing"
    OBJECT_MISSING = "object_missing"  # queue, exchange, index, schema object
    NO_CONSUMER = "no_consumer"  # a queue that nobody, or too few, read from
    TOO_MANY_CONNECTIONS = "too_many_connections"
    READ_ONLY = "read_only"
    LOADING = "loading"
    ALARM = "alarm"
    DEGRADED = "degraded"  # yellow
    UNHEALTHY = "unhealthy"  # red, 5xx
    ANNOUNCED_UNREACHABLE = (
        "announced_unreachable"  # the server sends its clients to dead addresses
    )
    COMPANION_FAILED = "companion_failed"  # another bridge, which a check needs, does not work
    QUEUE_GROWS = "queue_grows"  # more is published than is taken out
    NOT_ARRIVED = "not_arrived"  # what was sent for a test was not found at the other end
    DEFAULT_LOGIN = "default_login"  # the login or token that everybody knows is accepted
    LOGIN_SWITCHED_OFF = "login_switched_off"  # a product that has a login lets everybody in
    INSTANCE_DOWN = "instance_down"  # an application says, or shows, that it is not well itself
    NOT_REGISTERED = "not_registered"  # an application that must be known to a system is not
    NEARLY_FULL = "nearly_full"  # almost every connection is taken
    LAGGING = "lagging"  # a replica that is behind, or does not replicate at all
    # monitoring
    TARGET_DOWN = "target_down"  # what it watches cannot be watched
    CONFIG_REFUSED = "config_refused"  # it runs with an older configuration than it was given
    RULE_FAILING = "rule_failing"
    NOTIFICATIONS_FAIL = "notifications_fail"  # alerts do not get through
    SOURCE_FAILING = "source_failing"  # a data source of a dashboard
    UNEXPECTED = "unexpected"  # an expectation of the user is not met
    BAD_EXPECTATION = "bad_expectation"  # an expectation that cannot be compared with anything
    SERVER_ERROR = "server_error"
    # why a stage did not run, or could not prove anything
    NOT_REACHED = "not_reached"
    NOT_APPLICABLE = "not_applicable"
    NO_CREDENTIALS = "no_credentials"
    DRIVER_MISSING = "driver_missing"  # a client probe without its library
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a word, not a password
    SECRET_KEY_MISSING = "secret_key_missing"  # noqa: S105 - a word, not a password
    SECRET_FORBIDDEN = "secret_forbidden"  # noqa: S105 - a word, not a password
    NO_CONSENT = "no_consent"
    CONSENT_ELSEWHERE = "consent_elsewhere"  # it consents, and not to where this leads
    KEY_NOT_ALLOWED = "key_not_allowed"
    TLS_DEMANDED = "tls_demanded"  # by the Secret, and not reached
    LOGIN_REJECTED_BEFORE = "login_rejected_before"
    OUT_OF_TIME = "out_of_time"
    VANTAGE_UNPROVEN = "vantage_unproven"
    INTERNAL_ERROR = "internal_error"  # a defect of k8sext


_BY_WEIGHT = (Severity.FAIL, Severity.INCONCLUSIVE, Severity.WARN, Severity.NOTE)
STAGES: tuple[Stage, ...] = tuple(Stage)
# The server has counted a failed login, or would count the next one: none follows with the same.
LOGIN_ENDS: tuple[Reason, ...] = (
    Reason.AUTH_REJECTED,
    Reason.PASSWORD_EXPIRED,
    Reason.ACCOUNT_LOCKED,
    Reason.AUTH_METHOD_UNSUPPORTED,  # a check may have to give a wrong answer to leave politely
)
# An answer to the first words of a protocol that no server of it would give.
NO_SUCH_SERVER: tuple[Reason, ...] = (
    Reason.WRONG_PROTOCOL,
    Reason.WRONG_PRODUCT,
    Reason.CLOSED_EARLY,
    Reason.RESET,
    Reason.SILENT,
    Reason.TIMED_OUT,
    Reason.TOO_MUCH,
    Reason.TLS_NOT_OFFERED,
    Reason.TLS_FAILED,
    Reason.OBJECT_MISSING,
    Reason.PERMISSION_DENIED,
    Reason.HOST_NAME_UNKNOWN,
    Reason.SERVER_ERROR,
)
