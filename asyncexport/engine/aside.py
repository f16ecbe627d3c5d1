"""An exporter beside a program that blocks: it runs in a thread with a loop of its own, and readers look in.

Contract: :meth:`Aside.joined` gives the exporter to as many readers as there are, from any thread. The first of them
starts it, with the discovery of its profiles; when the last one leaves it is closed, whatever it was doing, and the
thread has ended. Who comes later starts another one. A reader is never held for longer than ``PATIENCE`` seconds while
there is nothing to hand over, so that it can look after others in between. Jobs go on whether anybody reads or not.

Worst case: outcomes that nobody has taken yet, which are small, however many there are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty, SimpleQueue
from typing import Final

from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncexport.engine.exporter import Exporter
from asyncexport.models import Discovery, Failed, Job, Outcome
from asyncexport.ports import Sink

PATIENCE: Final = 0.1


class Session:
    """An exporter at work in its thread. ``failed`` are the jobs of all readers that have failed so far."""

    def __init__(self, portal: BlockingPortal, exporter: Exporter, discovery: Discovery) -> None:
        self._portal = portal
        self._exporter = exporter
        self._running: set[object] = set()
        self.discovery = discovery
        self.failed: list[Failed] = []

    @property
    def is_busy(self) -> bool:
        """Whether some reader's jobs have not all come to their end."""
        return bool(self._running)

    def outcomes(self, jobs: Iterable[Job], sink: Sink) -> Iterator[Outcome | None]:
        """Run jobs into ``sink``; yield their outcomes as they finish, None whenever there has been none for a while.

        Closing the iterator early cancels what is left. Raises what :meth:`Exporter.run` raises.
        """
        come: SimpleQueue[Outcome] = SimpleQueue()
        ended = threading.Event()
        self._running.add(ended)
        running = self._portal.start_task_soon(self._run, jobs, sink, come, ended)
        try:
            while not ended.is_set() or not come.empty():
                try:
                    outcome = come.get(timeout=PATIENCE)
                except Empty:
                    yield None
                else:
                    yield outcome
            running.result()
        finally:
            running.cancel()
            ended.wait()

    async def _run(self, jobs: Iterable[Job], sink: Sink, come: SimpleQueue[Outcome], ended: threading.Event) -> None:
        try:
            async with self._exporter.run(jobs, sink=sink) as outcomes:
                async for outcome in outcomes:
                    if isinstance(outcome, Failed):
                        self.failed.append(outcome)
                    come.put(outcome)
        finally:
            self._running.discard(ended)
            ended.set()


class Aside:
    """Runs an exporter in a thread for as long as somebody reads. ``make`` makes it, anew each time."""

    def __init__(self, make: Callable[[], Exporter]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._readers = 0
        self._resources = ExitStack()
        self._session: Session | None = None

    @contextmanager
    def joined(self) -> Iterator[Session]:
        """Read from the exporter for the length of the block. Raises what entering the exporter raises."""
        with self._lock:
            session = self._session or self._opened()
            self._readers += 1
        try:
            yield session
        finally:
            with self._lock:
                self._readers -= 1
                if not self._readers:
                    self._session = None
                    self._resources.close()

    def _opened(self) -> Session:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="asyncexport"))
            exporter = stack.enter_context(portal.wrap_async_context_manager(self._make()))
            self._session = Session(portal, exporter, portal.call(exporter.discover))
            self._resources = stack.pop_all()
        return self._session
