"""OpenSearch 2.11 with its security plug-in: everything else is as with Elasticsearch 8."""

from __future__ import annotations

from tests.lab.guises.elasticsearch8 import role

ROLE = role("opensearch", "opensearch")
