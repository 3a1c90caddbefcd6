"""The lab as tests use it.

Bring it up (quick when it is up already), then:

>>> lab = up()
>>> lab.kubectl("get", "nodes")
>>> with lab.firewall("DROP", destination="198.51.100.9", port=5432):
...     lab.run(["k8sext", "doctor", "-n", "dev"])
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from tests.lab import cgroups, firewall, instance
from tests.lab.building.golang import binary
from tests.lab.building.images import DRIVERS, PYTHON_311, PYTHON_313
from tests.lab.cluster import dns, rules
from tests.lab.cluster.control_plane import audit_log
from tests.lab.component import Component, password
from tests.lab.hosts import LAPTOP, enter, enter_cgroup, holder
from tests.lab.place import PROJECT, LabError, Place, place

K8SEXT = str(PROJECT / ".venv" / "bin" / "k8sext")
"""The command line under test, as the laptop has it."""


@dataclass(frozen=True)
class ServerControl:
    """Stop, start and freeze one process of the lab."""

    place: Place
    component: Component

    def stop(self, grace: float | None = None) -> None:
        """End it with all its children; what it stored stays. `grace=0` is a crash."""
        self.component.stop(self.place, grace)

    def start(self) -> None:
        """Start it again and wait until it answers."""
        if self.component.pid(self.place) is None:
            self.component.start(self.place)
        self.component.await_ready(self.place)

    @contextmanager
    def stopped(self, grace: float | None = None) -> Generator[None]:
        """It does not run inside this block."""
        self.stop(grace)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """It hangs inside this block: its port accepts, nobody answers."""
        group = self.component.group(self.place)
        cgroups.freeze(group, frozen=True)
        try:
            yield
        finally:
            cgroups.freeze(group, frozen=False)

    @property
    def ready(self) -> bool:
        """Whether it runs and answers."""
        return self.component.is_ready(self.place)

    @property
    def log(self) -> str:
        """What it wrote to its standard output and error."""
        return (self.place.log / f"{self.component.name}.log").read_text(errors="replace")


@dataclass(frozen=True)
class Passwords:
    """The passwords of this run, by the server's name."""

    place: Place

    def __getitem__(self, name: str) -> str:
        return password(self.place, name)


@dataclass(frozen=True)
class Lab:
    """A running instance."""

    place: Place

    @staticmethod
    def current() -> Lab:
        """The lab of this checkout (or `K8SEXT_LAB_INSTANCE`), which must be up."""
        return running()

    @property
    def probe_image(self) -> str:
        """What tests give k8sext as `--image`."""
        return PYTHON_311.reference

    @property
    def drivers_image(self) -> str:
        """The one that has the official drivers, for `--client` in pods."""
        return DRIVERS.reference

    @property
    def probe_image_313(self) -> str:
        """The other one: Python 3.13 without bytecode."""
        return PYTHON_313.reference

    @property
    def kubeconfig(self) -> Path:
        """Of the administrator, self-contained; valid inside the lab's network only."""
        return self.place.kubeconfig

    @property
    def passwords(self) -> Passwords:
        """`lab.passwords["redis"]`; names as the files in `servers/`."""
        return Passwords(self.place)

    @property
    def ca(self) -> Path:
        """Certificate of the authority that signed the lab's servers."""
        return self.place.pki / "ca.crt"

    def prefix(self, host: str = LAPTOP.name, cwd: str | None = None) -> list[str]:
        """What to put before a command to run it inside a host.

        The process that is started becomes the command: signals reach it, its exit code is
        the command's.
        """
        there = [*enter(self.place, host), "env", "-C", cwd or os.getcwd()]
        group = cgroups.component(self.place.cgroup, "guests")
        return [*enter_cgroup(group), *there]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Our environment, the lab's kubeconfig and kubectl, and what is given."""
        tools = str(Path(binary("kubectl")).parent)
        path = f"{tools}:{os.environ.get('PATH', os.defpath)}"
        own = {"KUBECONFIG": str(self.kubeconfig), "PATH": path}
        return {**os.environ, **own, **(extra or {})}

    def run(
        self,
        argv: Sequence[str],
        *,
        host: str = LAPTOP.name,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = 120,
        check: bool = False,
        capture: bool = True,
        cwd: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a host and wait for it; `capture=False` lets it write to ours."""
        return subprocess.run(
            [*self.prefix(host, cwd), *argv],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            env=self.environment(env),
            capture_output=capture,
            text=True,
            timeout=timeout,
            check=check,
        )

    def popen(
        self,
        argv: Sequence[str],
        *,
        host: str = LAPTOP.name,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: int | IO[Any] | None = subprocess.DEVNULL,
        stdout: int | IO[Any] | None = subprocess.PIPE,
        stderr: int | IO[Any] | None = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a command in a host; its pid is the command's own."""
        return subprocess.Popen(
            [*self.prefix(host, cwd), *argv],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=self.environment(env),
            text=True,
        )

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:
        """What kubectl wrote; LabError with its complaint when it failed."""
        done = self.run(["kubectl", *args], input=input)
        if check and done.returncode:
            raise LabError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def get(self, *args: str) -> Any:
        """An object or a list, as `kubectl get … -o json` gives it."""
        return json.loads(self.kubectl("get", *args, "-o", "json"))

    def apply(
        self, manifests: str | Iterable[Mapping[str, object]], *, namespace: str | None = None
    ) -> None:
        """Apply YAML text or objects, by server-side apply as the manager `test`."""
        if not isinstance(manifests, str):
            items = list(manifests)
            manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        where = [f"--namespace={namespace}"] if namespace else []
        options = ["--server-side", "--field-manager=test", "--force-conflicts", "-f", "-"]
        self.kubectl("apply", *where, *options, input=manifests)

    @contextmanager
    def namespace(
        self, name: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Generator[str]:
        """A fresh namespace; deleted afterwards without waiting for the end of it."""
        chosen = name or f"t-{secrets.token_hex(4)}"
        metadata: dict[str, object] = {"name": chosen, "labels": dict(labels or {})}
        self.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        try:
            self._await_service_account(chosen)
            yield chosen
        finally:
            self.kubectl("delete", "namespace", chosen, "--wait=false", "--ignore-not-found")

    def await_rules(self, *namespaces: str) -> None:
        """Until kube-proxy has written the rules of every Service: people's are older than that."""
        rules.awaited(self.place, *namespaces)

    def _await_service_account(self, namespace: str) -> None:
        """Pods are refused until the controller has made it."""
        wanted = ["serviceaccount/default", f"--namespace={namespace}", "--timeout=20s"]
        self.kubectl("wait", "--for=create", *wanted)

    def firewall(
        self,
        action: firewall.Action,
        *,
        destination: str | None = None,
        port: int | None = None,
        source: str | None = None,
        protocol: Literal["tcp", "udp"] = "tcp",
        above: int | None = None,
    ) -> AbstractContextManager[None]:
        """A rule between nodes and outside hosts while the block runs."""
        return firewall.rule(
            self.place,
            action,
            destination=destination,
            port=port,
            source=source,
            protocol=protocol,
            above=above,
        )

    def name_set_to(self, name: str, *addresses: str) -> AbstractContextManager[None]:
        """An outside name has other addresses (none: does not exist) while the block runs."""
        return dns.name_set_to(self.place, name, *addresses)

    def server(self, name: str) -> ServerControl:
        """A process of the lab, outside server or part of Kubernetes, by its name."""
        return ServerControl(self.place, instance.component_named(name))

    def audit(self) -> list[dict[str, Any]]:
        """What the API server was asked so far: every write, and reads not by its own parts."""
        lines = audit_log(self.place).read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]


def up(name: str | None = None, only: Sequence[str] = ()) -> Lab:
    """Bring the lab up (quick when it is) and return it."""
    where = place(name)
    instance.up(where, only)
    return Lab(where)


def running(name: str | None = None) -> Lab:
    """The lab that is already up."""
    where = place(name)
    holder(where, LAPTOP.name)
    return Lab(where)


def down(name: str | None = None) -> bool:
    """Remove the lab; False when there was none."""
    return instance.down(place(name))
