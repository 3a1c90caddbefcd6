"""Pods that claim to be the probe, against the follower: whose log is read, and what is said."""

import copy
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from k8sext.kube.session import ApiError
from k8sext.vantage import claims, listen, pod, proof
from k8sext.vantage import follow as following
from k8sext.vantage.follow import PodRun
from tests.support.probe_pods import job_of, pod_of, records
from tests.unit.vantage.test_pod import (
    HELLO,
    JOB,
    MANIFEST,
    PLAN,
    RUNNING,
    SHORT,
    TWO,
    StandIn,
    added,
)

NAME = "k8sext-r1-0-x"
FORBIDDEN = ApiError(403, "Forbidden", "cannot create pods", {}, "https://192.0.2.1")
SIDECAR = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.24"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "LOG_POLL_S", 0.02)
    monkeypatch.setattr(listen, "RETRY_S", 0.02)
    monkeypatch.setattr(following, "LAST_WORDS_S", 0.3)
    monkeypatch.setattr(following, "ANOTHER_S", 0.3)


class Cluster(StandIn):
    """Knows who asks for which log, and what admission makes of a pod."""

    def __init__(self, *pods: Any, **log_of: list[list[Any]]) -> None:
        super().__init__([added(p) for p in pods], [], [])
        self.log_of = {name.replace("_", "-"): logs for name, logs in log_of.items()}
        self.read: list[str] = []
        self.dry: list[Any] = []
        self.admission: Any = FORBIDDEN

    def post(self, path: str, body: Any, /, **params: object) -> dict[str, Any]:
        if not path.endswith("/pods"):
            return self.made
        assert params == {"dryRun": "All"}
        self.dry.append(body)
        if isinstance(self.admission, Exception):
            raise self.admission
        made = copy.deepcopy(body)
        self.admission(made)
        return dict(made)

    @contextmanager
    def open(self, path: str, /, **params: object) -> Generator[Iterator[bytes]]:
        if path.endswith("/log"):
            self.read.append(path.split("/")[-2])
        with super().open(path, **params) as found:
            yield found


class Later(Cluster):
    """What comes after the first pod is seen once `heard` is set."""

    def __init__(self, *pods: Any, **log_of: list[list[Any]]) -> None:
        super().__init__(*pods, **log_of)
        self.heard = threading.Event()

    def _stream(self, what: list[Any]) -> Iterator[bytes]:
        first, rest = what[:1], what[1:]
        what.clear()
        yield from (self.event(e) for e in first)
        if rest:
            self.heard.wait(5)
        yield from super()._stream(rest)


def follow(api: StandIn, seconds: float = 5.0) -> tuple[PodRun, list[str]]:
    said: list[str] = []
    (ran,) = pod.run(api, PLAN, MANIFEST, seconds, said.append)
    return ran, said


def labelled(**more: Any) -> dict[str, Any]:
    """A pod that carries the run's label, of whoever may create pods."""
    made = pod_of(JOB, uid="evil", name="nginx-1")
    made["metadata"]["ownerReferences"] = []
    return {**made, **more}


def changed(change: Any, uid: str = "evil") -> dict[str, Any]:
    """A pod with our Job as its controller that was changed."""
    made = pod_of(JOB, uid=uid)
    change(made)
    return made


def mirrored(made: Any) -> None:
    made["spec"]["containers"][0]["image"] = "mirror.example/library/python:3.13-slim"


def injected(made: Any) -> None:
    made["spec"]["containers"].append(copy.deepcopy(SIDECAR))


def code(ran: PodRun) -> str:
    return ran.trouble.code if ran.trouble else ""


def test_a_pod_with_the_label_alone_is_never_listened_to() -> None:
    """It comes first, and its log says that all is well."""
    api = Cluster(labelled(), RUNNING, nginx=[records("hello", "observation", "end")], r1=[SHORT])
    ran, said = follow(api)
    assert ran.ended
    assert ran.pod["metadata"]["name"] == NAME
    assert (api.read, len(ran.records)) == ([NAME], 2)
    (intruder,) = ran.intruders
    assert (intruder.name, intruder.owned) == ("nginx-1", False)
    assert "nginx-1 is not the probe: no controller made it" in "\n".join(said)


def test_a_pod_with_the_label_alone_is_not_waited_for_longer_than_any() -> None:
    api = Cluster(labelled(), nginx=[SHORT])
    ran, _ = follow(api, seconds=0.6)
    assert (code(ran), ran.records, api.read) == ("KX906", [], [])


def test_trouble_of_an_intruder_is_not_the_probes() -> None:
    waiting = {"containerStatuses": [{"name": "probe", "state": {"waiting": {
        "reason": "InvalidImageName"}}}]}  # fmt: skip
    ran, _ = follow(Cluster(labelled(status=waiting), RUNNING, r1=[SHORT]))
    assert (ran.ended, ran.trouble) == (True, None)


@pytest.mark.parametrize("change", [mirrored, injected])
def test_a_forged_pod_of_our_job_is_not_listened_to_and_that_is_inconclusive(change: Any) -> None:
    api = Cluster(changed(change), r1=[SHORT])
    ran, _ = follow(api)
    assert (code(ran), ran.records, api.read) == ("KX927", [], [])
    assert ran.trouble
    assert NAME in ran.trouble.why
    assert "cannot create pods" in ran.trouble.why


@pytest.mark.parametrize("change", [mirrored, injected])
def test_what_admission_does_to_every_pod_is_proven_by_a_dry_run(change: Any) -> None:
    api = Cluster(changed(change, "pod-0"), r1=[SHORT])
    api.admission = change
    ran, said = follow(api)
    assert (ran.ended, ran.trouble, ran.intruders) == (True, None, ())
    assert ran.changes
    assert len(api.dry) == 1
    assert said == [f"pod {NAME} scheduled on node2"]


def test_a_sidecar_that_is_not_the_one_of_admission_is_found_out() -> None:
    def forged(made: Any) -> None:
        injected(made)
        made["spec"]["containers"][-1]["env"] = [{"name": "PROXY_CONFIG", "value": "evil"}]

    api = Cluster(changed(forged), r1=[SHORT])
    api.admission = injected
    ran, _ = follow(api)
    assert (code(ran), api.read) == ("KX927", [])


def test_an_authority_that_is_mounted_into_the_sidecar_is_found_out() -> None:
    """Istio's root certificate stands under /var/run/secrets of the proxy."""

    def with_root(made: Any, volume: Any) -> None:
        injected(made)
        mount = {"name": "root", "mountPath": "/var/run/secrets/istio"}
        made["spec"]["containers"][-1]["volumeMounts"] = [mount]
        made["spec"]["volumes"].append({"name": "root", **volume})

    def genuine(made: Any) -> None:
        with_root(made, {"configMap": {"name": "istio-ca-root-cert"}})

    def forged(made: Any) -> None:
        with_root(made, {"configMap": {"name": "evil"}})

    for change, believed in ((genuine, True), (forged, False)):
        api = Cluster(changed(change, "pod-0"), r1=[SHORT])
        api.admission = genuine
        assert follow(api)[0].ended is believed


def test_a_pods_own_annotations_do_not_steer_the_dry_run() -> None:
    """Istio takes the sidecar's image from an annotation of the pod."""

    def forged(made: Any) -> None:
        made["metadata"]["annotations"]["sidecar.istio.io/proxyImage"] = "evil"
        made["spec"]["containers"].append({**SIDECAR, "image": "evil"})

    def steered(made: Any) -> None:
        image = made["metadata"]["annotations"].get("sidecar.istio.io/proxyImage", "good")
        made["spec"]["containers"].append({**SIDECAR, "image": image})

    api = Cluster(changed(forged), r1=[SHORT])
    api.admission = steered
    assert code(follow(api)[0]) == "KX927"


def test_the_jobs_own_pod_counts_beside_a_forged_one() -> None:
    api = Cluster(changed(mirrored), RUNNING, r1=[SHORT])
    ran, _ = follow(api)
    assert (ran.ended, ran.pod["metadata"]["uid"]) == (True, "pod-0")
    assert [i.owned for i in ran.intruders] == [True]


def test_a_second_pod_of_a_shard_is_not_the_probe() -> None:
    api = Cluster(RUNNING, pod_of(JOB, uid="second", name="k8sext-r1-0-y"), r1=[SHORT])
    ran, _ = follow(api)
    assert ran.pod["metadata"]["uid"] == "pod-0"
    assert set(api.read) == {NAME}


def test_an_index_that_no_shard_has_breaks_nothing() -> None:
    odd = pod_of(JOB, uid="evil", name="odd")
    odd["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] = "x"
    ran, _ = follow(Cluster(odd, RUNNING, r1=[SHORT]))
    assert ran.ended


# -- replaced and changed while the run lasts -----------------------------------------------------


def restarted(made: Any) -> None:
    made["status"]["containerStatuses"][0]["restartCount"] = 1


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (pod_of(JOB, uid="evil"), "replaced by another of its name"),
        (changed(mirrored, "pod-0"), "image is mirror.example"),
        (changed(restarted, "pod-0"), "started again"),
        (changed(lambda p: p["spec"].update(ephemeralContainers=[SIDECAR]), "pod-0"), "added"),
    ],
    ids=["deleted and made again", "image patched", "restarted", "debugged"],
)
def test_the_log_of_what_has_taken_the_pods_place_is_not_believed(now: Any, said: str) -> None:
    """The watch still shows our pod when the log is opened by its name."""
    api = Cluster(RUNNING, r1=[SHORT])
    api.now = {NAME: now}
    ran, _ = follow(api)
    assert (code(ran), ran.records, ran.ended) == ("KX928", [], False)
    assert ran.trouble
    assert said in ran.trouble.why


def test_a_pod_that_is_changed_after_its_first_words_is_not_believed() -> None:
    api = Later(RUNNING, changed(mirrored, "pod-0"), r1=[[HELLO]] * 9)
    runs = pod.run(
        api, PLAN, MANIFEST, 5, lambda _: None, heard=lambda _run, _record: api.heard.set()
    )
    assert (code(runs[0]), runs[0].records) == ("KX928", [])


def test_a_pod_of_which_nobody_says_whose_it_is_has_no_say() -> None:
    """The log is there, the pod is not: it is asked again, and not believed meanwhile."""
    api = Cluster(RUNNING, r1=[SHORT] * 200)
    api.get = lambda path, /, **params: {"items": []}  # type: ignore[method-assign]
    ran, _ = follow(api, seconds=0.8)
    assert (ran.records, code(ran)) == ([], "KX906")


# -- logs that do not add up ----------------------------------------------------------------------

H, A, B, E = records("hello", "control", "heartbeat", "end")
WHOLE = [H, A, B, E]
ODD = {
    "forged twice": [H, A, {**A, "words": "forged"}, B, E],
    "of another run": [H, {**A, "nonce": "another"}, A, B, E],
    "doubled": [H, A, A, B, E],
    "reordered": [H, B, A, E],
    "no observation": [H, {**A, "type": "observation", "observation": {"id": 7}}, A, B, E],
    "no port": [H, {**A, "type": "ready", "port": "x"}, A, B, E],
}


@pytest.mark.parametrize("name", ODD)
def test_a_log_that_does_not_add_up_is_not_believed(name: str) -> None:
    ran, _ = follow(Cluster(RUNNING, r1=[ODD[name]] * 9))
    assert (code(ran), ran.records, ran.ended) == ("KX928", [], False)
    assert ran.trouble
    assert "does not add up" in ran.trouble.why


@pytest.mark.parametrize("name", ["of another run", "doubled", "reordered"])
def test_a_log_that_adds_up_when_it_is_read_again_is_believed(name: str) -> None:
    """A proxy on the way may have done it once; what was never written is not in it again."""
    ran, _ = follow(Cluster(RUNNING, r1=[ODD[name], WHOLE]))
    assert (ran.ended, ran.trouble) == (True, None)
    assert sorted(r["seq"] for r in ran.records) == [0, 1, 2, 3]


@pytest.mark.parametrize("lacking", [[H, B, E], [A, B, E], [H, E]])
def test_a_log_that_lacks_records_is_read_again_and_never_taken_for_whole(lacking: Any) -> None:
    ran, _ = follow(Cluster(RUNNING, r1=[lacking, WHOLE]))
    assert (ran.ended, sorted(r["seq"] for r in ran.records)) == (True, [0, 1, 2, 3])
    ended = copy.deepcopy(RUNNING)
    ended["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    ran, _ = follow(Cluster(RUNNING, ended, r1=[lacking] * 9))
    assert (ran.ended, code(ran)) == (False, "KX907")


# -- bounds ---------------------------------------------------------------------------------------


def test_many_intruders_cost_little() -> None:
    made = proof.made_of(job_of(TWO))
    assert made
    known = claims.Claims(made, 1)
    for number in range(500):
        odd = changed(mirrored, f"uid-{number}")
        if known.of(odd) is claims.PodClaim.ASK:
            known.admitted(odd, None, "no right")
    assert len(known.asked) == claims.MAX_ASKED
    assert len(known.intruders) <= claims.MAX_INTRUDERS


@pytest.mark.parametrize("meta", [{"name": "x"}, {"name": "x", "uid": None}, {"name": NAME}])
def test_a_pod_without_a_uid_breaks_nothing(meta: Any) -> None:
    nobody = changed(mirrored)
    owners = nobody["metadata"]["ownerReferences"]
    ran, _ = follow(Cluster({**nobody, "metadata": {**meta, "ownerReferences": owners}}, RUNNING,
                            r1=[SHORT]))  # fmt: skip
    assert ran.ended
