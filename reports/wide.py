"""The table with what the server saw of us and what it is."""

from __future__ import annotations

from k8sext.model.report import Report

from . import table
from ._options import Options

NAME = "wide"
MEDIA_TYPE = "text/plain"


def render(report: Report, options: Options) -> str:
    """As `table`, with source address, certificate expiry and server identity."""
    return table.render(report, options, wide=True)
