"""An exporter beside a program that blocks: it runs in a thread with a loop of its own, and readers look in.

Contract: :meth:`Aside.joined` gives the exporter to as many readers as there are, from any thread. The first of them
starts it, with the discovery of its profiles; when the last one leaves it is closed, whatever it was doing, and the
thread has ended. Who comes later starts another one. A reader is never held for longer than ``PATIENCE`` seconds while
there is nothing to hand over, so that it can look after others in between. Jobs go on whether anybody reads or not.

A reader that nobody holds any more leaves wherever the garbage collector finds it, be it in a thread that works for the
exporter and that leaving would wait for: then it only cancels, and a thread of its own waits and closes.

Worst case: outcomes that nobody has taken yet, which are small, however many there are; what their sink has stored is
as much as there are jobs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import Final

from anyio.from_thread import BlockingPortal, start_blocking_portal

from asyncexport.engine.exporter import Exporter
from asyncexport.models import Discovery, Failed, Job, Outcome
from asyncexport.ports import Sink

PATIENCE: Final = 0.1

_AT_WORK: Final = ContextVar("_AT_WORK", default=False)
"""Whether a task, or a piece of work that it has done in a thread, belongs to the exporter of some session."""


class Session:
    """An exporter at work in its thread. ``failed`` are the jobs of all readers that have failed so far."""

    def __init__(self, portal: BlockingPortal, exporter: Exporter, discovery: Discovery) -> None:
        self._portal = portal
        self._exporter = exporter
        self._running: set[threading.Event] = set()
        self._tasks: set[Future[None]] = set()
        self._thread = portal.call(threading.get_ident)
        self.discovery = discovery
        self.failed: list[Failed] = []

    @property
    def is_busy(self) -> bool:
        """Whether some reader's jobs have not all come to their end."""
        return bool(self._running)

    @property
    def is_awaited_here(self) -> bool:
        """Whether the exporter cannot go on while the current thread waits."""
        return threading.get_ident() == self._thread or _AT_WORK.get()

    def outcomes(self, jobs: Iterable[Job], sink: Sink) -> Iterator[Outcome | None]:
        """Run jobs into ``sink``; yield their outcomes as they finish, None whenever there has been none for a while.

        Closing the iterator early cancels what is left. Raises what :meth:`Exporter.run` raises.
        """
        come: SimpleQueue[Outcome] = SimpleQueue()
        ended = threading.Event()
        self._running.add(ended)
        running = self._portal.start_task_soon(self._run, jobs, sink, come, ended)
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)
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
            if not self.is_awaited_here:
                ended.wait()

    def end(self) -> None:
        """Cancel what readers have left behind, and wait until nothing of it runs any more."""
        for running in tuple(self._tasks):
            running.cancel()
        for ended in tuple(self._running):
            ended.wait()

    async def _run(self, jobs: Iterable[Job], sink: Sink, come: SimpleQueue[Outcome], ended: threading.Event) -> None:
        _AT_WORK.set(True)
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
        self._lock = threading.RLock()  # for a reader that is collected while another one joins or leaves
        self._readers = 0
        self._resources = ExitStack()
        self._session: Session | None = None

    @contextmanager
    def joined(self) -> Iterator[Session]:
        """Read from the exporter for the length of the block. Raises what entering the exporter raises."""
        with self._lock:
            session = self._joined()
        try:
            yield session
        finally:
            if session.is_awaited_here:
                threading.Thread(target=self._leave, name="asyncexport-leaving").start()
            else:
                self._leave()

    def _joined(self) -> Session:
        self._readers += 1
        try:
            return self._session or self._opened()
        except BaseException:
            self._readers -= 1
            raise

    def _leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers or self._session is None:
                return
            session, self._session = self._session, None
            session.end()
            self._resources.close()

    def _opened(self) -> Session:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="asyncexport"))
            exporter = stack.enter_context(portal.wrap_async_context_manager(self._make()))
            self._session = Session(portal, exporter, portal.call(exporter.discover))
            self._resources = stack.pop_all()
        return self._session
