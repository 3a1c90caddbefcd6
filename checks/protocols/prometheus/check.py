"""Prometheus over its HTTP API: GET only. How the answers are read is in `answers.py`.

A large server has megabytes of targets, so its own sums (`count by (job) (up)`) are asked first;
targets are listed one by one only as far as they are few. Not asked: `/api/v1/status/tsdb`, which
walks the whole index, and `droppedTargets` of jobs that are well.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import quote

from k8sext.agent.check import Callbacks, CheckInfo, Fault, Key, Login, Seen
from k8sext.agent.expect import version_in
from k8sext.agent.wire.http import Response
from k8sext.agent.wire.http_api import (
    CREDENTIALS,
    JSON,
    PATH,
    HttpApi,
    mapping,
    sequence,
    some,
    status_line,
    text_of,
    wrong_product,
)
from k8sext.model.plan import Target
from k8sext.model.result import Json
from k8sext.model.words import Reason

from . import answers as read

ONE_BY_ONE = 1000  # targets that are listed one by one at most
POOLS = 6  # questions for the targets of one job
TOLD = 3  # targets in a sentence
SETTING = (
    "scrape an address that Prometheus's own host reaches, or let it find the pods itself "
    "(kubernetes_sd_configs, role: pod) where it has a route to them"
)
INSIDE = "run a Prometheus inside the cluster and let it write to this one (remote_write)"
SETTLED_S = 120.0  # after its start every target has been scraped once
ALL, DOWN = "count by (job) (up)", "count by (job) (up == 0)"
# Needs a Prometheus that scrapes itself, as most do. Firing alerts are sent again every minute.
LOST = "sum by (alertmanager) (increase(prometheus_notifications_errors_total[3m])) > 0"
RULES = "/api/v1/rules?exclude_alerts=true"  # before 2.53 they come along
_ORDER = (
    Reason.TARGET_DOWN, Reason.NOTIFICATIONS_FAIL, Reason.CONFIG_REFUSED, Reason.RULE_FAILING,
)  # fmt: skip
_PAGES = re.compile(r"(/classic)?/(graph|query|agent)?$")  # of its own, below its path
Note = tuple[Reason, str]


class Prometheus(HttpApi):
    """Build, readiness, configuration, targets, rules, Alertmanagers."""

    info: ClassVar[CheckInfo] = CheckInfo(
        name="prometheus",
        summary="Prometheus, and what speaks its API (Thanos, VictoriaMetrics, Mimir)",
        proves="it is ready and stores; its configuration is the newest, its targets are up and "
        "its rules work; expected jobs have targets",
        ports=(9090,),
        # Never the bare word: ports called so hold the metrics of others (RabbitMQ's 15692),
        # and so do Services (prometheus-node-exporter, prometheus-pushgateway).
        port_names=("prometheus-web", "prometheus-http"),
        service_names=("prometheus-svc", "prometheus-service", "prometheus-server"),
        credential_keys=CREDENTIALS,
        expects={
            "path": PATH,
            "version": Key("range, e.g. >=2.40", "version"),
            "jobs": Key("names of jobs, each with at least `targets` targets that are up", "words"),
            "targets": Key("targets that must be up, of each of `jobs`, else of all", "number"),
            "alertmanagers": Key("Alertmanagers that it must know, at least", "number"),
        },
    )
    first = "/api/v1/status/buildinfo"

    def __init__(self, target: Target, stream: Any) -> None:
        super().__init__(target, stream)
        self.build: dict[str, Any] = {}
        self.version = ""
        self.evidence: dict[str, Json] = {}
        self.notes: list[Note] = []
        self.deaf = False  # one of the optional questions had no answer

    async def handshake(self) -> Seen:
        """Version, and whether it is ready: what it is said instead, is looked into."""
        try:
            return await super().handshake()
        except Fault as fault:
            if fault.reason is Reason.WRONG_PRODUCT:
                return await self._by_query(fault)
            if fault.reason is Reason.UNHEALTHY and self.answer.status == 503:
                raise await self._not_ready(fault) from fault
            raise

    async def auth(self, login: Login | None) -> Seen | None:
        """As everywhere; behind a login, too, there may be one that has no build to tell."""
        try:
            return await super().auth(login)
        except Fault as fault:
            if fault.reason is not Reason.WRONG_PRODUCT:
                raise
            return self.logged_in(await self._by_query(fault))

    def recognise(self, answer: Response) -> Seen:
        """Its build. Where that is empty or absent, an answer to a query decides (`_by_query`)."""
        self.build = mapping(read.data_of(answer))
        self.version = read.own_version(self.build)
        if not (self.version or text_of(self.build.get("version"))):
            raise wrong_product(answer, "Prometheus")
        return self._named()

    def _named(self) -> Seen:
        imitated = text_of(self.build.get("version"))
        if self.version:
            return Seen(detail=f"version {self.version}", evidence={"version": self.version})
        self.evidence["api_of"] = imitated
        api = f"the API of Prometheus {imitated}".strip()
        return Seen(detail=f"{api}, and no version of its own", evidence={"api_of": imitated})

    async def _by_query(self, fault: Fault) -> Seen:
        """One that tells no version, recognised by its answer to a query. Raises Fault."""
        try:
            answer = await self.get(_query("vector(1)"), {"Accept": JSON})
        except Fault:
            raise fault from None
        if not read.is_query_result(answer):
            raise await self._elsewhere(fault) from fault
        self.answer = answer
        return self._named()

    async def verify(self) -> Seen:
        """What it stores, sees and tells."""
        product = read.product_of(await self._extra("/-/ready"), self.build)
        if product == "victoriametrics":
            self.version = read.victoria_version(await self._extra("/metrics"))
        self.evidence |= {"product": product, "version": self.version}
        self._versions()
        info = mapping(await self._extra_data("/api/v1/status/runtimeinfo"))
        self._configuration(info)
        counts = await self._counts()
        targets, whole = await self._targets(counts)
        self._stored(counts, targets, info, product)
        sums = read.counted(targets) if whole or counts is None else counts
        said = [self._who(product), self._targets_up(sums, targets, whole)]
        said += [await self._rules(), await self._alertmanagers()]
        callbacks = Callbacks(
            entries=read.called(targets),
            caller="Prometheus",
            setting=SETTING,
            inside=INSIDE,
            expected=(),  # a job that is expected and down fails by itself (`_expected`)
        )
        try:
            await self._expected(sums, targets)
        except Fault as fault:
            fault.callbacks = callbacks
            raise
        left_out = [str(path) for path in sequence(self.evidence.get("not_answered"))]
        said.append(f"not told: {some(left_out)}" if left_out else "")
        texts = [*filter(None, said), *(text for _, text in self.notes)]
        reasons = [reason for reason, _ in self.notes]
        return Seen(
            detail="; ".join(texts),
            evidence=self.evidence,
            warning=next((r for r in _ORDER if r in reasons), None),
            callbacks=callbacks,
        )

    # -- what is not as it should be at the first word ---------------------------------------------

    async def _elsewhere(self, fault: Fault) -> Fault:
        """Whether it lies under another path (`--web.route-prefix`): `/` leads there."""
        try:
            where = (await self.http.request("GET", "/")).redirect
        except Fault:
            return fault
        prefix = _PAGES.sub("", where) if where.startswith("/") else ""
        if not prefix or prefix == self.base:
            return fault
        text = f"{fault.detail}; / leads to {where}: expect.path may be {prefix}"
        return Fault(fault.reason, text, **fault.evidence)

    async def _not_ready(self, fault: Fault) -> Fault:
        """503 in plain words is what it says itself before it is ready; how far it is answers it
        even then.
        """
        try:
            replay = mapping(read.data_of(await self.get("/api/v1/status/walreplay")))
        except Fault:
            return fault
        if "current" not in replay:
            return fault
        if self.answer.headers.get("x-prometheus-stopping") == "true":
            return Fault(Reason.UNHEALTHY, "it is shutting down", code="503")
        at, last = read.number_of(replay["current"]), read.number_of(replay.get("max"))
        text = f"it is not ready: it reads its log (segment {at} of {last})"
        return Fault(Reason.LOADING, text, code="503")

    # -- the questions ---------------------------------------------------------------------------

    def _who(self, product: str) -> str:
        """Product and version; whose API it speaks, where it tells no version of its own."""
        if self.version:
            return f"{product} {self.version}"
        imitated = text_of(self.build.get("version"))
        return f"{product} (the API of Prometheus {imitated})" if imitated else product

    def _versions(self) -> None:
        spec = str(self.target.expect.get("version", ""))
        if spec and not (self.version and version_in(self.version, spec)):
            text = f"version {self.version or 'not told'}, expected is {spec}"
            raise Fault(Reason.UNSUPPORTED_VERSION, text, **self.evidence)

    def _configuration(self, info: dict[str, Any]) -> None:
        """Whether its newest configuration is the one it runs with."""
        if info.get("reloadConfigSuccess") is not False:
            return
        since = text_of(info.get("lastConfigTime")) or "its start"
        text = f"its newest configuration was refused: it runs with that of {since}"
        self.notes.append((Reason.CONFIG_REFUSED, text))

    async def _counts(self) -> dict[str, read.Count] | None:
        """Targets by job; None of an agent, which stores nothing. Raises Fault where a query is
        not answered: that is what it is for.
        """
        answer = await self._ask(_query(ALL))
        every = read.data_of(answer)
        if every is None and answer.status == 422 and "Agent" in read.error_of(answer):
            self.evidence["agent"] = True
            return None
        if every is None:
            self.json_of(answer, "/api/v1/query", "answer to a query")
            words = read.error_of(answer) or status_line(answer)
            raise Fault(Reason.SERVER_ERROR, f"a query fails: {words}", code=str(answer.status))
        return read.counts_of(every, read.data_of(await self._ask(_query(DOWN))))

    async def _targets(self, counts: read.Counts | None) -> tuple[list[read.Scraped], bool]:
        """Targets one by one, and whether these are all."""
        path = "/api/v1/targets?state=active"
        total = sum(c.all for c in counts.values()) if counts else 0
        if total <= ONE_BY_ONE:
            found = await self._some_targets(path)
            if found is not None:
                return found, True
        some_of: list[read.Scraped] = []
        for job in await self._pools(counts):
            more = await self._some_targets(f"{path}&scrapePool={quote(job, safe='')}")
            some_of += more or []
        return some_of, False

    async def _some_targets(self, path: str) -> list[read.Scraped] | None:
        answer = await self._extra(path)
        data = read.data_of(answer) if answer else None
        return None if answer is None or data is None else read.targets_of(data, answer.clock)

    async def _pools(self, counts: read.Counts | None) -> list[str]:
        """The jobs whose targets are looked at: expected ones, then those with targets down."""
        if counts is None:
            told_of = mapping(await self._extra_data("/api/v1/scrape_pools")).get("scrapePools")
            return list(filter(None, map(text_of, sequence(told_of))))[:POOLS]
        wanted = [job for job in self._jobs() if job in counts]
        order = sorted(counts, key=lambda job: (job not in wanted, not counts[job].down))
        chosen: list[str] = []
        room = ONE_BY_ONE
        for job in order:
            room -= counts[job].all
            if room >= 0 and len(chosen) < POOLS:
                chosen.append(job)
            else:
                room += counts[job].all
        return chosen

    def _stored(
        self,
        counts: read.Counts | None,
        targets: list[read.Scraped],
        info: dict[str, Any],
        product: str,
    ) -> None:
        """Raises Fault where targets are scraped and nothing of it is stored: a query looks five
        minutes back.
        """
        scraped = [t for t in targets if t.state != "unknown" and t.age_s is not None]
        age = read.started_s(info, self.answer.clock)
        if product != "prometheus" or counts is None or counts or not scraped:
            return
        if age is not None and age > SETTLED_S:
            text = f"it scrapes {len(scraped)} targets and stores nothing of it (a full disk?)"
            raise Fault(Reason.UNHEALTHY, text, **self.evidence)

    def _targets_up(self, sums: read.Counts, targets: list[read.Scraped], whole: bool) -> str:
        """How many targets are up. Those that are down are warned of by their addresses
        (`Seen.callbacks`), and here where that does not say it all.
        """
        every = sum(c.all for c in sums.values())
        down = sum(c.down for c in sums.values())
        self.evidence |= {"targets": every, "targets_down": down, "jobs": [*sorted(sums)[:32]]}
        if not whole:
            self.evidence["targets_listed"] = len(targets)
        if not down:
            return f"all {every} targets are up" if every else "it has no targets"
        text = f"{down} of {every} targets are down: {_whose(sums, targets)}"
        if sum(e.state == "down" for e in read.called(targets)) >= down:
            return text
        self.notes.append((Reason.TARGET_DOWN, text))
        return ""

    async def _rules(self) -> str:
        data = await self._extra_data(RULES)
        if data is None:
            return ""
        number, bad = read.bad_rules(data)
        self.evidence |= {"rules": number, "rules_failing": len(bad)}
        if bad:
            first = f"{bad[0][0]} ({bad[0][1] or 'no reason given'})"
            more = f" and {len(bad) - 1} more" if bad[1:] else ""
            self.notes.append((Reason.RULE_FAILING, f"rule {first}{more} cannot be evaluated"))
        return f"{number} rules" if number else ""

    async def _alertmanagers(self) -> str:
        """Whom alerts are sent to, and whether that fails."""
        data = await self._extra_data("/api/v1/alertmanagers")
        if data is None:
            self._enough_alertmanagers(None)
            return ""
        known = read.active_alertmanagers(data)
        self.evidence["alertmanagers"] = [*known[:8]]
        self._enough_alertmanagers(len(known))
        lost = (
            read.numbers_of(await self._extra_data(_query(LOST)), "alertmanager") if known else {}
        )
        dead = sorted({read.address_of(url) for url in lost} & set(known))
        if dead:
            self.evidence["alertmanagers_failing"] = [*dead[:8]]
            text = f"alerts do not get through to Alertmanager {some(dead)}"
            self.notes.append((Reason.NOTIFICATIONS_FAIL, text))
        return f"alerts go to {some(known)}" if known else ""

    def _enough_alertmanagers(self, number: int | None) -> None:
        least = int(float(str(self.target.expect.get("alertmanagers") or 0)))
        if least and (number is None or number < least):
            have = "does not say" if number is None else f"has {number}"
            text = f"it {have}, expected are {least} Alertmanagers"
            raise Fault(Reason.UNEXPECTED, text, **self.evidence)

    # -- what the bridge expects -----------------------------------------------------------------

    def _jobs(self) -> list[str]:
        return [str(job) for job in sequence(self.target.expect.get("jobs"))]

    async def _expected(self, sums: read.Counts, targets: list[read.Scraped]) -> None:
        """Raises Fault for an expected job without targets, or with too few that are up."""
        least = int(float(str(self.target.expect.get("targets", 1))))
        for job in self._jobs():
            if job not in sums:
                raise Fault(Reason.OBJECT_MISSING, await self._missing(job, sums), **self.evidence)
            self._enough(f"job {job}", {job: sums[job]}, least, targets)
        if "targets" in self.target.expect and not self._jobs():
            self._enough("all jobs", sums, least, targets)

    def _enough(
        self, whose: str, sums: read.Counts, least: int, targets: list[read.Scraped]
    ) -> None:
        up, every = sum(c.up for c in sums.values()), sum(c.all for c in sums.values())
        if up >= least:
            return
        why = _whose(sums, targets)
        text = f"of {whose} {up} of {every} targets are up, expected are {least}"
        raise Fault(Reason.TARGET_DOWN, f"{text}: {why}" if why else text, **self.evidence)

    async def _missing(self, job: str, sums: read.Counts) -> str:
        """Why a job has no target: one whose targets are all dropped is a pool still."""
        pools = mapping(await self._extra_data("/api/v1/scrape_pools")).get("scrapePools")
        if job in sequence(pools):
            return f"job {job} has no target: its relabel_configs drop all that are found for it"
        others = some(sorted(sums)) or "none"
        return (
            f"job {job} has no target: it is not configured, or nothing is found for it "
            f"(jobs with targets: {others})"
        )

    # -- asking ----------------------------------------------------------------------------------

    async def _ask(self, path: str) -> Response:
        """An answer, packed on the way and bounded when it is unpacked. Raises Fault."""
        answer = await self.get(path, {"Accept": JSON, "Accept-Encoding": "gzip"})
        try:
            return read.unpacked(answer)
        except read.AnswerTooLarge as error:
            raise Fault(Reason.TOO_MUCH, f"the answer to {path.split('?')[0]}") from error
        except ValueError as error:
            raise Fault(Reason.WRONG_PROTOCOL, str(error)) from error

    async def _extra(self, path: str) -> Response | None:
        """An answer that would be good to have: None where it is too large or does not come."""
        if self.deaf:
            return None
        try:
            return await self._ask(path)
        except Fault as fault:
            left_out = sequence(self.evidence.setdefault("not_answered", []))
            left_out.append(path.split("?")[0])
            if fault.reason is Reason.TOO_MUCH:
                self.http.kept = False  # the rest of it may still come on this connection
            else:
                self.deaf = True
            return None

    async def _extra_data(self, path: str) -> Any:
        answer = await self._extra(path)
        return read.data_of(answer) if answer else None


def _query(text: str) -> str:
    return f"/api/v1/query?query={quote(text, safe='')}"


def _whose(sums: read.Counts, targets: list[read.Scraped]) -> str:
    """A few of the targets that are down; of jobs that were not listed, their number."""
    down = [t for t in targets if t.state == "down" and t.job in sums]
    said = [f"{t.job} {t.address} ({t.error or 'no reason given'})" for t in down]
    listed = {t.job for t in down}
    said += [f"{c.down} of job {j}" for j, c in sums.items() if c.down and j not in listed]
    more = f", and {len(said) - TOLD} more" if len(said) > TOLD else ""
    return ", ".join(said[:TOLD]) + more
