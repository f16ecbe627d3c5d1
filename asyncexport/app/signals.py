"""Two-stage interruption: the first signal lets what is under way finish, the second stops it now.

Contract: while the block of :func:`interruptible` runs, the first SIGINT or SIGTERM calls ``drain`` and gives the run
``grace`` seconds, after which the block is cancelled; the second cancels it at once. From then on the signals mean
what they meant before, so that a third one ends a process that hangs. Being cancelled this way is no error: the block
is left normally and :attr:`Interruption.status` says how the process ought to end.

The deciding part, :class:`Interruption`, knows no loop and no signal handler: it is told of signals and tells when to
stop.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from asyncexport.app.exits import Exit

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STATUS = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


class Interruption:
    """What signals have asked for so far. ``grace`` is in seconds; ``tell`` prints one line for a person.

    ``drain`` may be set later; while it is None nothing is under way that is worth finishing, and the first signal
    stops at once.
    """

    def __init__(self, *, grace: float, tell: Callable[[str], None]) -> None:
        self.grace = grace
        self.drain: Callable[[], object] | None = None
        self.status: Exit | None = None
        self._tell = tell
        self._count = 0

    def arrive(self, number: signal.Signals) -> float | None:
        """Take note of a signal and return in how many seconds to stop; None means that nothing changes."""
        self._count += 1
        if self._count == 1:
            self.status = _STATUS[number]
        if self._count > 2:
            return None
        if self._count == 2 or self.drain is None or self.grace <= 0:
            self._tell(f"{number.name}: stopping now")
            return 0.0
        self.drain()
        self._tell(
            f"{number.name}: starting nothing new; what is under way has {self.grace:g} s to finish, "
            "a second signal stops it now"
        )
        return self.grace

    @property
    def final(self) -> bool:
        """Whether there is nothing left for a further signal to decide."""
        return self._count >= 2

    def __repr__(self) -> str:
        return f"<Interruption after {self._count} signals, status {self.status}>"


@asynccontextmanager
async def interruptible(interruption: Interruption) -> AsyncIterator[None]:
    """Run the block under ``interruption``; needs the main thread of a POSIX process."""
    scope = asyncio.timeout(None)
    try:
        async with scope:
            with _Handlers(interruption, scope):
                yield
    except TimeoutError:
        if not scope.expired():
            raise


class _Handlers:
    def __init__(self, interruption: Interruption, scope: asyncio.Timeout) -> None:
        self._loop = asyncio.get_running_loop()
        self._interruption = interruption
        self._scope = scope
        self._before = {number: signal.getsignal(number) for number in SIGNALS}

    def __enter__(self) -> None:
        for number in SIGNALS:
            self._loop.add_signal_handler(number, self._arrive, number)

    def __exit__(self, *_exc: object) -> None:
        self._restore()

    def _arrive(self, number: signal.Signals) -> None:
        seconds = self._interruption.arrive(number)
        if self._interruption.final:
            self._restore()
        if seconds is not None and not self._scope.expired():
            self._scope.reschedule(self._loop.time() + seconds)

    def _restore(self) -> None:
        for number, before in self._before.items():
            if self._loop.remove_signal_handler(number):
                signal.signal(number, before or signal.SIG_DFL)
