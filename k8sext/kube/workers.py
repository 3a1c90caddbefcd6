"""Threads that nobody has to wait for: what is asked of the API server at the same time.

The standard library's pool waits for its threads when its block is left and once more at the end
of the process: Ctrl-C would take as long as the slowest answer of the API server, or of a name
server that is silent. These are daemons; whoever leaves the block early leaves them behind.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")


class Workers:
    """At most `number` threads, started when there is work. Leaving the block waits for the work,
    unless it is left by an exception: what has not begun is dropped then.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._threads: list[threading.Thread] = []
        self.futures: list[Future[Any]] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_more: object) -> None:
        if kind is not None:
            for future in self.futures:
                future.cancel()
        self.close()
        if kind is None:
            for thread in self._threads:
                thread.join()

    def close(self) -> None:
        """No more work comes; the threads end when theirs is done."""
        for _ in self._threads:
            self._work.put(None)

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it soon; the future has what it returns or raises."""
        future: Future[T] = Future()
        self.futures.append(future)
        self._work.put((future, lambda: work(*args, **kwargs)))
        if len(self._threads) < min(self._number, len(self.futures)):
            thread = threading.Thread(target=self._run, daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def map(self, work: Callable[[U], T], items: Iterable[U]) -> Iterator[T]:
        """What `work` returns for each, in order; all begin at once."""
        futures = [self.submit(work, item) for item in items]
        return (future.result() for future in futures)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            future, work = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # whoever asks for the result gets it
                future.set_exception(error)
