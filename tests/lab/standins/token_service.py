"""A stand-in for a registry's token service: gives tokens that the real registry verifies.

Facts: docker/distribution, docs/spec/auth/token.md (question and answer), jwt.md (claims,
signature, and the `kid` of a key), as Harbor does them at `/service/token`. The signature is
openssl's.

Options: `key` and `certificate` (files), `service`, `issuer`, `login` (`USER:WORD`), `grants`
(false: tokens without any right, as for a user who may not have the repository).
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from tests.lab.standins.web import Answer, Handler, Request, main

LASTS_S = 300


def make(options: Mapping[str, Any]) -> Handler:
    """A token service as the options want it."""
    known = "Basic " + base64.b64encode(str(options["login"]).encode()).decode()
    identity = kid(str(options["certificate"]))

    def handle(request: Request) -> Answer:
        if request.path != "/token":
            return Answer(404, {"errors": [{"code": "NOT_FOUND", "message": "page not found"}]})
        said = request.headers.get("authorization", "")
        if said != known:
            error = {"code": "UNAUTHORIZED", "message": "incorrect username or password"}
            return Answer(401, {"errors": [error]}, {"WWW-Authenticate": 'Basic realm="tokens"'})
        grants = options.get("grants", True)
        access = _access(request.query.get("scope", "")) if grants else []
        user = str(options["login"]).partition(":")[0]
        token = _token(options, identity, user, request.query.get("service", ""), access)
        return Answer(200, {"token": token, "access_token": token, "expires_in": LASTS_S})

    return handle


def _access(scope: str) -> list[dict[str, Any]]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return [{"type": kind, "name": name, "actions": actions.split(",")}] if name else []


def _token(
    options: Mapping[str, Any], identity: str, user: str, service: str, access: list[dict[str, Any]]
) -> str:
    now = int(time.time())
    header = {"typ": "JWT", "alg": "RS256", "kid": identity}
    claims = {
        "iss": options["issuer"], "sub": user, "aud": service, "exp": now + LASTS_S,
        "nbf": now - 10, "iat": now, "jti": secrets.token_hex(8), "access": access,
    }  # fmt: skip
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
    argv = ["openssl", "dgst", "-sha256", "-sign", str(options["key"])]
    made = subprocess.run(argv, input=text.encode(), capture_output=True, check=True).stdout
    return f"{text}.{_encoded(made)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def kid(certificate: str) -> str:
    """The name of a certificate's key: 240 bits of SHA-256 over it, in groups of four letters."""
    pem = subprocess.run(
        ["openssl", "x509", "-in", certificate, "-pubkey", "-noout"],
        capture_output=True,
        check=True,
    ).stdout
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, check=True
    ).stdout
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


if __name__ == "__main__":
    main(make)
