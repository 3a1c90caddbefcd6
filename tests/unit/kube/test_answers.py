"""An answer of the API server that is small on the wire and large in memory."""

import gzip
import json
import tracemalloc

import pytest

from k8sext.errors import K8sextError
from k8sext.kube import answers
from k8sext.kube.kubeconfig import Access
from k8sext.kube.session import Session
from tests.support.api_server import ApiServer, Reply


@pytest.mark.parametrize("item", [b"{}", b"[]", b"1", b'""', b'{"a":{}}'])
def test_values_without_end_are_refused_before_they_are_made(item: bytes) -> None:
    data = b'{"items":[' + (item + b",") * ((100 << 20) // (len(item) + 1)) + item + b"]}"
    tracemalloc.start()
    with pytest.raises(ValueError, match="more values than any list"):
        answers.decoded(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20


def test_a_gzip_bomb_of_values(server: ApiServer) -> None:
    """200 KB on the wire."""
    packed = gzip.compress(b'{"items":[' + b"{}," * (30 << 20) + b"{}]}", 1)
    assert len(packed) < 1 << 20
    server.replies = [Reply(200, packed, (("Content-Encoding", "gzip"),))]
    session = Session(Access(server=server.url, context="c", ca_pem=server.pki.text("ca.crt")))
    tracemalloc.start()
    with pytest.raises(K8sextError) as caught:
        session.get("/api/v1/services")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.exit_code == 3
    assert most < 300 << 20  # the text, unpacked, and no more


def test_lists_of_real_objects_are_light() -> None:
    """Ten times the Services of the largest clusters, with labels and managed fields."""
    one = {
        "metadata": {
            "name": "redis-svc", "namespace": "dev", "uid": "8d4c1b1e-0b1e-4b1e-8b1e-0b1e4b1e8b1e",
            "labels": {f"app.kubernetes.io/{n}": "a-value" for n in range(8)},
            "managedFields": [{"manager": "x", "fieldsV1": {f"f:{n}": {} for n in range(20)}}],
        },
        "spec": {"ports": [{"name": "redis", "port": 6379}], "clusterIPs": ["198.19.0.1"]},
    }  # fmt: skip
    text = json.dumps({"items": [one] * 50_000}, separators=(",", ":"))
    assert len(text) > 30 << 20
    assert len(answers.decoded(text)["items"]) == 50_000
