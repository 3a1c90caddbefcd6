"""Labels of a workload's pods, against a stand-in for the API."""

from typing import Any, cast

import pytest

from k8sext.errors import K8sextError
from k8sext.kube.session import Session
from k8sext.kube.workload import labels_like

LABELS = {
    "app": "shop",
    "app.kubernetes.io/name": "shop",
    "pod-template-hash": "abc",
    "controller-revision-hash": "abc",
    "statefulset.kubernetes.io/pod-name": "shop-0",
    "apps.kubernetes.io/pod-index": "0",
    "batch.kubernetes.io/job-name": "x",
    "job-name": "x",
    "controller-uid": "x",
    "k8sext.io/run": "other",
}


class StandIn:
    """Lists by path; workloads are chosen by their name as the API does."""

    def __init__(self, services: list[Any] | None = None, **workloads: str) -> None:
        self.services, self.workloads = services or [], workloads
        self.asked: list[str] = []

    def get(self, path: str, /, **params: object) -> dict[str, Any]:
        self.asked.append(path)
        if path.endswith("/services"):
            return {"items": self.services}
        name = str(params["fieldSelector"]).removeprefix("metadata.name=")
        kind = path.rpartition("/")[2]
        template = {"metadata": {"labels": LABELS}}
        found = [{"spec": {"template": template}}] if self.workloads.get(kind) == name else []
        return {"items": found}


def like(api: StandIn, workload: str) -> dict[str, str]:
    return labels_like(cast("Session", api), "dev", workload)


@pytest.mark.parametrize(
    "workload",
    ["shop", "deploy/shop", "deployment/shop", "Deployments/shop", "deployment.apps/shop"],
)
def test_what_controllers_set_is_left_out(workload: str) -> None:
    assert like(StandIn(deployments="shop"), workload) == {
        "app": "shop",
        "app.kubernetes.io/name": "shop",
    }


def test_a_named_kind_is_the_only_one_asked_for() -> None:
    api = StandIn(deployments="shop", statefulsets="shop")
    like(api, "sts/shop")
    assert [p.rpartition("/")[2] for p in api.asked] == ["statefulsets", "services"]


@pytest.mark.parametrize(
    ("api", "workload", "words"),
    [
        (StandIn(), "shop", "is no Deployment"),
        (StandIn(deployments="shop", daemonsets="shop"), "shop", "daemonset/shop"),
        (StandIn(deployments="shop"), "pod/shop", "is none of"),
        (StandIn(deployments="shop"), "deploy/", "is none of"),
    ],
)
def test_what_is_not_one_workload_is_a_usage_error(api: StandIn, workload: str, words: str) -> None:
    with pytest.raises(K8sextError, match=words) as caught:
        like(api, workload)
    assert caught.value.exit_code == 2


def service(selector: dict[str, str] | None, published: bool) -> dict[str, Any]:
    spec: dict[str, Any] = {"publishNotReadyAddresses": published, "selector": selector}
    return {"metadata": {"name": "peers"}, "spec": spec}


def test_a_service_that_publishes_unready_pods_is_not_given_another_one() -> None:
    api = StandIn([service({"app": "shop"}, True)], deployments="shop")
    with pytest.raises(K8sextError, match="Service peers publishes"):
        like(api, "shop")


@pytest.mark.parametrize(
    "other",
    [service({"app": "shop"}, False), service({"app": "other"}, True), service(None, True)],
)
def test_other_services_do_not_matter(other: dict[str, Any]) -> None:
    assert like(StandIn([other], deployments="shop"), "shop")
