"""Ports of loopback for the servers of a test."""

from __future__ import annotations

import socket

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at this moment, all different."""
    servers = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in servers]
    for server in servers:
        server.close()
    return ports
