"""Runs the stages of one probe over one connection and writes down how each ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from k8sext.agent.check import Announced, Callbacks, Fault, Login, Seen, WireCheck
from k8sext.agent.fault import raised
from k8sext.agent.login.consent import short_of
from k8sext.agent.login.credentials import Missing
from k8sext.agent.net.network import Network
from k8sext.agent.net.stream import Note, Relayed, Stream, Tls
from k8sext.model.plan import Budget, Target
from k8sext.model.result import Facts, Json, StageResult
from k8sext.model.scrub import scrub, shown
from k8sext.model.secret import Secret, printable
from k8sext.model.words import STAGES, Reason, Stage, Status

from .vocabulary import mask_own

# What says nothing of the server: of ourselves, of our time, of what carries us there.
OURS = (Reason.INTERNAL_ERROR, Reason.OUT_OF_TIME, Reason.VANTAGE_UNPROVEN)
# Evidence in the server's own words, whatever stands there.
QUOTED = ("words", "first_bytes", "answer", "body", "message", "text")
Step = Callable[[], Awaitable[Seen | None]]


@dataclass(slots=True)
class StageLog:
    """Collects results; every planned stage appears exactly once in `results()`."""

    target: Target
    budget: Budget
    started: float  # loop time at which the probe began
    # What its server was sent, and what that gave us to come back with (sessions, tokens).
    secrets: Collection[Secret] = ()
    granted: Collection[Secret] = ()
    guess: Mapping[str, Json] = field(default_factory=dict[str, Json])  # see instead.py
    extra_s: float = 0.0  # for a step that waits for others: see `_extra_s`
    done: dict[Stage, StageResult] = field(default_factory=dict[Stage, StageResult])
    # By the verify step: looked at when the connection is closed.
    announced: Announced | None = None
    callbacks: Callbacks | None = None
    relayed: Relayed | None = None  # what carries the stream, where it is not a connection itself

    def deadline(self, seconds: float | None = None) -> float:
        """Loop time at which a stage that begins now must end."""
        now = asyncio.get_running_loop().time()
        whole = self.started + self.budget.probe_s + self.extra_s
        return min(now + (seconds or self.budget.stage_s) + self.extra_s, whole)

    def add(self, result: StageResult) -> None:
        """Note how a stage ended."""
        self.done[result.stage] = result

    def skip(self, stage: Stage, reason: Reason, detail: str = "", **evidence: Json) -> None:
        """Note that a stage did not run, and why."""
        self.add(
            StageResult(
                stage=stage, status=Status.SKIP, reason=reason, detail=detail, evidence=evidence
            )
        )

    async def run(
        self, stage: Stage, step: Step, seconds: float | None = None, lag_s: float = 0.0
    ) -> bool:
        """Run one step; True if the probe may go on. The step's deadline is its stream's; what
        keeps it elsewhere may tell `lag_s` later.
        """
        began = asyncio.get_running_loop().time()
        try:
            # The stream ends reads and writes by itself; this is for a step that computes or drips.
            async with asyncio.timeout_at(self.deadline(seconds) + 0.25 + lag_s):
                seen = await step()
        except Fault as fault:
            if stage is Stage.VERIFY:
                self.callbacks = fault.callbacks
            self._fail(stage, self._carrier_fault() or after_greeting(stage, fault), began)
            return False
        except TimeoutError:
            late = Fault(Reason.TIMED_OUT, "no complete answer in time")
            self._fail(stage, self._carrier_fault() or after_greeting(stage, late), began)
            return False
        except Exception as error:  # a defect of ours must never look like the server's fault
            self._fail(stage, Fault(Reason.INTERNAL_ERROR, raised(error)), began)
            return False
        if seen is None:
            self.skip(stage, Reason.NOT_APPLICABLE)
            return True
        if stage is Stage.VERIFY:
            self.announced, self.callbacks = seen.announced, seen.callbacks
        self.add(
            StageResult(
                stage=stage,
                status=Status.WARN if seen.warning else Status.PASS,
                reason=seen.warning,
                duration_s=self._since(began),
                detail=self._clean(seen.detail, seen.evidence.get("words")),
                evidence=self._clean_facts(seen.evidence),
            )
        )
        return True

    def _carrier_fault(self) -> Fault | None:
        """What broke under the stream between here and where it was connected from."""
        return self.relayed.fault if self.relayed else None

    def ended(self, reason: Reason) -> StageResult | None:
        """The stage that failed for that reason, if one did."""
        failed = (s for s in self.done.values() if s.status is Status.FAIL)
        return next((s for s in failed if s.reason is reason), None)

    @property
    def hung(self) -> bool:
        """Whether a stage failed because its time was up."""
        failed = (s for s in self.done.values() if s.status is Status.FAIL)
        return any(s.duration_s >= 0.9 * self.budget.stage_s for s in failed)

    def begin_again(self) -> None:
        """Forget all but how the name was resolved: the same is asked over another connection."""
        kept = self.done.get(Stage.RESOLVE)
        self.done = {Stage.RESOLVE: kept} if kept else {}
        self.announced = self.callbacks = self.relayed = None
        self.extra_s = 0.0

    def results(self) -> tuple[StageResult, ...]:
        """One result a stage, in order; what never ran was not reached."""
        for stage in STAGES:
            if stage not in self.done:
                self.skip(stage, Reason.NOT_REACHED)
        return tuple(self.done[stage] for stage in STAGES)

    def _fail(self, stage: Stage, fault: Fault, began: float) -> None:
        ours = fault.reason in OURS
        self.add(
            StageResult(
                stage=stage,
                status=Status.INCONCLUSIVE if ours else Status.FAIL,
                reason=fault.reason,
                duration_s=self._since(began),
                detail=self._clean(fault.detail, fault.evidence.get("words")),
                evidence=self._clean_facts(fault.evidence),
            )
        )

    def _since(self, began: float) -> float:
        return round(asyncio.get_running_loop().time() - began, 6)

    def _clean(self, text: str, words: Json = "") -> str:
        """A text of ours, in which the server's `words` may be quoted."""
        said = words if isinstance(words, str) else ""
        names = (self.target.service, self.target.host, self.target.address)
        text = mask_own(text, self.to_mask, said, names)
        return printable(scrub(mask_own(text, self.to_mask, printable(said), names)))

    @property
    def to_mask(self) -> tuple[Secret, ...]:
        """What must be masked."""
        return (*self.secrets, *self.granted)

    def _clean_facts(self, evidence: Facts) -> Facts:
        return {k: self._clean_value(v, k in QUOTED) for k, v in evidence.items()}

    def _clean_value(self, value: Json, quoted: bool) -> Json:
        if isinstance(value, str):
            return shown(value, self.to_mask) if quoted else self._clean(value)
        if isinstance(value, list):
            return [self._clean_value(v, quoted) for v in value]
        if isinstance(value, dict):
            return {self._clean(k): self._clean_value(v, k in QUOTED) for k, v in value.items()}
        return value


def after_greeting(stage: Stage, fault: Fault) -> Fault:
    """Silence, or the end of the connection, where the server has spoken before is its own state:
    a pooler without a free connection, a hanging server, a process that died. The path is to blame
    only for a large answer that is lost where small ones pass (`large_answer`: MTU), and in the
    TLS stage, whose first answer is large (the certificates).
    """
    if fault.evidence.get("large_answer"):
        return fault
    said = _LEFT_ALONE.get((stage, fault.reason))
    if said is None:
        return fault
    words = {"no answer in time", "no complete answer in time", "the server closed the connection"}
    more = f" ({fault.detail})" if fault.detail and fault.detail not in words else ""
    return Fault(Reason.UNHEALTHY, said + more, **fault.evidence)


_UNANSWERED = "it greets, and does not answer in time when it is asked for its state"
_LEFT_ALONE = {
    (Stage.HANDSHAKE, Reason.TIMED_OUT): "its first answer begins and does not end",
    (Stage.AUTH, Reason.TIMED_OUT): "it greets, and does not answer the login in time",
    (Stage.AUTH, Reason.SILENT): "it greets, and does not answer the login in time",
    (Stage.VERIFY, Reason.TIMED_OUT): _UNANSWERED,
    (Stage.VERIFY, Reason.SILENT): _UNANSWERED,
    (Stage.VERIFY, Reason.CLOSED_EARLY): "it greets, and hangs up when it is asked for its state",
}


async def connect(
    log: StageLog,
    address: str,
    port: int,
    tls: Tls | None,
    network: Network,
    pauses: Sequence[float] = (),
) -> Stream | None:
    """The connect stage. Returns the stream, or None when the stage failed.

    `pauses`, in seconds: where the connection is refused, it is tried again after each of them.
    """
    opened: list[Stream] = []
    began = asyncio.get_running_loop().time()
    way = await network.way()
    log.started += asyncio.get_running_loop().time() - began  # not the server's time

    async def step() -> Seen:
        refused = 0
        while True:
            try:
                stream = await way.connect(address, port, log.deadline())
                break
            except Fault as fault:
                if fault.reason is not Reason.REFUSED or refused == len(pauses):
                    raise
            await asyncio.sleep(pauses[refused])
            log.started += pauses[refused]
            refused += 1
        stream.tls = tls
        log.relayed = stream.relayed
        opened.append(stream)
        evidence: dict[str, Json] = {"peer": stream.peer, "local": stream.local}
        return Seen(evidence={**evidence, "refused_before": refused} if refused else evidence)

    await log.run(Stage.CONNECT, step, lag_s=network.lag_s + sum(pauses))
    if not opened:
        await way.close()
    return opened[0] if opened else None


async def converse(
    log: StageLog,
    check: WireCheck,
    login: Login | None,
    missing: Missing,
    wrong: Sequence[str] = (),
    only: Sequence[Stage] = STAGES,
) -> Fault | None:
    """The check's own stages, in its order, and its goodbye; of the stages `only` these.

    Without a login `missing` says why: the auth step still runs when that is NO_CREDENTIALS (the
    server may ask for nothing; AUTH_REQUIRED is then a skip), otherwise the stage is skipped with
    that reason. `wrong` is what the bridge expects and cannot be compared: a verify stage that
    passes says so instead. Returns the fault that ended the auth stage, if one did: the caller
    stops further logins.
    """
    ended: list[Fault] = []
    log.granted, stream = check.stream.granted, check.stream

    async def auth() -> Seen | None:
        try:
            return _with_shipped(check, login, await check.auth(login))
        except Fault as fault:
            ended.append(fault)
            if login and login.hints and fault.reason is Reason.AUTH_REJECTED:
                fault.evidence["credential_hints"] = [*login.hints]
            raise

    async def tls() -> Seen | None:
        seen = await check.tls()
        return _with_note(seen, check.stream.tls_note) if seen else None

    async def verify() -> Seen | None:
        seen = await check.verify()
        if wrong:
            evidence = seen.evidence if seen else {}
            raise Fault(Reason.BAD_EXPECTATION, "; ".join(wrong), **evidence)
        return seen

    steps: dict[Stage, Step] = {
        Stage.TLS: tls,
        Stage.HANDSHAKE: check.handshake,
        Stage.AUTH: auth,
        Stage.VERIFY: verify,
    }
    try:
        for stage in (s for s in check.order if s in only):
            log.extra_s = _extra_s(check, log.budget) if stage is Stage.VERIFY else 0.0
            stream.deadline = log.deadline()
            kept = _held_back(stream, login, missing)
            check.login = None if kept else login  # its names, too, are sent protected only
            if stage is Stage.AUTH and kept and kept.reason is not Reason.NO_CREDENTIALS:
                # A login is configured and may not be used: what would be asked next needs it.
                log.skip(stage, kept.reason, kept.detail, **kept.evidence)
                break
            if not await log.run(stage, _by_nobody(check, steps[stage])):
                _spare(log, login, ended)
                break
            if stage is Stage.AUTH and not login and check.verify_needs_login:
                break
        _note_misread(log, login)
    finally:
        check.stream.deadline = asyncio.get_running_loop().time() + 0.5
        try:
            await check.goodbye()
        except Fault:
            pass  # the server may be gone; leaving politely is all we owe it
        await check.stream.close()
    return ended[0] if ended else None


def _held_back(stream: Stream, login: Login | None, missing: Missing) -> Missing | None:
    """Why there is no login for the connection as it is now; None where it may be sent."""
    if login is None:
        return missing
    short = short_of(login.tls, stream.reached)
    return Missing(Reason.TLS_DEMANDED, short) if short else None


def _note_misread(log: StageLog, login: Login | None) -> None:
    """Whatever became of the login: other clients may not get so far with the same address."""
    auth = log.done.get(Stage.AUTH)
    if auth and login and login.misread:
        log.add(replace(auth, evidence={**auth.evidence, "address_misread": [*login.misread]}))


def _extra_s(check: WireCheck, budget: Budget) -> float:
    """What the verify stage may take beyond a stage's time."""
    acts = check.target.active and check.info.active
    return max(check.patience_s, budget.active_s) if acts else check.patience_s


def _spare(log: StageLog, login: Login | None, ended: Sequence[Fault]) -> None:
    """Where a login is wanted and nobody gave one, the auth stage has not failed."""
    if not login and ended and ended[0].reason is Reason.AUTH_REQUIRED:
        log.add(replace(log.done[Stage.AUTH], status=Status.SKIP))


def _with_shipped(check: WireCheck, login: Login | None, seen: Seen | None) -> Seen | None:
    """What an accepted login says; a warning where every new installation has that login. None is
    ever tried on our own account.
    """
    if seen is None or login is None or not (check.login_sent and check.shipped_login(login)):
        return seen
    clear = ", and it went there in clear text" if seen.warning is Reason.PASSWORD_IN_CLEAR else ""
    detail = f"it takes the login that every new installation has{clear}"
    return replace(seen, warning=Reason.DEFAULT_LOGIN, detail=detail)


def _by_nobody(check: WireCheck, step: Step) -> Step:
    """The step; what it is denied without a login having been sent is no lack of a right."""

    async def run() -> Seen | None:
        try:
            seen = await step()
        except Fault as fault:
            if fault.reason is Reason.PERMISSION_DENIED and not check.login_sent:
                fault.reason = Reason.FORBIDDEN
            raise
        if seen and seen.warning is Reason.PERMISSION_DENIED and not check.login_sent:
            return replace(seen, warning=Reason.FORBIDDEN)
        return seen

    return run


def _with_note(seen: Seen, note: Note) -> Seen:
    """What the certificate is warned of, unless the check warns of something itself."""
    if seen.warning or not note.reason:
        return seen
    return replace(seen, warning=note.reason, detail=note.detail)
