"""An API server on loopback that does damage to what it answers: once, or every time."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tests.faults.damage import Damage, Healthy
from tests.faults.world import NAMESPACE, World, as_line

SERVING = "fault server"


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: str
    body: bytes

    @property
    def where(self) -> str:
        """What is asked for, in a word of the table of faults."""
        last = self.path.rpartition("/")[2]
        if self.method == "POST":
            return {"jobs": "create", "pods": "admission"}.get(last, "review")
        if self.method == "DELETE":
            return "delete"
        if "watch=true" in self.query:
            return f"watch {last}"
        if "fieldSelector" in self.query:
            return "doubt"
        if "k8sext.io" in self.query and last == "pods":
            return "poll"
        if self.path == "/api/v1/services":  # what lint rules read beside the namespace's own
            return "all services"
        return "namespace" if self.path == f"/api/v1/namespaces/{NAMESPACE}" else last


class FaultServer:
    """`damage` is done to the answers to `where`: to the first `times` of them (None: to all)."""

    def __init__(self, world: World, where: str, damage: Damage, times: int | None) -> None:
        self.world, self.where, self.damage = world, where, damage
        self.left = times
        self.done = 0  # how often damage was done
        self.over = threading.Event()
        self._lock = threading.Lock()

    # -- connections ----------------------------------------------------------------------------

    @contextmanager
    def running(self) -> Generator[int]:
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            server.settimeout(0.05)
            thread = threading.Thread(target=self._accept, args=(server,), daemon=True)
            thread.start()
            try:
                yield server.getsockname()[1]
            finally:
                self.over.set()
                thread.join(5)

    def _accept(self, server: socket.socket) -> None:
        while not self.over.is_set():
            with contextlib.suppress(TimeoutError):
                made, _ = server.accept()
                serve = threading.Thread(target=self._serve, args=(made,), daemon=True)
                serve.name = SERVING
                serve.start()

    def _serve(self, made: socket.socket) -> None:
        made.settimeout(5)
        with contextlib.suppress(OSError, ValueError), made, made.makefile("rb") as file:
            while asked := _request(file):
                if not self._answer(made, asked):
                    return

    def _answer(self, made: socket.socket, asked: Asked) -> bool:
        """Whether the connection stays open."""
        with self._lock:
            hit = asked.where == self.where and (self.left is None or self.left > 0)
            if hit and self.left is not None:
                self.left -= 1
            self.done += hit
        if asked.where.startswith("watch") or asked.where == "log":
            self._stream(made, asked, hit)
            return False
        if not hit or self.damage.after:
            healthy = self._healthy(asked)
        else:
            healthy = Healthy(200, self._known(asked))
        made.sendall(healthy.bytes) if not hit else self.damage.of(made, healthy, self.over)
        return not hit

    # -- healthy answers ------------------------------------------------------------------------

    def _healthy(self, asked: Asked) -> Healthy:
        world, name = self.world, asked.path.rpartition("/")[2]
        if asked.where == "create":
            made = world.create(json.loads(asked.body))
            taken = {"kind": "Status", "reason": "AlreadyExists", "message": f"{name} exists"}
            return Healthy(201, made) if made else Healthy(409, taken)
        if asked.where == "delete":
            there = world.jobs.pop(name, None)
            said = {"kind": "Status", "status": "Success" if there else "Failure"}
            return Healthy(200, said) if there else Healthy(404, {**said, "reason": "NotFound"})
        if "/jobs/" in asked.path:
            there = world.jobs.get(name)
            gone = {"kind": "Status", "reason": "NotFound", "message": "not found"}
            return Healthy(200, there) if there else Healthy(404, gone)
        return Healthy(200, self._known(asked))

    def _known(self, asked: Asked) -> dict[str, Any]:
        where = asked.where
        if where == "review":
            return {"kind": "SelfSubjectAccessReview", "status": {"allowed": True}}
        if where == "version":
            return {"gitVersion": "v1.35.4"}
        if where == "apis":
            return {"kind": "APIGroupList", "groups": [{"name": "apps"}]}
        if where == "namespace":
            return {"kind": "Namespace", "metadata": {"name": NAMESPACE}}
        items = self.world.objects.get(where, [])
        if where in ("doubt", "poll"):
            items = self.world.pods()
        return {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}

    def _stream(self, made: socket.socket, asked: Asked, hit: bool) -> None:
        send = self.damage.stream(made, self.over) if hit else made.sendall
        with contextlib.suppress(StopIteration):
            send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            if asked.where == "log":
                for line in self.world.pod.log() if self.world.pod else ():
                    send(line)
            elif asked.where == "watch pods":
                self._watch(send)
            else:
                self._hold(send)

    def _watch(self, send: Any) -> None:
        told = ""
        while not self.over.is_set() and self.world.jobs:
            for pod in self.world.pods():
                if pod["metadata"]["resourceVersion"] != told:
                    send(as_line("MODIFIED" if told else "ADDED", pod))
                    told = pod["metadata"]["resourceVersion"]
            time.sleep(0.01)

    def _hold(self, send: Any) -> None:
        """Events that do not matter, then silence."""
        send(as_line("ADDED", {"metadata": {"name": "e"}, "involvedObject": {"name": "other"}}))
        self.over.wait(5)


_FIRST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")


def _request(file: Any) -> Asked | None:
    first = _FIRST.fullmatch(file.readline(65536))
    if not first:
        return None
    length = 0
    while (line := file.readline(65536).strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    path, _, query = first[2].decode().partition("?")
    return Asked(first[1].decode(), path, unquote(query), file.read(length))
