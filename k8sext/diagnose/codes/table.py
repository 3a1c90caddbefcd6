"""Every row there is."""

from __future__ import annotations

from . import rows, rows_annotations, rows_callbacks, rows_fronts, rows_reach, rows_untested
from .row import Row

_FILES = (rows_reach, rows, rows_callbacks, rows_fronts, rows_annotations, rows_untested)


def all_rows() -> tuple[Row, ...]:
    """Those of the tables, then those that stand alone; each once."""
    values = [value for file in _FILES for value in vars(file).values()]
    tables = (table.values() for table in values if isinstance(table, dict) and table)
    found = [row for rows in tables for row in rows if isinstance(row, Row)]
    return tuple(dict.fromkeys((*found, *(v for v in values if isinstance(v, Row)))))
