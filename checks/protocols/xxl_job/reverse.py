"""Whether an XXL-JOB admin calls back: a listener in this pod, registered under an application that
the user gives up for it (`--reverse-app`), and its one, stopped job run there.
"""

from __future__ import annotations

from k8sext.agent.check import Fault, Login
from k8sext.agent.net.listener import IncomingCall, listening
from k8sext.agent.wire.http_api import HttpApi, status_line
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers
from .log import rows_of
from .pages import Pages

HEADER = "XXL-JOB-ACCESS-TOKEN"
CALLED_S, GOODBYE_S = 8.0, 2.0
NO_WORK = (
    b'{"code":500,"msg":"k8sext: called back, nothing done"}'  # ends the job's line in the log
)


async def lent(pages: Pages, groups: list[answers.Group], app: str) -> tuple[answers.Group, Json]:
    """The application's job group, and the number of its job. Raises Fault for an application that
    is not there, or in use.
    """
    group = next((g for g in groups if g.app == app), None)
    if group is None:
        text = f"there is no job group {app}: make one for this test, with one stopped job"
        raise Fault(Reason.OBJECT_MISSING, text)
    wanted = {"jobDesc": "", "executorHandler": "", "author": ""}
    table = await pages.table("/jobinfo/pageList", 2, jobGroup=group.id, triggerStatus=-1, **wanted)
    jobs = rows_of(table)
    why = answers.why_in_use(group, jobs)
    if why:
        text = f"--reverse-app {app} is none for a test alone, so nothing was done: {why}"
        raise Fault(Reason.UNEXPECTED, text)
    return group, jobs[0].get("id")


async def called_back(
    pages: Pages, group: answers.Group, job: Json, login: Login | None
) -> tuple[str, IncomingCall | None]:
    """Our own address, registered for as long as it takes, and the call that came."""
    check = pages.check
    async with listening(check.stream, NO_WORK) as here:
        url = f"http://{here.address}/"
        await _api(check, "registry", group, url, login)
        try:
            await pages.post("/jobinfo/trigger", id=job, executorParam="k8sext", addressList=url)
        except Fault:
            await _leave(check, group, url, login)
            raise
        call = await here.called(min(CALLED_S, max(check.stream.left_s - GOODBYE_S, 0.1)))
        await _leave(check, group, url, login)
    return here.address, call


async def _leave(check: HttpApi, group: answers.Group, url: str, login: Login | None) -> None:
    """Takes the registration away, even if the time is up."""
    check.stream.give(max(check.stream.left_s, GOODBYE_S))
    await _api(check, "registryRemove", group, url, login)


async def _api(
    check: HttpApi, what: str, group: answers.Group, url: str, login: Login | None
) -> None:
    """As an executor does. Raises Fault where it is not taken."""
    value: dict[str, Json] = {"registryGroup": "EXECUTOR", "registryKey": group.app}
    value["registryValue"] = url
    key = login.get("token") if login else ""
    answer = await check.post(f"/api/{what}", value, {HEADER: key} if key else {})
    good, words = answers.message(answer)
    if not good:
        raise Fault(Reason.SERVER_ERROR, f"{what}: {words or status_line(answer)}")
