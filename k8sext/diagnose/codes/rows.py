"""The rows of what servers answer, of logins, of the tool's own place and of drivers."""

from __future__ import annotations

from k8sext.model.words import Culprit, Reason, Severity

from .row import NOTE, WARN, Row

LOGIN = "kubectl get secret -n {namespace!q} {secret!q} -o yaml shows the keys; "

_ONE_ONLY = (
    "take the address that does not belong out of the slice of {service}: kubectl get "
    "endpointslices -n {namespace!q} -l kubernetes.io/service-name={service!p}"
)
BEHIND_ONE = (
    "look at what stands at {target}: it leads one connection here and the next one there (the "
    "backends of a load balancer, an address that two hosts have); let it lead to one system"
)
# By identity.Sureness: data that differs, what could not be seen, caches that may be meant.
TWO_SYSTEMS = {
    "certain": Row(
        "KX507", Culprit.WRONG_TARGET,
        "the addresses of {service} are not one system: {systems}", _ONE_ONLY,
    ),
    "likely": Row(
        "KX508", Culprit.WRONG_TARGET,
        "the addresses of {service} are likely not one system: {systems}", _ONE_ONLY, WARN,
    ),
    "caches": Row(
        "KX509", Culprit.WRONG_TARGET,
        "the addresses of {service} are servers that know nothing of each other: {systems}",
        "nothing to do if they are independent caches; else: " + _ONE_ONLY, NOTE,
    ),
}  # fmt: skip
MESH = Row(
    "KX316", Culprit.CLUSTER_NETWORK,
    "the {mesh} proxy accepts for {target}, and no word of the server comes back: {detail}",
    "look at the proxy's own log: kubectl logs -n {namespace!q} YOUR-POD --all-containers; or "
    "probe "
    "from a namespace without injection",
    Severity.INCONCLUSIVE,
)  # fmt: skip

# A skip where it ends the auth stage (LOGINS), a fault where the server says it elsewhere.
LOGIN_WANTED = Row(
    "KX602", Culprit.CREDENTIALS, "{target} asks for a login and none is configured",
    "kubectl annotate service -n {namespace!q} {service!q} k8sext.io/credentials=SECRET", WARN,
)  # fmt: skip

MISREAD = Row(
    "KX616", Culprit.CREDENTIALS,
    "not every client can read the login in Secret {secret}: {misread}",
    "write user and password percent-encoded into the address; this prints a password so: python3 "
    "-c 'import getpass, urllib.parse; print(urllib.parse.quote(getpass.getpass(), safe=\"\"))'",
    WARN,
)  # fmt: skip

NOT_ASKED = Row(
    "KX617", Culprit.SERVER_CONFIG,
    "{target} lets this user in without asking for the password in Secret {secret}",
    "set a method with a password at the server (pg_hba.conf: scram-sha-256 in place of trust), or "
    "leave it so where the network protects the server", NOTE,
)  # fmt: skip

# What a server, or whatever answers, says.
ANSWERS: dict[Reason, Row] = {
    Reason.RESET: Row("KX310", Culprit.SERVER_CONFIG, "{target} accepts the connection and then "
        "resets it: {detail}", "see what listens on {target}: a proxy (is the server behind it "
        "up?), rules that let in some clients only, or a limit of connections"),
    Reason.CLOSED_EARLY: Row("KX311", Culprit.SERVER_CONFIG,
        "{target} accepts the connection and closes it without an answer in {protocol}: likely a "
        "proxy whose server is down, or it turns this client away", "see what listens on "
        "{target}: a proxy or load balancer (is the server behind it up?), else the server's own "
        "log"),
    Reason.SILENT: Row("KX313", Culprit.WRONG_TARGET,
        "{target} accepts and stays silent: something accepts for it, or it does not speak "
        "{protocol}", "check that {port} is the {protocol} port, and what stands before it"),
    Reason.TIMED_OUT: Row("KX314", Culprit.PATH, "{target} answers, but its large answers are "
        "likely lost on the way (MTU): {detail}", "on {here} compare ping -M do -s 1472 {host!q} "
        "with a smaller size (-s 1200); if only the smaller one passes, lower the MTU of the "
        "network or clamp the MSS (likely a tunnel or VPN whose ICMP is filtered)"),
    Reason.NO_ROUTE: Row("KX308", Culprit.PATH, "the route to {target} broke: {detail}",
        "check the route to {host}"),
    Reason.TLS_NOT_OFFERED: Row("KX401", Culprit.TLS, "{target} does not offer TLS: {detail}",
        "switch TLS on at the server, or annotate k8sext.io/tls=disable"),
    Reason.TLS_REQUIRED: Row("KX402", Culprit.TLS, "{target} insists on TLS: {detail}",
        "switch TLS on in the applications (connection string or driver); then tell k8sext that "
        "this bridge uses TLS (k8sext.io/tls, in a bridge file tls.mode; this changes no "
        "application)",
        command="kubectl {annotate} --overwrite service -n {namespace!q} {service!q} "
        "{tls_key!p}={tls_mode!p}"),
    Reason.TLS_FAILED: Row("KX403", Culprit.TLS, "the TLS handshake with {target} fails: {detail}",
        "compare protocol versions and ciphers: openssl s_client -connect {target!q}"),
    Reason.CERTIFICATE_UNTRUSTED: Row("KX404", Culprit.TLS,
        "the certificate of {target} is not trusted: {detail}",
        "{ca}"),
    Reason.CERTIFICATE_NAME_MISMATCH: Row("KX405", Culprit.TLS,
        "the certificate of {target} is for other names: {detail}",
        "add {service} to the certificate, or annotate k8sext.io/tls-server-name"),
    Reason.CERTIFICATE_EXPIRED: Row("KX406", Culprit.TLS,
        "the certificate of {target} has expired: {detail}", "renew the certificate at the server"),
    Reason.CERTIFICATE_NOT_YET_VALID: Row("KX407", Culprit.TLS,
        "the certificate of {target} is not valid yet: {detail}", "check both clocks"),
    Reason.CERTIFICATE_EXPIRES_SOON: Row("KX408", Culprit.TLS,
        "the certificate of {target} expires soon: {detail}", "renew it", WARN),
    Reason.CERTIFICATE_STRICT_ONLY: Row("KX409", Culprit.TLS,
        "only strict verification objects to the certificate of {target}: {detail}",
        "reissue it with the missing extensions before clients move to Python 3.13", WARN),
    Reason.CLIENT_CERTIFICATE_REQUIRED: Row("KX410", Culprit.TLS,
        "{target} asks for a client certificate: {detail}", "give the application a certificate"),
    Reason.WRONG_PROTOCOL: Row("KX501", Culprit.WRONG_TARGET,
        "{target} does not speak {protocol}: {detail}",
        "correct the port of Service {service}, or its protocol: kubectl annotate service "
        "-n {namespace!q} {service!q} k8sext.io/protocol=…"),
    Reason.WRONG_PRODUCT: Row("KX502", Culprit.WRONG_TARGET,
        "{target} is another product: {detail}", "point Service {service} at the right server"),
    Reason.OTHER_BROKER: Row("KX510", Culprit.WRONG_TARGET,
        "two bridges that belong to one broker lead to two brokers: {detail}",
        "point both at the same broker: compare kubectl get endpointslices -n {namespace!q} -o "
        "wide, "
        "and the clusters' names (rabbitmqctl cluster_status)"),
    Reason.WRONG_ROLE: Row("KX503", Culprit.WRONG_TARGET, "{target} has another role: {detail}",
        "point Service {service} at the right server, or correct expect.role"),
    Reason.UNSUPPORTED_VERSION: Row("KX504", Culprit.WRONG_TARGET,
        "{target} is of another version: {detail}", "correct expect.version, or upgrade"),
    Reason.HOST_NAME_UNKNOWN: Row("KX506", Culprit.MANIFEST,
        "{target} does not know the bridge's name, which clients send as Host: {detail}",
        "add {service} to the names that the server answers to (nginx: server_name), or let "
        "clients send the outside name: a Service changes no Host header"),
    Reason.SIGNED_FOR_ANOTHER_HOST: Row("KX747", Culprit.MANIFEST,
        "{target} refuses a signature that was made for another host name: {detail}",
        "let clients sign for the name that they call: use {service}, or the outside name, as "
        "endpoint when the request is signed and when it is sent; a proxy between must pass Host on"
        " unchanged (nginx: proxy_set_header Host $http_host)"),
    Reason.TOO_MUCH: Row("KX505", Culprit.WRONG_TARGET,
        "{target} is likely no {protocol} server, as it sends more than one would: {detail}",
        "see on its host what listens there: ss -ltnp (port {port})"),
    Reason.AUTH_REQUIRED: LOGIN_WANTED,
    Reason.AUTH_REJECTED: Row("KX601", Culprit.CREDENTIALS,
        "{target} rejects the login: {detail}",
        "correct the values in Secret {secret} (namespace {namespace}), or the user at the "
        "server{hinted}"),
    Reason.HOST_NOT_ALLOWED: Row("KX603", Culprit.SERVER_CONFIG,
        "{target} does not allow this client's address{seen_as}: {detail}",
        "allow {sources} in the server's host rules (pg_hba.conf, 'user'@'host')"),
    Reason.LOCKED_OUT: Row("KX604", Culprit.SERVER_CONFIG,
        "{target} has locked this client's address out: {detail}",
        "FLUSH HOSTS at the server, then find the client that breaks off its handshakes"),
    Reason.PROTECTED_MODE: Row("KX605", Culprit.SERVER_CONFIG,
        "{target} is in protected mode: {detail}", "set a password (requirepass) at the server"),
    Reason.LOOPBACK_ONLY_USER: Row("KX606", Culprit.SERVER_CONFIG,
        "this user may log in to {target} from its own host only: {detail}",
        "make a user for the application; guest is loopback-only (loopback_users)"),
    Reason.PERMISSION_DENIED: Row("KX607", Culprit.CREDENTIALS,
        "the login at {target} lacks a right: {detail}", "grant it to the user at the server"),
    Reason.FORBIDDEN: Row("KX746", Culprit.SERVER_CONFIG,
        "{target} forbids what was asked, and no login was sent: {detail}",
        "where its clients log in, name the login: kubectl annotate --overwrite service -n "
        "{namespace!q} {service!q} k8sext.io/credentials=SECRET; else allow {sources} in its "
        "access "
        "rules"),
    Reason.AUTH_METHOD_UNSUPPORTED: Row("KX608", Culprit.SERVER_CONFIG,
        "{target} wants a login method that k8sext does not speak: {detail}",
        "check with the application's own driver", Severity.INCONCLUSIVE),
    Reason.PASSWORD_IN_CLEAR: Row("KX609", Culprit.TLS,
        "the password went to {target} in clear text", "use TLS, or accept it: kubectl annotate "
        "service -n {namespace!q} {service!q} k8sext.io/tls=disable", WARN),
    Reason.PLAIN_HTTP: Row("KX755", Culprit.TLS,
        "{target} is a registry without TLS: {detail}",
        "on every node: containerd /etc/containerd/certs.d/HOST:PORT/hosts.toml with server = "
        "\"http://HOST:PORT\" (Docker: insecure-registries), then say so: kubectl annotate service "
        "-n {namespace!q} {service!q} k8sext.io/tls=disable; or give it a certificate", WARN),
    Reason.REALM_ELSEWHERE: Row("KX756", Culprit.CREDENTIALS,
        "the login for {target} was not tried: {detail}",
        "if that host is the right one, name it in Secret {secret} (another entry under auths, or "
        "in the key host); otherwise correct the registry's realm (Harbor: external_url)", WARN),
    Reason.PASSWORD_EXPIRED: Row("KX613", Culprit.CREDENTIALS,
        "the password for {target} has expired: {detail}", "set a new one at the server"),
    Reason.ACCOUNT_LOCKED: Row("KX620", Culprit.CREDENTIALS,
        "the account is locked at {target}: {detail}",
        "unlock the user at the server (MySQL: ALTER USER … ACCOUNT UNLOCK), and find who tried "
        "wrong passwords"),
    Reason.DATABASE_MISSING: Row("KX701", Culprit.SERVER_STATE,
        "the database is not there: {detail}", "create it, or correct the database in {secret}"),
    Reason.VHOST_MISSING: Row("KX702", Culprit.SERVER_STATE,
        "the virtual host is not there: {detail}", "rabbitmqctl add_vhost, or correct {secret}"),
    Reason.OBJECT_MISSING: Row("KX703", Culprit.SERVER_STATE,
        "{target} lacks what the bridge expects: {detail}",
        "create what is missing, or correct what the bridge expects (k8sext.io/expect)"),
    Reason.TOO_MANY_CONNECTIONS: Row("KX704", Culprit.SERVER_STATE,
        "{target} has no connection left: {detail}", "raise its limit, or find who holds them"),
    Reason.READ_ONLY: Row("KX705", Culprit.SERVER_STATE, "{target} is read-only: {detail}",
        "if it is a replica, point Service {service} at the primary; if it is the primary, remove "
        "there what keeps it from writing"),
    Reason.LOADING: Row("KX706", Culprit.SERVER_STATE, "{target} is starting up: {detail}",
        "wait and run again"),
    Reason.ALARM: Row("KX707", Culprit.SERVER_STATE, "{target} has raised an alarm: {detail}",
        "free memory or disk at the server"),
    Reason.DEGRADED: Row("KX708", Culprit.SERVER_STATE, "{target} is degraded: {detail}",
        "look at the cluster's own health report"),
    Reason.UNHEALTHY: Row("KX709", Culprit.SERVER_STATE, "{target} is not healthy: {detail}",
        "look at the server's log"),
    Reason.NO_CONSUMER: Row("KX712", Culprit.SERVER_CONFIG, "{detail}",
        "start the workload that reads from it, and look at its own log and bridge: what is "
        "published stays in the queue"),
    Reason.ANNOUNCED_UNREACHABLE: Row("KX801", Culprit.CALLBACK,
        "{target} announces addresses that cannot be reached from here: {detail}",
        "let the servers announce addresses that this cluster reaches (Redis: cluster-announce-ip, "
        "replica-announce-ip, sentinel announce-ip; Elasticsearch: http.publish_host; Apollo: "
        "eureka.instance.homePageUrl; a registry: its realm), or open the way to those"),
    Reason.UNEXPECTED: Row("KX710", Culprit.WRONG_TARGET,
        "{target} is not what the bridge expects: {detail}",
        "correct k8sext.io/expect, or the target"),
    Reason.DEFAULT_LOGIN: Row("KX615", Culprit.CREDENTIALS,
        "{target} accepts what everybody knows: {detail}",
        "set a password or token of your own at the server, and in Secret {secret}", WARN),
    Reason.LOGIN_SWITCHED_OFF: Row("KX745", Culprit.SERVER_CONFIG,
        "{target} lets everybody in: {detail}",
        "switch its login on (Sentinel: -Dauth.enabled=true with sentinel.dashboard.auth.username "
        "and .password of your own), or let a proxy before it ask for one", WARN),
    Reason.NOT_ARRIVED: Row("KX730", Culprit.SERVER_STATE,
        "what was sent through {target} did not arrive: {detail}",
        "look at the consumer's log and at what stands behind it: the sender sees no error"),
    Reason.QUEUE_GROWS: Row("KX731", Culprit.SERVER_STATE,
        "more is published at {target} than is taken out again: {detail}",
        "see at the consumer why it is slow or stands still (its log, and what it writes to), or "
        "start more of it", WARN),
    Reason.COMPANION_FAILED: Row("KX736", Culprit.SERVER_STATE,
        "{target} answers, but the check needs another bridge, and that one does not work: "
        "{detail}", "repair that bridge first, then run again; its own line tells what is wrong "
        "(all lines: k8sext doctor -n {namespace!q})"),
    Reason.SESSION_OF_A_PERSON: Row("KX812", Culprit.CREDENTIALS,
        "the login of Secret {secret} was not used at {target}: {detail}",
        "make a user for k8sext there (role administrator) and put it in Secret {secret}; or add "
        "\"login_as_admin\":true to k8sext.io/expect, which logs people out", WARN),
    Reason.NOT_REGISTERED: Row("KX802", Culprit.CALLBACK,
        "an application is not known at {target}: {detail}",
        "look at the application's own log: does it reach {service}, and under which name does it "
        "register?"),
    Reason.INSTANCE_DOWN: Row("KX748", Culprit.CALLBACK,
        "{target} works, but an application that it lists does not: {detail}",
        "look at that application: its process, its own health and its log; {service} only repeats "
        "what it was told"),
    Reason.NEARLY_FULL: Row("KX720", Culprit.SERVER_STATE,
        "{target} has nearly used up its connections: {detail}",
        "raise its limit, or find who holds them", WARN),
    Reason.LAGGING: Row("KX721", Culprit.SERVER_STATE,
        "{target} does not keep up with its primary: {detail}",
        "remove the cause at the server (replication that is slow, stopped, or paused by hand), "
        "or point Service {service} at another replica"),
    Reason.BAD_EXPECTATION: Row("KX722", Culprit.MANIFEST,
        "what Service {service} expects cannot be checked: {detail}",
        "`k8sext checks` lists what {protocol} can expect; correct the annotation "
        "k8sext.io/expect: kubectl edit service -n {namespace!q} {service!q}"),
    Reason.SERVER_ERROR: Row("KX711", Culprit.SERVER_STATE,
        "{target} answers with an error: {detail}", "look at the server's log"),
    # monitoring
    Reason.TARGET_DOWN: Row("KX740", Culprit.CALLBACK,
        "{target} cannot watch what it should: {detail}",
        "from the host of {target} ask the target's address and path as it does, then repair the "
        "way, the path or the target"),
    Reason.CONFIG_REFUSED: Row("KX741", Culprit.SERVER_CONFIG,
        "{target} runs with an old configuration: {detail}",
        "its log has the error; check the file (promtool check config, amtool check-config), then "
        "reload"),
    Reason.RULE_FAILING: Row("KX742", Culprit.SERVER_CONFIG,
        "rules of {target} do not work: {detail}",
        "correct the rule (promtool check rules, promtool test rules), then reload"),
    Reason.NOTIFICATIONS_FAIL: Row("KX743", Culprit.SERVER_STATE,
        "alerts of {target} do not arrive: {detail}",
        "see in its log why sending fails; start what it sends to, or correct the address"),
    Reason.SOURCE_FAILING: Row("KX744", Culprit.SERVER_STATE,
        "{target} does not reach what it shows: {detail}",
        "open the data source there and press Save & test; correct its URL or login, or start "
        "what stands behind it"),
}  # fmt: skip

# Why a login was not even tried.
LOGINS: dict[Reason, Row] = {
    Reason.AUTH_REQUIRED: LOGIN_WANTED,
    Reason.SECRET_MISSING: Row("KX610", Culprit.CREDENTIALS, "{detail}",
        "kubectl create secret generic -n {namespace!q} {secret!q} --from-literal=username=… "
        "--from-literal=password=… --from-literal=k8sext.service={service!p}"),
    Reason.SECRET_KEY_MISSING: Row("KX611", Culprit.CREDENTIALS, "{detail}",
        "add the key to Secret {secret}, or name yours: kubectl annotate service -n {namespace!q} "
        "{service!q} k8sext.io/credentials-keys=password=YOUR-KEY (the Secret has to list YOUR-KEY "
        "in its key k8sext.keys)"),
    Reason.SECRET_FORBIDDEN: Row("KX614", Culprit.CREDENTIALS, "{detail}, so no login was tried",
        "kubectl create role k8sext-{secret!p} -n {namespace!q} --verb=get --resource=secrets "
        "--resource-name={secret!p}, bound to you; or --from pod, which needs no such right", WARN),
    Reason.NO_CONSENT: Row("KX612", Culprit.CREDENTIALS, "{detail}, so no login was tried",
        "run with --credentials-from {secret}={service}, or add {service} to the key "
        "k8sext.service of that Secret; where it has no such key yet", WARN,
        # The test makes it fail where the key is there: it may name other Services.
        command="kubectl patch secret -n {namespace!q} {secret!q} --type=json -p "
        "'[{{\"op\":\"test\","
        "\"path\":\"/data/k8sext.service\",\"value\":null}},{{\"op\":\"add\","
        "\"path\":\"/data/k8sext.service\",\"value\":\"{service_base64!j}\"}}]'"),
    Reason.CONSENT_ELSEWHERE: Row("KX619", Culprit.CREDENTIALS,
        "{detail}; so no login was sent to {target}",
        "see who changed Service {service} and its slices (kubectl get service,endpointslice "
        "-n {namespace!q} -o yaml); if it is to lead there, name that host or address in the key "
        "host of Secret {secret}", WARN),
    Reason.KEY_NOT_ALLOWED: Row("KX622", Culprit.CREDENTIALS, "{detail}, so no login was tried",
        "take the annotation k8sext.io/credentials-keys away, or have that key added to the key "
        "k8sext.keys of Secret {secret}", WARN),
    Reason.TLS_DEMANDED: Row("KX623", Culprit.CREDENTIALS, "{detail}; so no login was sent",
        "let Service {service} ask for no less than the Secret does (annotation k8sext.io/tls), "
        "and let the server offer it", WARN),
}  # fmt: skip

OURS: dict[Reason, Row] = {
    Reason.VANTAGE_UNPROVEN: Row("KX913", Culprit.TOOL_ENVIRONMENT,
        "{target} could not be tested: {detail}",
        "run again; if it stays so, --from pod needs no port-forward", Severity.INCONCLUSIVE),
    Reason.OUT_OF_TIME: Row("KX908", Culprit.TOOL_ENVIRONMENT, "{target}: the run's time was up",
        "run again with a longer --timeout", Severity.INCONCLUSIVE),
    Reason.INTERNAL_ERROR: Row("KX910", Culprit.TOOL_ENVIRONMENT,
        "k8sext itself failed on {target}: {detail}", "please report it", Severity.INCONCLUSIVE),
}  # fmt: skip
LOST = Row(
    "KX907", Culprit.TOOL_ENVIRONMENT, "no result came back for {name}",
    "run again; if a proxy cuts logs, ask its owner for long-lived requests",
    Severity.INCONCLUSIVE,
)  # fmt: skip
UNPROVEN = Row(
    "KX909", Culprit.TOOL_ENVIRONMENT, "the probe's own network is not proven: {words}",
    "look at the probe's node and at network policies before blaming a server",
    Severity.INCONCLUSIVE,
)  # fmt: skip

# A driver beside the wire probe of the same target (see drivers.py).
CLIENT_REFUSES = Row(
    "KX520", Culprit.WRONG_TARGET,
    "{client} refuses {target} by design, although the server is healthy: {detail}",
    "use a release of the driver that is made for this server, or upgrade the server", WARN,
)  # fmt: skip
CLIENT_FAILS = Row(
    "KX521", Culprit.SERVER_CONFIG,
    "{client} does not get through to {target}, where k8sext's own probe does: {detail}",
    "compare the driver's settings (TLS, login method, protocol version) with what {target} "
    "offers, then try another release of the driver",
)  # fmt: skip
CLIENT_UNFINISHED = Row(
    "KX522", Culprit.SERVER_CONFIG,
    "{client} came to no end with {target}, where k8sext's own probe did: {detail}",
    "run again; if it stays so, set time-outs in the application and look at the server's log",
    WARN,
)  # fmt: skip
CLIENT_DIFFERS = Row(
    "KX523", Culprit.SERVER_CONFIG,
    "{client} fails at {target} too, and in another way: {detail}",
    "repair the first diagnosis, then run again", NOTE,
)  # fmt: skip
WIRE_IN_DOUBT = Row(
    "KX920", Culprit.TOOL_ENVIRONMENT,
    "{client} gets through to {target}, so k8sext's own verdict on it is in doubt: {detail}",
    "please report it with the server's product and version", NOTE,
)  # fmt: skip
NO_DRIVER = Row(
    "KX921", Culprit.TOOL_ENVIRONMENT, "{client} was not tried on {target}: {detail}",
    "pip install it beside k8sext, or run without --client", NOTE,
)  # fmt: skip
