"""How the stand-ins are started on a host of the lab."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.component import spawn, write_private
from tests.lab.guise import Guise
from tests.lab.place import Place

ROOT = Path(__file__).parents[3]


def start(
    place: Place, guise: Guise, name: str, options: Mapping[str, Any], *, port: int = 0
) -> None:
    """Run `tests/lab/standins/NAME.py` at the guise's address; `port` in place of its own.

    The options have passwords in them, so that they go by a file and not by the command line.
    """
    asked = {**options, "address": guise.address, "port": port or guise.port}
    if guise.encrypted:
        pair = guise.certificate(place, "root")
        asked["pair"] = [str(pair.certificate), str(pair.key)]
    file = write_private(guise.folder(place) / f"{name}.json", json.dumps(asked))
    argv = [sys.executable, "-S", "-m", f"tests.lab.standins.{name}", str(file)]
    env = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    spawn(place, guise.component_name, guise.name, argv, env=env)
