"""Options about the probe pod: by flag, by file of defaults, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from k8sext.cli import app
from k8sext.cli import doctor_run as steps
from k8sext.cli.pod_options import pairs, pod_options, toleration
from k8sext.errors import K8sextError


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("gpu", {"key": "gpu", "operator": "Exists"}),
        ("gpu:NoSchedule", {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}),
        ("gpu=a", {"key": "gpu", "operator": "Equal", "value": "a"}),
        (
            "example.com/team=db:NoExecute",
            {
                "key": "example.com/team",
                "operator": "Equal",
                "value": "db",
                "effect": "NoExecute",
            },
        ),
        (":", {"operator": "Exists"}),
        (":NoSchedule", {"operator": "Exists", "effect": "NoSchedule"}),
    ],
)
def test_tolerations(text: str, made: dict[str, str]) -> None:
    assert toleration(text) == made


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("tolerations", ["gpu:Never"], "not one of"),
        ("tolerations", [""], "KEY[=VALUE]"),
        ("tolerations", ["=x"], "no key"),
        ("tolerations", ["a b"], "KEY[=VALUE]"),
        ("node_selector", ["disk"], "KEY=VALUE"),
        ("node_selector", ["disk=a b"], "label value"),
        ("labels", ["-x=1"], "not a key"),
        ("labels", ["k8sext.io/run=1"], "set by the run itself"),
        ("labels", ["job-name=1"], "set by the run itself"),
        ("annotations", ["=1"], "not a key"),
        ("shards", 0, "not between"),
        ("shards", 33, "not between"),
        ("ttl", -1.0, "not between"),
        ("start_timeout", 0.0, "not between"),
    ],
)
def test_bad_values_are_usage_errors_in_one_sentence(option: str, value: Any, words: str) -> None:
    with pytest.raises(K8sextError) as caught:
        pod_options(**{option: value})
    assert caught.value.exit_code == 2
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_annotation_may_be_any_text() -> None:
    assert pairs("--pod-annotation", ["a=b=c d"], free=True) == {"a": "b=c d"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What `doctor` would have run with; the folder is a fresh one."""
    seen: list[Any] = []

    def run(source: Any, request: Any, _where: Any) -> int:
        seen.append((source, request.pod))
        return 0

    monkeypatch.setattr(steps, "run", run)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text("current-context: lab\n")
    return seen


FILE = """
image: example.com/all
pod-label: {everywhere: "1"}
contexts:
  lab:
    node-selector: {disk: ssd, zone: a}
    toleration: ["gpu:NoSchedule"]
    pod-annotation: {example.com/note: "any text"}
    image-pull-secret: pull
  prod:
    pod-label: ["team=db", "tier=1"]
"""


TRUSTED = ("--config", "k8sext.yaml")


def test_the_part_of_the_current_context_counts(asked: list[Any]) -> None:
    Path("k8sext.yaml").write_text(FILE)
    assert app.run(["doctor", *TRUSTED]) == 0
    ((_, pod),) = asked
    assert pod.node_selector == {"disk": "ssd", "zone": "a"}
    assert pod.tolerations == (toleration("gpu:NoSchedule"),)
    assert pod.annotations == {"example.com/note": "any text"}
    assert pod.image_pull_secrets == ("pull",)
    assert (pod.labels, pod.image) == ({"everywhere": "1"}, "example.com/all")


@pytest.mark.parametrize(
    "words",
    [
        ["--context", "prod", *TRUSTED],
        [*TRUSTED, "--context", "prod"],
    ],
)
def test_the_part_of_a_named_context_wins_over_the_rest(asked: list[Any], words: list[str]) -> None:
    Path("k8sext.yaml").write_text(FILE)
    assert app.run(["doctor", *words]) == 0
    ((source, pod),) = asked
    assert source.context == "prod"
    assert pod.labels == {"team": "db", "tier": "1"}
    assert pod.node_selector == {}


def test_a_context_that_the_file_names_has_its_part(asked: list[Any]) -> None:
    Path("k8sext.yaml").write_text("context: prod\n" + FILE)
    assert app.run(["doctor", *TRUSTED]) == 0
    assert asked[0][1].labels == {"team": "db", "tier": "1"}


def test_a_flag_wins_over_the_file(asked: list[Any]) -> None:
    Path("k8sext.yaml").write_text(FILE)
    assert app.run(["doctor", *TRUSTED, "--node-selector", "disk=hdd"]) == 0
    assert asked[0][1].node_selector == {"disk": "hdd"}


@pytest.mark.parametrize(
    "text", ["contexts: [a]", "contexts: {lab: [a]}", "image: [a]", "toleration: ['x:Never']"]
)
def test_a_bad_file_is_a_usage_error(
    asked: list[Any], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("k8sext.yaml").write_text(text)
    assert app.run(["doctor", *TRUSTED]) == 2
    assert capsys.readouterr().err.startswith("k8sext: ")
    assert not asked
