"""One request as asked for."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from k8sext.model.data import dataclass

# Kubernetes API concepts, "Receiving resources as metadata only".
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request; `path` is that of the API, without what the server's URL begins with."""

    method: str
    path: str
    params: Mapping[str, object]
    body: object = None
    content_type: str = "application/json"
    accept: str = "application/json"

    @property
    def target(self) -> str:
        """Path and query."""
        given = {k: v for k, v in self.params.items() if v is not None}
        return f"{self.path}?{urlencode(given, doseq=True)}" if given else self.path
