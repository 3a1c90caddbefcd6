"""`python3 -m xxl_job_admin FILE`: serve until ended."""

from __future__ import annotations

import json
import os
import sys

from .admin import settings_of
from .pages import serve


def main() -> None:
    """Serve until ended."""
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    sys.stdout = sys.stderr = open(os.dup(2), "w", buffering=1)  # a line at a time, also in a pod
    server, _ = serve(settings_of(data))
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
