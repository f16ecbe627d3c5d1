"""Connections to one PostgreSQL server, shared by everybody in a loop. Needs asyncpg.

Contract: :func:`acquire` gives the loop's :class:`Connections` of a server, to be left once. Each export has one
connection for itself and gives it back only when nothing of it is left there; whatever fails has its connection cut,
which undoes its transaction and drops its temporary tables. A server that is not there, that starts or that has no
connection left is tried again, after each of :data:`DELAYS`; where it has no more and others of ours have some, the
next that they give up is waited for.

Plan: connections that are free are kept as long as anybody uses the server, and closed after the last. A session has
instants in UTC, text in UTF-8 whatever the dsn says, functions and tables that nobody else can put in front of ours, no
limits of time but one for locks (what takes too long is cancelled by whoever waits for it), commits that are on the
disk when they are said to be, and no just-in-time compilation. It needs to be a session: behind a pool that hands out
transactions nothing would work.

Worst case: as many connections as exports are open at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import asyncpg

from asyncexport.errors import ConfigError
from asyncexport.sinks.dsn import files_of
from asyncexport.sinks.pg.failures import FAILURES, is_busy, is_full, is_passing

T = TypeVar("T")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DELAYS: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Seconds between attempts to connect."""

WAIT: Final = 300.0
"""Seconds without one of our own connections being given up, after which nobody waits any longer for one."""

LOCK_TIMEOUT: Final = "120s"

_PATIENCE: Final = 30.0
_TRIES: Final = 3
_SESSION: Final = {
    "client_encoding": "UTF8",
    "search_path": "pg_catalog, pg_temp",
    "timezone": "UTC",
    "lock_timeout": LOCK_TIMEOUT,
    "jit": "off",
    "application_name": "asyncexport",
}
_LIMITS: Final = (
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
)
"""Limits of time, of which older servers do not know all."""

_SET_SESSION: Final = (
    "select " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items()) + "; "
    f"select set_config(name, '0', false) from pg_settings where name in {_LIMITS}; "
    "select set_config(name, 'on', false) from pg_settings where name = 'synchronous_commit' and setting = 'off'"
)

_all: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Connections]] = WeakKeyDictionary()


class Connections:
    """The connections of one loop to one server, and how many use them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._users = 0
        self._free: list[Connection] = []
        self._lent: set[Connection] = set()
        self._given_up = asyncio.Event()
        self.made: set[tuple[str, str]] = set()
        """The schemas, with their modes, whose tables are known to be there."""

    async def take(self, *, patient: bool = True) -> Connection:
        """Return a connection for the caller alone. Raises what asyncpg raises.

        Nobody who is not ``patient`` waits for a server that is not there.
        """
        delays = iter(DELAYS if patient else ())
        while (connection := self._free_one()) is None:
            self._given_up.clear()
            try:
                connection = await connected(self._dsn)
                break
            except FAILURES as error:
                if not is_busy(error) or not await self._may_help(error, next(delays, None), patient=patient):
                    raise
        self._lent.add(connection)
        return connection

    def _free_one(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _may_help(self, error: BaseException, delay: float | None, *, patient: bool) -> bool:
        """Wait, and return whether to try again."""
        if is_full(error) and self._lent and patient:
            return await self._one_is_given_up(WAIT if delay is None else delay) or delay is not None
        if delay is not None:
            await asyncio.sleep(delay)
        return delay is not None

    async def _one_is_given_up(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._given_up.wait()
        return False

    async def tried(self, work: Callable[[Connection], Awaitable[T]], *, patient: bool = True) -> T:
        """Return what work returns, given a connection, which is then its own; one that fails is cut.

        A connection that is lost, and a transaction that another was in the way of, are tried anew. Raises what
        asyncpg raises.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._once(work, patient=patient)
            except FAILURES as error:
                if not is_passing(error):
                    raise
        return await self._once(work, patient=patient)

    async def _once(self, work: Callable[[Connection], Awaitable[T]], *, patient: bool) -> T:
        connection = await self.take(patient=patient)
        try:
            return await work(connection)
        except BaseException:
            self.cut(connection)
            raise

    def give_back(self, connection: Connection) -> None:
        """Keep a connection on which nothing is under way for whoever comes next."""
        self._lent.discard(connection)
        self._free.append(connection)
        self._given_up.set()

    def cut(self, connection: Connection) -> None:
        """End a connection without a word, whatever it is doing. Never waits, raises nothing."""
        if not connection.is_closed():
            connection.terminate()
        self._lent.discard(connection)
        self._given_up.set()

    async def leave(self) -> None:
        """Use them no longer; back when the free ones are closed, if nobody else does."""
        left = self._left()
        try:
            for connection in left:
                with suppress(*FAILURES):
                    await connection.close(timeout=_PATIENCE)
        finally:
            for connection in left:
                self.cut(connection)

    def release(self) -> None:
        """Use them no longer; never waits."""
        for connection in self._left():
            self.cut(connection)

    def joined(self) -> Connections:
        """Count one user more; for :func:`acquire` alone."""
        self._users += 1
        return self

    def _left(self) -> list[Connection]:
        self._users -= 1
        if self._users:
            return []
        of_loop = _all[asyncio.get_running_loop()]
        del of_loop[self._dsn]
        free, self._free = self._free, []
        return free

    def __repr__(self) -> str:
        return f"<Connections of {self._users}, {len(self._free)} free>"


def acquire(dsn: str) -> Connections:
    """Return the running loop's connections to a server, to be left once; the first is made when it is needed."""
    of_loop = _all.setdefault(asyncio.get_running_loop(), {})
    if dsn not in of_loop:
        of_loop[dsn] = Connections(dsn)
    return of_loop[dsn].joined()


async def connected(dsn: str) -> Connection:
    """Return a new connection, of which nobody else knows. Raises what asyncpg raises, and :class:`ConfigError`.

    What is wrong with a dsn, or with a ``PG...`` variable that stands in for what it leaves out, is never repeated.
    """
    _check_files(dsn)
    try:
        connection = await asyncpg.connect(dsn, timeout=_PATIENCE)
    except OSError:
        raise
    except (ValueError, OverflowError):
        raise ConfigError(
            "the dsn, or a variable PGPORT, PGSSLMODE, ... of the environment, has a value that cannot be meant"
        ) from None
    try:
        await connection.execute(_SET_SESSION)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _check_files(dsn: str) -> None:
    for name, file in files_of(dsn).items():
        if not Path(file).is_file():
            raise ConfigError(f"{name} in the dsn names no file that is there")
