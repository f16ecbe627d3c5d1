"""One host as all its callers see it: they pass a gate, tell how it went, and wait in line while the host is down.

What a host that does not answer means is decided in :mod:`asyncexport.sansio.pacing.outage`, who may pass meanwhile in
:mod:`asyncexport.sansio.pacing.gate`. Here are the line of those who wait, and the news that let it move at once when
the host is back. While the host answers, passing is a few comparisons and gives way to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from copy import copy

import anyio

from asyncexport.adapters.alarm import Alarm
from asyncexport.errors import AsyncexportError, ConnectError, ServerError, TlsError, TooManyOpenFiles
from asyncexport.events import Event, OutageContinued, OutageEnded, OutageStarted
from asyncexport.ports import Clock, Listener
from asyncexport.sansio.pacing.backoff import Spread
from asyncexport.sansio.pacing.gate import Gate
from asyncexport.sansio.pacing.outage import Interval, Outages, seconds_covered

_SOON = 1.0


def _nobody(event: Event) -> None:
    """Listen to nothing."""


class Host:
    """What is known of one host. ``patience``: how long an outage is waited out, in seconds.

    ``crowd`` counts those who wait for the host by way of somebody else: it makes an outage of what a single caller
    meets for all of them. ``needs`` is a host without which this one cannot be used: its outages count here too.
    ``listener`` is told by ``name`` of the host's own outages: when one begins, of each try that fails, and of the end.
    """

    def __init__(
        self,
        *,
        patience: float,
        clock: Clock,
        spread: Spread,
        crowd: Callable[[], int] = lambda: 1,
        needs: Host | None = None,
        name: str = "",
        listener: Listener = _nobody,
    ) -> None:
        self._outages = Outages(patience)
        self._gate = Gate(spread)
        self._clock = clock
        self._crowd = crowd
        self._needs = needs
        self._name = name
        self._listener = listener
        self._needed_by: list[Host] = []
        self._line = anyio.Lock()
        self._news = anyio.Event()
        self._last: AsyncexportError | None = None
        self.callers = 0
        if needs is not None:
            needs._needed_by.append(self)  # noqa: SLF001  another host

    @property
    def is_down(self) -> bool:
        """Tell whether the host is down."""
        return self._outages.is_down

    @property
    def is_hopeless(self) -> bool:
        """Tell whether it has been down for so long that nobody waits for it any more."""
        return self._outages.is_hopeless(self._clock.now())

    @property
    def next_in(self) -> float:
        """The seconds until the next call can go to the host, were nobody else there."""
        return self._gate.next_in(self._clock.now())

    def down_seconds(self, since: float) -> float:
        """Return for how long after ``since``, in the clock's seconds, the host could not be used."""
        return seconds_covered(self._intervals(since, self._clock.now()))

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Count a caller for as long as the block lasts."""
        self.callers += 1
        try:
            yield
        finally:
            self.callers -= 1

    async def passed(self) -> None:
        """Wait until a call may go to the host. Raises what the host's last caller met when there is no hope left."""
        if self._line.locked() or self._gate.wait(self._clock.now()):
            async with self._line:
                await self._wait()

    def _intervals(self, since: float, now: float) -> list[Interval]:
        own = self._outages.intervals(since, now)
        return own if self._needs is None else own + self._needs._intervals(since, now)  # noqa: SLF001  another host

    async def kept_waiting(self, since: float) -> bool:
        """Let a call that passed at ``since`` pass again if it was kept by something else while the gate was closed.

        Return whether it was. So those who waited for another host do not all come at once when that is back.
        """
        if self._gate.is_open or self._clock.now() - since < _SOON:
            return False
        await self.passed()
        return True

    async def _wait(self) -> None:
        while seconds := self._gate.wait(self._clock.now()):
            if self._last is not None and self.is_hopeless:
                raise copy(self._last)
            with anyio.CancelScope() as scope, Alarm(self._clock, seconds, scope):
                await self._news.wait()

    @contextmanager
    def exchange(self, caller: Hashable) -> Iterator[None]:
        """The block sends a request of ``caller`` and reads the answer; how that ends is news about the host."""
        sent_at = self._clock.now()
        try:
            yield
        except AsyncexportError as error:
            self._learn(error, caller, sent_at)
            raise
        self._learn(None, caller, sent_at)

    def _learn(self, error: AsyncexportError | None, caller: Hashable, sent_at: float) -> None:
        if isinstance(error, TooManyOpenFiles):
            return  # the host was not asked
        now = self._clock.now()
        if error is None or not is_silence(error):
            seconds = self._outages.silent_seconds(now)
            if self._outages.answered(now):
                self._listener(OutageEnded(self._name, seconds))
                for host in (self, *self._needed_by):
                    host._reopen(now)  # noqa: SLF001  another host
            return
        self._last = copy(error)
        if self._outages.failed(now, caller, sent_at=sent_at, waiting=self._crowd()):
            self._gate.close(now)
            self._tell()
            self._report(OutageStarted, error, now)
        elif self.is_down:
            self._report(OutageContinued, error, now)

    def _report(self, kind: type[OutageStarted | OutageContinued], error: AsyncexportError, now: float) -> None:
        self._listener(kind(self._name, self._outages.silent_seconds(now), type(error).__name__, self.next_in))

    def _reopen(self, now: float) -> None:
        """This host is back, or the one that it needs: then it may be asked at once whether it is back too."""
        if self.is_down:
            self._gate.close(now)
        else:
            self._gate.open(now)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    def __repr__(self) -> str:
        return f"<Host {self._outages!r} {self._gate!r}>"


def is_silence(error: BaseException) -> bool:
    """Tell whether the host gave no answer of its own: no connection, a connection that was cut, or a 5xx."""
    return isinstance(error, ServerError | ConnectError) and not isinstance(error, TlsError)
