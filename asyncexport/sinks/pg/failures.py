"""What PostgreSQL and the way to it say when they fail, as the library's errors. Needs asyncpg.

Contract: :func:`failing` names the place without its password, the cause, the SQLSTATE and the fix. A server that is
away, starts, stops, has no connection left or gives up for the moment is :class:`SinkUnreachable`, which is temporary;
tables that somebody has changed are :class:`SinkRejected`; want of descriptors is :class:`TooManyOpenFiles`. Of the
server's words only the first line is told, redacted: details and context hold rows.

Source: PostgreSQL's documentation, appendix A, error codes.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import asyncpg

from asyncexport.errors import DiskFull, SinkError, SinkLocked, SinkRejected, SinkUnreachable
from asyncexport.sansio.redact import EXCERPT, printable, scrub
from asyncexport.sansio.scarcity import no_descriptor

Failure: TypeAlias = asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError | OSError

FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises; a time that ran out is an ``OSError``."""

AGAIN: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
"""A transaction that may succeed if it is done again: PostgreSQL could not let it and another both happen."""

_SAID: Final[tuple[tuple[str, type[SinkError], str], ...]] = (
    ("53100", DiskFull, "the server has no space left; free some there, then run again"),
    ("53300", SinkUnreachable, "the server has no connection left; raise max_connections or run with fewer downloads"),
    ("53", SinkUnreachable, "the server is short of resources; run again later"),
    ("57014", SinkUnreachable, "somebody cancelled the statement; run again"),
    ("57P", SinkUnreachable, "the server is starting or stopping; run again later"),
    ("08", SinkUnreachable, "the connection was lost; run again"),
    ("40", SinkUnreachable, "another transaction was in the way again and again; run again"),
    ("55P03", SinkLocked, "somebody holds a lock on the tables; run again later"),
    ("25P", SinkUnreachable, "the server ended our transaction; run again"),
    ("25006", SinkError, "the server takes no writes; name the primary, or a role that may write"),
    ("28", SinkError, "the server refuses this role or its password; check the dsn"),
    ("3D000", SinkError, "there is no such database; create it or name another"),
    ("42501", SinkError, "the role may not do that; let it use and create in the schema, and make temporary tables"),
    ("42704", SinkError, "the server does not know a parameter that the dsn sets, or a type; leave it out of the dsn"),
    ("42", SinkRejected, "the tables are not as this sink made them; undo what was changed, or choose another schema"),
    ("3F", SinkRejected, "the schema has gone; run again to have it made anew"),
    ("23", SinkRejected, "the tables hold or demand what this sink did not; undo what was changed"),
    ("22023", SinkError, "the server refuses a parameter that the dsn sets, or a value; check the dsn"),
    ("22", SinkError, "a value is in the export that PostgreSQL cannot hold"),
    ("54", SinkError, "a row is in the export that is beyond PostgreSQL's limits"),
)
"""SQLSTATEs by how they begin: the first that applies counts."""


@contextmanager
def failing(place: str) -> Iterator[None]:
    """Raise :class:`SinkError` and its children for what goes wrong inside."""
    try:
        yield
    except FAILURES as error:
        if (scarcity := no_descriptor(error, place)) is not None:
            raise scarcity from error
        raise _sink_error(_behind(error), place) from None


def is_lost(error: BaseException) -> bool:
    """Return whether the connection is gone or was never there, so that nobody knows what became of a commit."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error).startswith(("08", "57P"))
    return isinstance(error, FAILURES) and not _is_insecure(error)


def is_passing(error: BaseException) -> bool:
    """Return whether the same work may succeed at once, by another connection."""
    return isinstance(error, AGAIN) or is_lost(error)


def is_busy(error: BaseException) -> bool:
    """Return whether to connect once more may help: nobody is there, or nobody has time."""
    return is_lost(error) or is_full(error)


def is_full(error: BaseException) -> bool:
    """Return whether all connections that there may be are in use."""
    return isinstance(error, asyncpg.PostgresError) and _state(error) == "53300"


def _state(error: asyncpg.PostgresError) -> str:
    return str(error.sqlstate or "08000")


def _sink_error(error: Failure, place: str) -> SinkError:
    if _is_insecure(error):
        return SinkError(f"{place}: no secure connection ({_name(error)}); check sslmode and the certificates")
    if not isinstance(error, asyncpg.PostgresError):
        return SinkUnreachable(f"{place}: no answer ({_name(error)}); is the server there?")
    state = _state(error)
    kind, fix = next(
        ((kind, fix) for beginning, kind, fix in _SAID if state.startswith(beginning)),
        (SinkError, "see the server's log"),
    )
    said = printable(scrub(error.args[0] if error.args else "", EXCERPT))
    return kind(f"{place}: {fix} ({state}: {said})")


def _is_insecure(error: BaseException) -> bool:
    """Whether the two sides could not agree on a secure connection: to try again would ask the same server."""
    said_no = isinstance(error, ConnectionError) and not error.errno and "SSL" in str(error)
    return isinstance(error, ssl.SSLError) or said_no


def _behind(error: Failure) -> Failure:
    """Return what the server said last, if the connection was then lost to asyncpg in ending the transaction."""
    before = error.__context__
    return before if isinstance(error, asyncpg.InterfaceError) and isinstance(before, asyncpg.PostgresError) else error


def _name(error: Failure) -> str:
    said = error.strerror if isinstance(error, OSError) and error.errno else None
    return said or type(error).__name__
