"""The lab's HTTP stand-ins on loopback, served by a thread until the block is left."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator

from tests.lab.standins.web import Handler, server
from tests.support.ports import HOST


@contextlib.contextmanager
def serving(handler: Handler, pair: tuple[str, str] | None = None) -> Generator[int]:
    """The port on which `handler` answers."""
    made = server(HOST, 0, handler, pair)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made.server_address[1]
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
