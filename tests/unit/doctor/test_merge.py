"""One report of each bridge from several vantages."""

from dataclasses import replace

from k8sext.doctor.merge import merged
from k8sext.model.diagnosis import Diagnosis
from k8sext.model.report import BridgeReport
from k8sext.model.words import Culprit, Severity, Stage, Status
from tests.support.sample_report import sample

FAILED = Diagnosis(
    code="KX302",
    severity=Severity.FAIL,
    culprit=Culprit.PATH,
    summary="nothing comes back from 198.51.100.21:26379",
    because=("o1/connect",),
)


def bridges() -> tuple[BridgeReport, ...]:
    return sample().bridges


def test_bridges_keep_their_places_and_appear_once() -> None:
    one = bridges()
    assert [b.bridge.ref for b in merged((*one, *reversed(one)))] == [b.bridge.ref for b in one]


def test_the_worse_status_the_lesser_depth_and_all_observations_count() -> None:
    first = replace(bridges()[0], status=Status.PASS, depth=Stage.VERIFY, diagnoses=())
    second = replace(first, status=Status.FAIL, depth=None, diagnoses=(FAILED,))
    (got,) = merged((first, second))
    assert (got.status, got.depth, got.diagnoses) == (Status.FAIL, None, (FAILED,))
    assert got.observations == (*first.observations, *second.observations)
    shallow = replace(second, depth=Stage.AUTH)
    assert merged((first, shallow))[0].depth is Stage.AUTH


def test_the_same_words_are_said_once_with_the_evidence_of_both() -> None:
    here = replace(bridges()[0], diagnoses=(FAILED,))
    there = replace(here, diagnoses=(replace(FAILED, because=("r1/connect",)),))
    (got,) = merged((here, there))
    assert [d.because for d in got.diagnoses] == [("o1/connect", "r1/connect")]
    other = replace(here, diagnoses=(replace(FAILED, summary="something else"),))
    assert len(merged((here, other))[0].diagnoses) == 2


def test_what_one_vantage_finds_worse_is_said_as_it_found_it() -> None:
    warned = replace(FAILED, severity=Severity.WARN, because=("o1/resolve",))
    for pair in ((warned, FAILED), (FAILED, warned)):
        first, second = (replace(bridges()[0], diagnoses=(said,)) for said in pair)
        (got,) = merged((first, second))
        (said,) = got.diagnoses
        assert said.severity is Severity.FAIL
        assert set(said.because) == {"o1/connect", "o1/resolve"}
