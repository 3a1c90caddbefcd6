"""Java apps of the lab: their names, the layers of their images, cases that speak of them."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.gym import case, pods
from tests.gym.reader import CaseError
from tests.lab.building import java, oci
from tests.lab.building.images import IMAGES

CASE = """title: a
source: b
bridges: [{name: x, protocol: tcp, port: 1}]
objects:
- kind: Pod
  metadata: {name: app}
  spec: {containers: [{name: app, image: "${image.%s}"}]}
setup: [{await: {kind: Pod, name: app}}]
expect: {}
"""


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def blobs(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        names = [n for n in tar.getnames() if n.startswith("blobs/")]
        streams = {n.rpartition("/")[2]: tar.extractfile(n) for n in names}
        return {f"sha256:{n}": s.read() for n, s in streams.items() if s}


def manifest(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as tar:
        stream = tar.extractfile("index.json")
        assert stream
        digest = json.load(stream)["manifests"][0]["digest"]
    found: dict[str, Any] = json.loads(blobs(archive)[digest])
    return found


def test_an_app_is_one_layer_on_those_of_java(tmp_path: Path) -> None:
    below, above = folder(tmp_path / "a", one="1"), folder(tmp_path / "b", two="2")
    base, app = tmp_path / "base.tar", tmp_path / "app.tar"
    oci.pack(below, "base:1", base, ["java"])
    oci.pack_on(base, above, "app:1", app, ["java", "-jar"])
    known = manifest(app)
    assert known["layers"][:-1] == manifest(base)["layers"]
    assert known["layers"][-1]["digest"] in blobs(app)
    assert known["layers"][0]["digest"] not in blobs(app)
    config = json.loads(blobs(app)[known["config"]["digest"]])
    assert config["rootfs"]["diff_ids"] == [one["digest"] for one in known["layers"]]
    assert config["config"]["Entrypoint"] == ["java", "-jar"]


def test_an_image_is_named_after_what_its_project_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(java, "PROJECTS", tmp_path)
    project = folder(tmp_path / "shop", **{"pom.xml": "<project/>"})
    before = java.App("shop").reference
    folder(project / "target", **{"app.jar": "made"})
    assert java.App("shop").reference == before
    (project / "pom.xml").write_text("<project />")
    assert java.App("shop").reference != before
    assert before.startswith("lab.k8sext.io/shop:")


def test_the_default_build_makes_no_java() -> None:
    assert java.JAVA_17 not in IMAGES


def test_a_case_with_an_image_is_extra() -> None:
    name = next(iter(java.apps()))
    found = case.of_text(CASE % name)
    assert found.apps == (name,)
    assert found.extra
    assert not found.apart
    assert case.of_text(CASE % name + "apart: true\n").apart


def test_an_image_nobody_builds_is_refused_where_it_stands() -> None:
    with pytest.raises(CaseError, match=r"case.yaml:7:.*there is no app nothing; there are"):
        case.of_text(CASE % "nothing")


@pytest.mark.parametrize(
    ("phase", "ready", "expected"),
    [
        ("Running", "True", {"Ready", "Running"}),
        ("Running", "False", {"Running"}),
        ("Pending", None, set[str]()),
    ],
)
def test_what_is_waited_for(phase: str, ready: str | None, expected: set[str]) -> None:
    status: dict[str, Any] = {"phase": phase}
    if ready:
        status["conditions"] = [{"type": "Ready", "status": ready}]
    assert {n for n, state in pods.STATES.items() if state({"status": status})} == expected
