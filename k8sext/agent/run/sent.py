"""What each server was sent in a run: it may say it to whoever comes next, login or not."""

from __future__ import annotations

from collections.abc import Collection

from k8sext.agent.check import Login
from k8sext.model.secret import Secret


class Sent:
    """Secrets by the address that they went to, whichever port and bridge."""

    def __init__(self) -> None:
        self._by_address: dict[str, dict[str, Secret]] = {}

    def to(self, address: str, login: Login | None) -> Collection[Secret]:
        """All of them, those of `login` included; what is sent later comes in."""
        known = self._by_address.setdefault(address, {})
        if login:
            known.update((secret.reveal(), secret) for secret in login.secrets)
        return known.values()
