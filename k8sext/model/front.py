"""What stands in front of a bridge for those outside: the rules of Ingresses that lead to it."""

from __future__ import annotations

from .data import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """One host and path of an Ingress that lead to a bridge: fields of the object, no opinion.

    `path` is what can be asked for: of an expression the part before it. `class_known` is None
    where the IngressClasses could not be read.
    """

    ingress: str
    host: str = ""  # "" is every host; a first label `*` stands for any
    path: str = "/"
    port: str = ""  # as the backend has it: a name or a number
    port_key: str = ""  # the bridge's port that is meant; "" where it has none such
    class_name: str = ""
    class_by: str = ""  # field, annotation; "" where nothing names a class
    class_known: bool | None = None
    controller: str = ""  # spec.controller of the class
    addresses: tuple[str, ...] = ()  # of the controller, by the Ingress's status
    tls_secret: str = ""
    tls: bool = False  # an entry of spec.tls covers the host
    tls_hosts: tuple[str, ...] = ()  # what the entries cover
    rewrites: bool = False  # an annotation changes the path on the way
    canary: bool = False  # it takes a share of what another Ingress has, by an annotation
    rivals: tuple[str, ...] = ()  # other Ingresses here with this host and path
    applied_as: str = ""  # the apiVersion of the manifest, where no server takes it any more

    @property
    def leads(self) -> str:
        """Host and path in one text, as people say it."""
        path = "" if self.path == "/" else self.path
        return f"{self.host or '*'}{path}"

    def covers(self, asked: str) -> bool:
        """Whether HOST[/PATH] is led by this rule."""
        host, slash, rest = asked.partition("/")
        path = f"{slash}{rest}" or "/"
        wild = self.host.startswith("*.") and host.partition(".")[2] == self.host[2:]
        below = path == self.path or path.startswith(f"{self.path.rstrip('/')}/")
        return below and (wild or self.host in ("", host))

    @property
    def via(self) -> str:
        """What its observations are known by."""
        return f"Ingress/{self.ingress} {self.leads}"

    @property
    def asked_host(self) -> str:
        """The name to ask with: some name that a `*` stands for."""
        return self.host.replace("*", "k8sext", 1)
