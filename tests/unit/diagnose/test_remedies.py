"""What a product's own fault needs is said in the product's words."""

import pytest

from k8sext import registry
from k8sext.diagnose import remedies
from k8sext.diagnose.codes import rows, rows_reach
from k8sext.model.result import StageResult
from k8sext.model.words import Reason, Stage, Status


def ended(reason: Reason) -> StageResult:
    return StageResult(stage=Stage.VERIFY, status=Status.FAIL, reason=reason)


@pytest.mark.parametrize(
    ("reason", "protocol", "words"),
    [
        (Reason.OBJECT_MISSING, "apollo", "create and publish it in the Apollo portal"),
        (Reason.OBJECT_MISSING, "actuator", "management.*"),
        (Reason.UNHEALTHY, "apollo", "ApolloConfigDB"),
    ],
)
def test_the_product_says_what_to_do(reason: Reason, protocol: str, words: str) -> None:
    assert words in remedies.of(rows.ANSWERS[reason], ended(reason), protocol)


def test_a_product_without_words_of_its_own_and_another_row_keep_the_rows() -> None:
    missing = ended(Reason.OBJECT_MISSING)
    assert remedies.of(rows.ANSWERS[Reason.OBJECT_MISSING], missing, "kibana") == ""
    assert remedies.of(rows_reach.PARTIAL, missing, "apollo") == ""


def test_every_product_named_has_a_check() -> None:
    named = {name for table in remedies.BY_PRODUCT.values() for name in table}
    assert named <= set(registry.wire_checks())
