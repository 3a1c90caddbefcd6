"""Elasticsearch and OpenSearch over HTTP.

`GET /` and the tagline: Elasticsearch reference; X-Elastic-Product is sent from 7.14 on
(elasticsearch-py #2076); OpenSearch says `version.distribution`.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.expect import numbers, version_in
from k8sext.agent.guess import wrong_protocol
from k8sext.agent.http import HttpConnection, Response, basic
from k8sext.model.result import Json
from k8sext.model.tls import TlsMode
from k8sext.model.words import Reason

COLOURS = ("red", "yellow", "green")
TAGLINES = ("You Know, for Search", "The OpenSearch Project: https://opensearch.org/")


class Elasticsearch(WireCheck):
    """GET /, login if asked, cluster health, expectations."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="elasticsearch",
        summary="Elasticsearch and OpenSearch",
        proves="the cluster names itself and is green or yellow; expected index is there",
        ports=(9200,),
        port_names=("elasticsearch", "elastic", "es", "opensearch"),
        service_names=("elasticsearch", "elastic", "es", "opensearch"),
        app_protocols=("elasticsearch",),
        credential_keys={
            "username": ("user", "ELASTIC_USERNAME", "spring.elasticsearch.username"),
            "password": ("ELASTIC_PASSWORD", "elastic", "spring.elasticsearch.password"),
            "api_key": ("api-key", "ELASTIC_API_KEY"),
        },
        expects={
            "status": "green: yellow is a failure then",
            "index": "name of an index that must exist",
            "cluster": "cluster name",
            "version": "range, e.g. >=7.1,<8",
        },
    )
    verify_needs_login = False
    authorization = ""
    asked_for_login = False

    async def handshake(self) -> Seen:
        """GET /: who are you? 401 still names the product by its header or its error."""
        self.http = HttpConnection(self.stream, self.target.address)
        answer = await self._get("/")
        if answer.status in (401, 403):
            self.asked_for_login = True
            return Seen(detail="asks for a login", evidence={"status": answer.status})
        self._known = self._identify(answer)
        product, version = str(self._known["product"]), str(self._known["version"])
        return Seen(detail=f"{product} {version}", evidence=self._known)

    async def auth(self, login: Login | None) -> Seen | None:
        """Basic or API key, once."""
        if login is None:
            if self.asked_for_login:
                raise Fault(Reason.AUTH_REQUIRED, "the cluster asks for a login")
            return None
        key = login.get("api_key")
        self.authorization = (
            f"ApiKey {key}"
            if key
            else basic(login.get("username", "elastic"), login.get("password"))
        )
        answer = await self._get("/")
        if answer.status == 401:
            raise Fault(Reason.AUTH_REJECTED, "401: " + _reason(answer), code="401")
        if answer.status != 403:
            self._known = self._identify(answer)
        clear = not self.stream.encrypted and self.target.tls.mode is not TlsMode.DISABLE
        return Seen(
            detail="login accepted" if self.asked_for_login else "no login is needed",
            warning=Reason.PASSWORD_IN_CLEAR if clear and self.asked_for_login else None,
            evidence=self._known if self.asked_for_login and answer.status != 403 else {},
        )

    async def verify(self) -> Seen:
        """Cluster health, then what the bridge expects."""
        answer = await self._get("/_cluster/health")
        _allowed(answer)
        health = _mapping(answer.json())
        colour = str(health.get("status", ""))
        if answer.status != 200 or colour not in COLOURS:
            raise Fault(Reason.UNHEALTHY, f"{answer.status}: " + _reason(answer))
        evidence: dict[str, Json] = {
            "status": colour,
            "nodes": health.get("number_of_nodes"),
            "unassigned_shards": health.get("unassigned_shards"),
        }
        if colour == "red":
            text = f"the cluster is red: {health.get('unassigned_shards')} shards are unassigned"
            raise Fault(Reason.UNHEALTHY, text, **evidence)
        await self._expected(colour)
        return Seen(detail=f"cluster is {colour}", evidence=evidence)

    async def _expected(self, colour: str) -> None:
        expect = self.target.expect
        known = getattr(self, "_known", {})
        if expect.get("status") == "green" and colour != "green":
            raise Fault(Reason.DEGRADED, f"the cluster is {colour}, expected is green")
        if expect.get("cluster") and expect["cluster"] != known.get("cluster_name"):
            text = f"the cluster is {known.get('cluster_name')}, expected is {expect['cluster']}"
            raise Fault(Reason.UNEXPECTED, text)
        spec, version = str(expect.get("version", "")), str(known.get("version", ""))
        if spec and not version_in(version, spec):
            raise Fault(Reason.UNSUPPORTED_VERSION, f"version {version}, expected is {spec}")
        if expect.get("index"):
            await self._index(str(expect["index"]))

    async def _index(self, index: str) -> None:
        answer = await self._get("/" + quote(index, safe=""))
        if answer.status == 404:
            raise Fault(Reason.OBJECT_MISSING, f"there is no index {index}", code="404")
        _allowed(answer)
        if answer.status != 200:
            words = f"{answer.status} to the question for index {index}: {_reason(answer)}"
            raise Fault(Reason.SERVER_ERROR, words, code=str(answer.status))

    def _identify(self, answer: Response) -> dict[str, Json]:
        data = _mapping(answer.json())
        version = _mapping(data.get("version"))
        if b"This is not a HTTP port" in answer.body or b"not an HTTP port" in answer.body:
            raise Fault(Reason.WRONG_PROTOCOL, "this is the transport port, not the HTTP port")
        if answer.status >= 500:
            raise Fault(Reason.SERVER_ERROR, f"{answer.status}: " + _reason(answer))
        product = str(version.get("distribution") or "elasticsearch")
        official = answer.headers.get("x-elastic-product") == "Elasticsearch"
        named = official or data.get("tagline") in TAGLINES
        if not named or not numbers(str(version.get("number"))):
            raise Fault(
                Reason.WRONG_PRODUCT,
                "HTTP answers, and not as Elasticsearch or OpenSearch do",
                status=answer.status,
            )
        number = str(version["number"])
        return {
            "product": product,
            "version": number,
            "identity": str(data.get("cluster_uuid", "")),
            "cluster_name": str(data.get("cluster_name", "")),
            "clients": _clients(product, number, official),
        }

    async def _get(self, path: str) -> Response:
        headers = {"Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        try:
            return await self.http.request("GET", path, headers)
        except Fault as fault:
            if fault.reason is not Reason.WRONG_PROTOCOL:
                raise
            raise await wrong_protocol(self.stream, fault.detail) from fault


def _allowed(answer: Response) -> None:
    """Raises Fault where the cluster wants another user, or any."""
    reasons = {401: Reason.AUTH_REQUIRED, 403: Reason.PERMISSION_DENIED}
    if answer.status in reasons:
        words = f"{answer.status}: {_reason(answer)}"
        raise Fault(reasons[answer.status], words, code=str(answer.status))


def _clients(product: str, version: str, official: bool) -> str:
    """What the official clients of majors 7, 8 and 9 make of this server (elasticsearch-py)."""
    if product != "elasticsearch" or not official:
        return "official clients from 7.14 on refuse it: no X-Elastic-Product header"
    major = numbers(version)[0]
    return "official client 9 is refused by it" if major < 9 else "official clients accept it"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _reason(answer: Response) -> str:
    error = _mapping(answer.json()).get("error")
    words = _mapping(error).get("reason") or error or answer.reason
    return str(words)
