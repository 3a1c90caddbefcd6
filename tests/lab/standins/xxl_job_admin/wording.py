"""How releases of XXL-JOB word what an admin's call of an executor came to.

XxlJobTrigger and XxlJobRemotingUtil (tags 2.3.0 to 3.2.0), JobTrigger with xxl-tool's HttpTool
(3.3.0 on); labels of message_zh_CN.properties and message_en.properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OK = 200
_ZH = (
    "任务触发类型", "调度机器", "执行器-注册方式", "执行器-地址列表", "路由策略", "阻塞处理策略",
    "任务超时时间", "失败重试次数",
)  # fmt: skip
_EN = (
    "Job trigger type", "Trigger machine address", "Execotor-Registry Type",
    "Execotor-Registry Address", "Route Strategy", "Block Strategy", "Job timeout period",
    "Fail Retry Count",
)  # fmt: skip
_ZH_VALUES = ("Cron触发", "自动注册", "单机串行")
_EN_VALUES = ("Cron trigger", "Automatic registration", "Serial execution")
_ZH_WORDS = ("触发调度", "心跳检测", "执行器地址", "任务参数", "调度备注")
_EN_WORDS = ("Trigger Job", "Heartbeats", "Executor Address", "Param", "Trigger Msg")
LANGUAGES = {"zh_CN": (_ZH, _ZH_VALUES, _ZH_WORDS), "en": (_EN, _EN_VALUES, _EN_WORDS)}


def number(version: str) -> tuple[int, ...]:
    """`3.3.2` as (3, 3, 2)."""
    return tuple(int(part) for part in version.split("."))


class Wording:
    """The words of one release in one language."""

    def __init__(self, version: str, language: str) -> None:
        self.version = number(version)
        self.labels, self.values, self.words = LANGUAGES[language]

    # -- what a call came to ---------------------------------------------------------------------

    def unanswered(self, why: str, url: str) -> str:
        """No answer of HTTP came."""
        if self.version >= (3, 3):
            return f"Http Request Error ({why}). for url : {url}"
        return f"{self._prefix} remoting error({why}), for url : {url}"

    def status(self, status: int, url: str) -> str:
        """An answer with another status than 200."""
        if self.version >= (3, 3):
            return f"Http Request fail, statusCode({status}) for url : {url}"
        return f"{self._prefix} remoting fail, StatusCode({status}) invalid. for url : {url}"

    def garbage(self, text: str, url: str) -> str:
        """An answer that is no JSON."""
        return f"{self._prefix} remoting (url={url}) response content invalid({text})."

    @property
    def _prefix(self) -> str:
        return "xxl-job" if self.version >= (2, 4, 1) else "xxl-rpc"

    # -- the line in the log ---------------------------------------------------------------------

    def heartbeat(self, address: str, answer: Mapping[str, Any]) -> str:
        """One address that was asked before one was chosen."""
        return self._call(self.words[1], address, answer)

    def line(
        self, scheduler: str, addresses: Sequence[str], address: str | None,
        answer: Mapping[str, Any], routed: str,
    ) -> str:  # fmt: skip
        """The whole text of a line: how it was scheduled, then what came of it."""
        run, _, at, parameters, remark = self.words
        trigger, registered, block = self.values
        known = f"[{', '.join(addresses)}]"
        said = (trigger, scheduler, registered, known, "FIRST", block, "0", "0")
        head = "<br>".join(
            f"{label}：{value}" for label, value in zip(self.labels, said, strict=True)
        )
        head += f'<br><br><span style="color:#00c0ef;" > >>>>>>>>>>>{run}<<<<<<<<<<< </span><br>'
        if self.version < (3, 3):
            called = self._call(run, address, answer) if address else ""
            return head + "<br><br>".join(filter(None, (routed, called)))
        chosen = address or f"address route fail, {routed}"
        parts = f"<br>{at}：{chosen}<br>JobHandler：one<br>{parameters}：<br>{remark}："
        return head + parts + self._result(run, address, answer)

    def _result(self, run: str, address: str | None, answer: Mapping[str, Any]) -> str:
        """Since 3.3 success is one word, and what broke the call is a Java exception."""
        if answer.get("code") == OK:
            return "success"
        said = str(answer.get("msg"))
        if not address:
            return "error, Address Router Fail."
        if said.startswith("Http Request"):
            return f"error, java.lang.RuntimeException: {said}\n\tat com.xxl.job.admin\n"
        return f"error, {self._call(run, address, answer)}"

    @staticmethod
    def _call(what: str, address: str, answer: Mapping[str, Any]) -> str:
        parts = (f"{what}：", f"address：{address}", f"code：{answer.get('code')}")
        return "<br>".join((*parts, f"msg：{answer.get('msg')}"))
