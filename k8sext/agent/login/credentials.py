"""Where a login's values come from, and whether they may be used against this target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from k8sext.agent.check import Login
from k8sext.agent.tls.client_pair import ClientPair, pair_of
from k8sext.model.bridge import CredentialRef
from k8sext.model.data import dataclass
from k8sext.model.plan import Target
from k8sext.model.result import Facts, Json
from k8sext.model.secret import Secret
from k8sext.model.words import Reason

from . import consent, docker_config
from .consent import ADDRESS_KEYS, Aliases
from .hints import address_hints, hints
from .misread import misread


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no login."""

    reason: Reason
    detail: str
    evidence: Facts = field(default_factory=dict[str, Json])


class LoginSource(Protocol):
    """Gives the login of a target, or says why there is none."""

    def lookup(self, target: Target, aliases: Aliases) -> Login | Missing:
        """The login, under our words (`aliases` maps each to the keys it hides behind)."""
        ...

    def prepared(self, target: Target) -> Target:
        """The target with TLS as the owner of its login demands it."""
        ...

    def file(self, secret: str, key: str) -> str | None:
        """The text of one key, for CA certificates."""
        ...

    def client_pair(self, target: Target) -> ClientPair | None:
        """The certificate with which to log in to the target, where there is one with consent."""
        ...


class NoLogins:
    """Nothing is configured."""

    def lookup(self, target: Target, aliases: Aliases) -> Login | Missing:
        """Always missing."""
        return Missing(Reason.NO_CREDENTIALS, "no login is configured")

    def prepared(self, target: Target) -> Target:
        """As it is."""
        return target

    def file(self, secret: str, key: str) -> str | None:
        """Nothing is there."""
        return None

    def client_pair(self, target: Target) -> ClientPair | None:
        """Nothing is there."""
        return None


class MountedSecrets:
    """Whole Secrets, each a folder of files: what the probe pod mounts."""

    owner = "Secret"  # what a sentence calls the one who gives the values

    def __init__(self, root: Path) -> None:
        self.root = root

    def lookup(self, target: Target, aliases: Aliases) -> Login | Missing:
        """Values with consent to where `target.trail` leads; never raises."""
        ref = self._ref(target)
        if ref is None:
            return Missing(Reason.NO_CREDENTIALS, "no login is configured")
        values: Mapping[str, Secret] = self._values(ref.secret)
        if not values:
            return self._absent(ref)
        known = tuple(consent.named_by(values))
        if docker_config.KEY in aliases.get("password", ()) and docker_config.KEY in values:
            known += docker_config.hosts(values)
            values = docker_config.unpacked(values, target)
            if "password" not in values:
                return _no_entry(ref.secret, target, docker_config.hosts(self._values(ref.secret)))
        terms = consent.terms_of(values, ref, target.trail)
        refused = (
            consent.refusal(terms, target)
            or consent.wrong_key(terms, ref, aliases)
            or consent.unprotected(terms, target, ref.secret)
        )
        if refused:
            reason, why = refused
            return Missing(reason, f"{self.owner} {ref.secret} {why}")
        found = login_of(values, ref, aliases)
        if isinstance(found, Missing):
            return found
        hidden = consent.hidden_words(terms, ref, aliases)
        return replace(found, hosts=known, tls=terms.tls, hidden=hidden)

    def prepared(self, target: Target) -> Target:
        """The target with TLS as the owner of its login demands it."""
        ref = self._ref(target)
        values = self._values(ref.secret) if ref else {}
        if ref is None or not values:
            return target
        return consent.protected(consent.terms_of(values, ref, target.trail), target, ref.secret)

    def file(self, secret: str, key: str) -> str | None:
        """One key's text, or None."""
        value = self._values(secret).get(key)
        return value.reveal() if value else None

    def client_pair(self, target: Target) -> ClientPair | None:
        """That of the Secret with the login, under the same consent."""
        ref = self._ref(target)
        values = self._values(ref.secret) if ref else {}
        if ref is None or not values:
            return None
        terms = consent.terms_of(docker_config.unpacked(values, target), ref, target.trail)
        refused = consent.refusal(terms, target) or consent.unprotected(terms, target, ref.secret)
        return None if refused else pair_of(ref.secret, values)

    def _ref(self, target: Target) -> CredentialRef | None:
        """What names the values for a target."""
        return target.credentials

    def _absent(self, ref: CredentialRef) -> Missing:
        return Missing(Reason.SECRET_MISSING, f"Secret {ref.secret} does not exist here")

    def _values(self, secret: str) -> dict[str, Secret]:
        """Keys to values. A mounted key is a link into `..data`; hidden names are the kubelet's."""
        if not secret or "/" in secret or secret.startswith("."):
            return {}  # no name that a Secret can have: it must not lead out of the mounts
        folder = self.root / secret
        try:
            names = [p for p in folder.iterdir() if not p.name.startswith("..") and p.is_file()]
            return {p.name: Secret(p.read_text(encoding="utf-8", errors="replace")) for p in names}
        except OSError:
            return {}


class HeldSecrets(MountedSecrets):
    """Secrets that were read already, under the same rules of consent as mounted ones."""

    def __init__(
        self, held: Mapping[str, Mapping[str, Secret]], refused: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(Path())
        self.held, self.refused = held, refused or {}

    def lookup(self, target: Target, aliases: Aliases) -> Login | Missing:
        """As a mounted Secret's; of one that was not given, why."""
        why = self.refused.get(target.credentials.secret) if target.credentials else None
        return Missing(Reason.SECRET_FORBIDDEN, why) if why else super().lookup(target, aliases)

    def _values(self, secret: str) -> dict[str, Secret]:
        return dict(self.held.get(secret, {}))


class HandedValues(MountedSecrets):
    """What the invoker gave for each Service of one namespace (`--credentials env`, `file:`).

    Naming the Service is what `k8sext.service` is in a Secret: whoever edits that Service must not
    lead them elsewhere. The other keys of consent count as well (`host`, `k8sext.tls` and so on).
    """

    owner = "what is given for"

    def __init__(self, by_service: Mapping[str, Mapping[str, Secret]]) -> None:
        super().__init__(Path())
        self.by_service = by_service

    def _ref(self, target: Target) -> CredentialRef | None:
        asked = target.credentials or CredentialRef(secret=target.service)
        return replace(asked, secret=target.service, named=(*asked.named, target.service))

    def _absent(self, ref: CredentialRef) -> Missing:
        return Missing(Reason.NO_CREDENTIALS, "no login is given for it")

    def _values(self, secret: str) -> dict[str, Secret]:
        return dict(self.by_service.get(secret) or {})


class GivenValues:
    """Values for servers that the invoker has chosen as well, so that nobody else can lead them
    elsewhere (the self-test's own).
    """

    def __init__(self, by_service: Mapping[str, Mapping[str, Secret]]) -> None:
        self.by_service = by_service

    def lookup(self, target: Target, aliases: Aliases) -> Login | Missing:
        """What was given for the target's service; giving it is consent."""
        values = self.by_service.get(target.service)
        if not values:
            return Missing(Reason.NO_CREDENTIALS, "no login is given for it")
        ref = target.credentials or CredentialRef(secret=target.service, vouched=True)
        return _login_in(values, ref, aliases, target)

    def prepared(self, target: Target) -> Target:
        """As it is."""
        return target

    def file(self, secret: str, key: str) -> str | None:
        """A CA given under the Secret's or the service's name."""
        value = self.by_service.get(secret, {}).get(key)
        return value.reveal() if value else None

    def client_pair(self, target: Target) -> ClientPair | None:
        """What was given for the target's service."""
        return pair_of(target.service, self.by_service.get(target.service, {}))


def _no_entry(secret: str, target: Target, known: Sequence[str]) -> Missing:
    there = ", ".join(sorted(known)) or "nobody that can be read"
    text = f"Secret {secret} has no login for {target.address}; it has those for: {there}"
    return Missing(Reason.SECRET_KEY_MISSING, text)


def _login_in(
    values: Mapping[str, Secret], ref: CredentialRef, aliases: Aliases, target: Target
) -> Login | Missing:
    """The login as the values have it, and of a `.dockerconfigjson` the entry for the target."""
    named = tuple(consent.named_by(values))
    if docker_config.KEY in aliases.get("password", ()) and docker_config.KEY in values:
        known = docker_config.hosts(values)
        values = docker_config.unpacked(values, target)
        if "password" not in values:
            return _no_entry(ref.secret, target, known)
        named += known
    found = login_of(values, ref, aliases)
    return replace(found, hosts=named) if isinstance(found, Login) else found


def login_of(values: Mapping[str, Secret], ref: CredentialRef, aliases: Aliases) -> Login | Missing:
    """Our words from a Secret's keys: the bridge's own mapping, the word itself, then aliases."""
    mapped = dict(ref.keys)
    wrong = [key for key in mapped.values() if key not in values]
    if wrong:
        return _key_missing(ref.secret, wrong[0], values)
    found: dict[str, Secret] = _from_address(values)
    for word, others in aliases.items():
        for key in (mapped[word],) if word in mapped else (word, *others):
            if key in values:
                found[word] = values[key]
                break
    if "password" in aliases and not {"password", "token", "api_key"} & set(found):
        return _key_missing(ref.secret, "password", values)
    addresses = {key: values[key].reveal() for key in ADDRESS_KEYS if key in values}
    unlike = tuple(filter(None, (misread(key, text) for key, text in addresses.items())))
    return Login(found, hints=(*hints(found), *_address_hints(values)), misread=unlike)


def _key_missing(secret: str, key: str, values: Mapping[str, Secret]) -> Missing:
    there = ", ".join(sorted(values)) or "none"
    text = f"Secret {secret} has no key {key}; its keys are: {there}"
    return Missing(Reason.SECRET_KEY_MISSING, "; ".join((text, *_address_hints(values))))


def _address_hints(values: Mapping[str, Secret]) -> tuple[str, ...]:
    found = (address_hints(key, values[key].reveal()) for key in ADDRESS_KEYS if key in values)
    return tuple(hint for said in found for hint in said)


def _from_address(values: Mapping[str, Secret]) -> dict[str, Secret]:
    """Username, password and database (or vhost) that a `uri` carries."""
    found: dict[str, Secret] = {}
    for key in ADDRESS_KEYS:
        text = values[key].reveal().removeprefix("jdbc:") if key in values else ""
        try:
            parts = urlsplit(text)
        except ValueError:
            continue
        if parts.username:
            found["username"] = Secret(unquote(parts.username))
        if parts.password is not None:  # an empty one is one: many clients then send none
            found["password"] = Secret(unquote(parts.password))
        path = unquote(parts.path.strip("/"))
        if path:
            found["vhost" if parts.scheme.startswith("amqp") else "database"] = Secret(path)
    return found
