"""What applications on Spring Boot have in common: their error pages, their login, their texts.

Spring Boot's `BasicErrorController` answers with `timestamp`, `status`, `error` and `path` as JSON,
or with the "Whitelabel Error Page"; measured with 3.5, alike since 1.2.
"""

from __future__ import annotations

import re

from k8sext.agent.check import Fault
from k8sext.model.words import Reason

from .http import Response
from .http_api import mapping, status_line

ACTUATOR = "vnd.spring-boot.actuator"  # in the media type of each answer of Actuator's, since 1.5
LOGIN_PAGES = ("/login", "/oauth2/authorization")  # where Spring Security sends those it knows not
_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_SECRET = re.compile(r"(?i)((?:password|passwd|pwd|secret|token)\W{1,3})[^\s&;,)'\"]+")
MAX_TEXT = 200


def is_spring(answer: Response) -> bool:
    """Whether an answer that is no success may come from an application on Spring Boot: its own
    error, or outside its context path that of Tomcat or Jetty, in which it runs.
    """
    if b"HTTP Status 404" in answer.body[:2000] or b"Powered by Jetty" in answer.body[:4000]:
        return True
    if ACTUATOR in answer.headers.get("content-type", "") or b"Whitelabel" in answer.body[:2000]:
        return True
    found = mapping(answer.json())
    return "timestamp" in found and "status" in found and ("path" in found or "error" in found)


def forbidden(answer: Response, path: str, login_sent: bool) -> Fault:
    """The Fault for a 403. Spring Security says that, too, to those it does not know, unless it was
    told of another way to ask for a login (`Http403ForbiddenEntryPoint`).
    """
    text = f"{status_line(answer)} for {path}"
    if is_spring(answer) and not login_sent:
        words = f"{text}: Spring Security says so to those it does not know"
        return Fault(Reason.AUTH_REQUIRED, words, code="403")
    return Fault(Reason.PERMISSION_DENIED, text, code="403")


def refuse_login_page(answer: Response) -> None:
    """Raises Fault where the application sends everybody to a page for people to log in."""
    where = answer.redirect.split("?")[0]
    if any(where.endswith(page) or f"{page}/" in where for page in LOGIN_PAGES):
        text = f"{status_line(answer)}, a page for people: no program gets any further"
        raise Fault(Reason.PERMISSION_DENIED, text, code=str(answer.status))


def status_word(value: object) -> str:
    """The word of a `status` in a health: text, or an object `{"code": "UP", "description": ""}`,
    as applications write it whose JSON is Gson's (Apollo 1.9 and 2.5, measured); "" for neither.
    """
    word = mapping(value).get("code") if isinstance(value, dict) else value
    return word if isinstance(word, str) else ""


def without_secrets(text: object) -> str:
    """A text of the application's, cut, with no login of an URL and no password in it."""
    known = _SECRET.sub(r"\1***", _LOGIN.sub("", str(text)))
    return known if len(known) <= MAX_TEXT else known[: MAX_TEXT - 1] + "…"
