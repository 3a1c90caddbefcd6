"""Container registries: the OCI distribution API (Docker's registry, Harbor and others).

How the answers are read, and from where that is known, is in `answers.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import ClassVar

from k8sext.agent.check import CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.login.docker_config import KEY as DOCKER_CONFIG
from k8sext.agent.wire.http import HttpConnection, Response, basic
from k8sext.agent.wire.http_api import HttpApi, raise_gateway, status_line, wrong_product
from k8sext.model.plan import split_address
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

from . import answers as read

PING = "/v2/"
PLAIN = (
    "nodes ask a registry over HTTPS unless they are told otherwise, and then pull nothing from it"
)


class Registry(HttpApi):
    """GET /v2/, a login or a token where one is asked for, HEAD of a manifest."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="registry",
        summary="container registries: Docker's, Harbor and others",
        proves="it speaks the registry API, takes the login, and has the expected image",
        port_names=("docker-registry", "container-registry", "image-registry", "harbor"),
        service_names=("docker-registry", "container-registry", "image-registry", "harbor"),
        credential_keys={"username": ("user",), "password": (DOCKER_CONFIG,)},
        shipped=(("admin", "Harbor12345"),),  # Harbor
        expects={
            "image": Key("an image that must be there, e.g. shop/web:1.0; as a pod names it, too"),
        },
    )
    forbids_strangers = False
    first = PING
    challenge: read.Challenge | None = None
    product = ""

    @property
    def base(self) -> str:
        """The API is at the root of a host, always."""
        return ""

    @property
    def image(self) -> read.Image | None:
        """The expected image. Raises Fault where it cannot be one."""
        text = str(self.target.expect.get("image") or "")
        try:
            return read.image_of(text) if text else None
        except ValueError as error:
            raise Fault(Reason.BAD_EXPECTATION, str(error)) from error

    # -- who answers ------------------------------------------------------------------------------

    async def handshake(self) -> Seen:
        """`/v2/`, which answers 200, or 401 with a challenge."""
        await super().handshake()
        header = self.answer.headers.get("www-authenticate", "")
        self.challenge = read.challenge_of(header) if self.answer.status == 401 else None
        self.product = read.product_of(self.answer, self.challenge)
        if not self.product:
            raise wrong_product(self.answer, "a container registry")
        if self.answer.status >= 500:
            words = read.error_of(self.answer) or status_line(self.answer)
            raise Fault(Reason.UNHEALTHY, words, code=str(self.answer.status))
        wants = f"asks for a login ({self._way()})" if self.answer.status == 401 else ""
        return Seen(
            detail="; ".join(filter(None, (self.product, wants))),
            evidence={"product": self.product, "login": self._way() or "none"},
        )

    def _way(self) -> str:
        if self.answer.status != 401:
            return ""
        if self.challenge is None:
            return "in a way that is not known here"
        return f"token of {self.challenge.realm}" if self.challenge.scheme == "bearer" else "basic"

    # -- login ------------------------------------------------------------------------------------

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic, or a token of the realm that the challenge names; once."""
        if self.answer.status != 401:
            return Seen(detail="no login is needed") if login else None
        if self.challenge is None:
            text = f"401: it asks for a login {self._way()}"
            raise Fault(Reason.AUTH_METHOD_UNSUPPORTED, text)
        if self.challenge.scheme == "bearer":
            return await self._by_token(login, self.challenge)
        if login is None:
            raise Fault(Reason.AUTH_REQUIRED, "401: it asks for a login")
        self.authorization = basic(login.get("username"), login.get("password"))
        self.answer = await self.get(PING)
        if self.answer.status == 401:
            raise self._rejected(self.answer)
        return self.logged_in()

    async def _by_token(self, login: Login | None, challenge: read.Challenge) -> Seen:
        realm = read.realm_of(challenge.realm)
        if realm is None:
            text = f"its token service is said to be at {challenge.realm!r}, which is no address"
            raise Fault(Reason.SERVER_ERROR, text)
        may = login and self._may_have(realm, login) and await self._stays(realm)
        given = login if may else None
        token = await self._token(realm, challenge.service, given)
        if login and not given:
            text = (
                f"it sends logins to {realm.address}, which the Secret does not name or which has "
                "no HTTPS, so that the password was not sent there"
            )
            raise Fault(Reason.REALM_ELSEWHERE, text)
        if not token:
            raise Fault(Reason.AUTH_REQUIRED, f"401: it asks for a token of {realm.address}")
        self.authorization = f"Bearer {token}"
        self.answer = await self.get(PING)
        if self.answer.status == 401:
            words = read.error_of(self.answer) or status_line(self.answer)
            text = (
                f"it does not accept the token that {realm.address} gave for it ({words}): their "
                "key, issuer, service name or clocks differ"
            )
            raise Fault(Reason.SERVER_ERROR, text, code="401")
        if login is None:
            return Seen(detail=f"{realm.address} gives tokens to anybody")
        seen = self.logged_in()
        clear = not realm.tls and self.target.tls.mode is not TlsMode.DISABLE
        return Seen(
            detail=f"{seen.detail} by {realm.address}",
            warning=Reason.PASSWORD_IN_CLEAR if clear else seen.warning,
        )

    def _may_have(self, realm: read.Realm, login: Login) -> bool:
        """Whether the password may go to a place that the *server* has named: to the host that
        the login is for anyway, or over HTTPS to one that the Secret itself names; and never in
        clear where the registry itself has TLS.
        """
        if self._own(realm):
            return realm.tls or not self.stream.encrypted
        named = {h.lower().rstrip(".") for h in login.hosts}
        return realm.tls and bool({realm.host.lower(), realm.address.lower()} & named)

    def _here(self, realm: read.Realm) -> bool:
        """Whether this very connection leads to it."""
        own = self._own(realm)
        return own and realm.port == self.target.port and realm.tls == self.stream.encrypted

    async def _stays(self, realm: read.Realm) -> bool:
        """Whether a name of the bridge's, dialled once more, leads where the login may go."""
        peer = split_address(self.stream.peer)[0] if self.stream.peer else ""
        by_name = realm.host.lower() in {h.lower() for h in self.target.consent_hosts} - {peer}
        return self._here(realm) or not by_name or await self.consents(realm.host)

    def _own(self, realm: read.Realm) -> bool:
        """Whether it is the registry's own host, by a name of the bridge's or by its address."""
        peer = self.stream.peer
        own = {split_address(peer)[0]} if peer else set[str]()
        return realm.host.lower() in own | {h.lower() for h in self.target.consent_hosts}

    async def _token(self, realm: read.Realm, service: str, login: Login | None) -> str:
        """A token; without a login one that anybody gets, "" for none. Raises Fault."""
        if not self._own(realm) and not realm.tls:
            # A host and a path of the server's choice: that it is there is all that is asked.
            async with self.elsewhere(realm.address, TlsMode.DISABLE):
                return ""
        path = read.token_path(realm, service, self.image)
        headers = {}
        if login:
            headers["Authorization"] = basic(login.get("username"), login.get("password"))
        async with self._asking(realm) as http:
            answer = await http.request("GET", path, headers)
        if self.login and not login:
            return ""  # it is there: that was the question
        if answer.status in (401, 403):
            if login:
                raise self._rejected(answer, f" (said by its token service {realm.address})")
            return ""
        token = read.token_of(answer)
        if answer.status != 200 or not token:
            said = status_line(answer)
            text = f"its token service {realm.address} answers {said} and gives no token"
            raise Fault(Reason.SERVER_ERROR, text, code=str(answer.status))
        return token

    @asynccontextmanager
    async def _asking(self, realm: read.Realm) -> AsyncGenerator[HttpConnection]:
        """This connection, where it leads to the realm; else a second one, for one question."""
        if self._here(realm):
            yield self.http
            return
        own = self._own(realm)
        mode = TlsMode.VERIFY_FULL if realm.tls else TlsMode.DISABLE
        if own and realm.tls and self.tls_mode is TlsMode.REQUIRE:
            mode = TlsMode.REQUIRE  # no more than the bridge asks of the registry itself
        async with self.elsewhere(realm.address, mode) as stream:
            yield HttpConnection(stream, realm.header)

    def _rejected(self, answer: Response, who: str = "") -> Fault:
        words = read.error_of(answer) or status_line(answer)
        return Fault(Reason.AUTH_REJECTED, f"401: {words}{who}", words=words, code="401")

    # -- what is there ----------------------------------------------------------------------------

    async def verify(self) -> Seen:
        """The expected image, Harbor's own health, and whether nodes would find the way."""
        if self.answer.status == 401:
            raise wrong_product(self.answer, "a container registry")
        evidence: dict[str, Json] = {}
        notes: list[str] = []
        warning: Reason | None = None
        if self.image:
            notes.append(await self._manifest(self.image, evidence))
        if self.product == "harbor":
            bad = await self._components()
            if bad:
                notes.append(f"Harbor says that it is not healthy: {', '.join(bad[:8])}")
                warning = Reason.DEGRADED
        if not self.stream.encrypted and self.target.tls.mode is None:
            notes.append(f"it is spoken to without TLS: {PLAIN}")
            warning = warning or Reason.PLAIN_HTTP
        return Seen(detail="; ".join(notes), evidence=evidence, warning=warning)

    async def _manifest(self, image: read.Image, evidence: dict[str, Json]) -> str:
        """HEAD, which no registry counts as a pull. Raises Fault."""
        headers = {"Accept": read.MANIFESTS}
        answer = await self.send("HEAD", image.path, headers)
        if answer.status == 200:
            digest = answer.headers.get("docker-content-digest", "")
            evidence |= {"image": str(image), "digest": digest}
            return f"image {image} is there" + (f" ({digest[:19]})" if digest else "")
        answer = await self.get(image.path, headers)  # for its words: a HEAD has none
        words = read.error_of(answer) or status_line(answer)
        code = str(answer.status)
        if answer.status == 404:
            text = f"there is no image {image} ({words})"
            raise Fault(Reason.OBJECT_MISSING, text, code=code)
        if answer.status in (401, 403):
            if self.login is None:
                raise Fault(Reason.AUTH_REQUIRED, f"{code}: {image} wants a login ({words})")
            raise Fault(Reason.PERMISSION_DENIED, f"{image} may not be pulled: {words}", code=code)
        raise_gateway(answer)
        raise Fault(Reason.SERVER_ERROR, f"{words} for image {image}", code=code)

    async def _components(self) -> list[str]:
        """Harbor's own word on its parts, which it gives to anybody."""
        answer = await self.get("/api/v2.0/health")
        return read.components_of(answer) if answer.status in (200, 503) else []
