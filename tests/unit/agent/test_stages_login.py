"""A login that is wanted and not configured is no failure; one that is configured may fail so."""

import asyncio

import pytest

from k8sext.agent.check import CheckInfo, Fault, Login, Seen, WireCheck
from k8sext.agent.login.credentials import Missing
from k8sext.agent.run.stages import StageLog, converse
from k8sext.model.plan import Budget, Target
from k8sext.model.secret import Secret
from k8sext.model.words import Reason, Route, Stage, Status
from tests.support.converse import fed

TARGET = Target(
    id="o1", service="svc", port_key="p", protocol="toy", route=Route.NAME, host="svc", port=1
)
LOGIN = Login({"password": Secret("canary-4711")})


def asking(stage: Stage) -> type[WireCheck]:
    """A check whose server wants a login at that stage."""

    class Asks(WireCheck):
        info = CheckInfo(name="toy", summary="", proves="")

        async def tls(self) -> Seen | None:
            return None

        async def handshake(self) -> Seen | None:
            return self._at(Stage.HANDSHAKE)

        async def auth(self, login: Login | None) -> Seen | None:
            return self._at(Stage.AUTH)

        def _at(self, here: Stage) -> Seen:
            if here is stage:
                raise Fault(Reason.AUTH_REQUIRED, "who are you?", code=4711)
            return Seen()

    return Asks


@pytest.mark.parametrize(
    ("stage", "login", "status"),
    [
        (Stage.AUTH, None, Status.SKIP),
        (Stage.AUTH, LOGIN, Status.FAIL),
        (Stage.HANDSHAKE, None, Status.FAIL),
    ],
)
def test_only_the_auth_stage_without_a_login(
    stage: Stage, login: Login | None, status: Status
) -> None:
    async def talk() -> StageLog:
        log = StageLog(TARGET, Budget(), asyncio.get_running_loop().time())
        check = asking(stage)(TARGET, fed(b""))
        await converse(log, check, login, Missing(Reason.NO_CREDENTIALS, ""))
        return log

    found = {r.stage: r for r in asyncio.run(talk()).results()}
    said = found[stage]
    assert (said.status, said.reason, said.detail) == (status, Reason.AUTH_REQUIRED, "who are you?")
    assert said.evidence == {"code": 4711}
    assert found[Stage.VERIFY].reason is Reason.NOT_REACHED
