"""What comes after a fault in a transfer: go on, fetch a fresh URL, begin again, or give up.

Progress pays: any new byte forgives the faults before it, so a download that advances a little on every connection goes
on for as long as it takes. What never advances is bounded: five lost connections in a row, eight answers of an
overloaded store, three fresh URLs, and for each kind of damage a number of passes from byte 0 that says how likely it
is to have happened on the way (a flipped bit: likely, twice; half an array behind a good checksum: hardly, once). Bad
JSON is met before the checksum that would tell whose fault it is, so it is read once more: the same fault at the same
place is the server's and final, anything else was the network's.

Want of descriptors is endured where bytes would be lost, like lost connections, and otherwise ends the transfer: so it
gives back those it holds, and whoever wants it begins it anew.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum

from asyncexport.errors import (
    AsyncexportError,
    BombLimit,
    ConnectError,
    DecodeError,
    ExportExpired,
    ExportFailed,
    GzipCorrupt,
    GzipTruncated,
    JsonEncoding,
    JsonSyntax,
    JsonTruncated,
    NotAnExport,
    ObjectChanged,
    RangeMismatch,
    RowTooLarge,
    ServerError,
    Throttled,
    TlsError,
    TooManyOpenFiles,
    TrailingGarbage,
    UnexpectedShape,
    UrlExpired,
    UrlRefused,
)
from asyncexport.sansio.transfers.downloads import BadSignature, NoSuchObject, Piecewise


class Step(Enum):
    """What to do after a fault."""

    AGAIN = "connect again and go on, after a delay"
    RENEW = "ask the export for a fresh URL, then connect again"
    RESTART = "discard what came in and begin again at byte 0"
    GIVE_UP = "this transfer ends with the error"


class Recovery:
    """What comes after each fault, over all passes of one transfer.

    ``idle`` bounds faults in a row without a new byte, ``busy`` those where the store itself is overloaded,
    ``renewals`` fresh URLs without a new byte, ``restarts`` (by error) new passes.
    """

    _RESTARTS: tuple[tuple[type[AsyncexportError], int], ...] = (
        (TrailingGarbage, 1),
        (GzipTruncated, 2),
        (GzipCorrupt, 2),
        (JsonTruncated, 1),
        (NotAnExport, 1),
        (RangeMismatch, 2),
        (ObjectChanged, 2),
        (BadSignature, 1),
        (ConnectError, 4),
        (BombLimit, 0),
        (DecodeError, 2),
    )

    def __init__(self, *, idle: int = 5, busy: int = 8, renewals: int = 3) -> None:
        self._idle = idle
        self._busy = busy
        self._renewals = renewals
        self._strikes = 0
        self._renewed = 0
        self._resigned = False
        self._furthest = 0
        self._restarted: Counter[type[AsyncexportError]] = Counter()
        self._seen: set[tuple[type[AsyncexportError], int]] = set()

    @property
    def strikes(self) -> int:
        """Faults in a row without a new byte: the exponent of the next delay."""
        return self._strikes

    def after(self, error: AsyncexportError, state: Piecewise) -> Step:
        """Decide what comes after ``error``, which ended a connection at ``state.offset``."""
        if state.offset > self._furthest:
            self._furthest, self._strikes, self._renewed = state.offset, 0, 0
        self._strikes += 1
        match error:
            case TlsError():
                step = Step.GIVE_UP
            case UrlExpired():
                step = self._renew(self._renewals)
            case NoSuchObject():
                step = self._renew(1)
            case BadSignature() if not self._resigned:
                self._resigned = True
                step = Step.RENEW
            case ServerError() | Throttled():
                step = self._again(self._busy)
            case TooManyOpenFiles() if not state.offset:
                step = Step.GIVE_UP
            case ConnectError() | TooManyOpenFiles() if state.can_resume:
                step = self._again(self._idle)
            case JsonSyntax() | JsonEncoding() | UnexpectedShape() | RowTooLarge() if self._is_repeated(error):
                step = Step.GIVE_UP
            case _:
                step = self._restart(error)
        return step

    def _is_repeated(self, error: DecodeError) -> bool:
        place = (type(error), error.offset)
        if place in self._seen:
            return True
        self._seen.add(place)
        return False

    def _again(self, allowed: int) -> Step:
        return Step.AGAIN if self._strikes < allowed else Step.GIVE_UP

    def _renew(self, allowed: int) -> Step:
        self._renewed += 1
        return Step.RENEW if self._renewed <= allowed else Step.GIVE_UP

    def _restart(self, error: AsyncexportError) -> Step:
        for kind, allowed in self._RESTARTS:
            if isinstance(error, kind):
                self._restarted[kind] += 1
                if self._restarted[kind] > allowed:
                    break
                self._furthest = self._strikes = self._renewed = 0
                return Step.RESTART
        return Step.GIVE_UP


EXPORT_KEPT_SECONDS = 86_400.0
"""So long the API keeps an export, counted from its request."""

_USELESS = (ExportFailed, ExportExpired, DecodeError, NotAnExport, UrlRefused)


def is_worth_collecting(error: AsyncexportError) -> bool:
    """Tell whether a later run should look at the export that met ``error`` instead of asking for another one."""
    return not isinstance(error, _USELESS)


def final(error: AsyncexportError, export_id: str) -> AsyncexportError:
    """Return the error a transfer ends with: an object that is gone means that the export is."""
    if isinstance(error, NoSuchObject):
        return ExportExpired(f"export {export_id}: its file is gone ({error})", export_id=export_id)
    return error
