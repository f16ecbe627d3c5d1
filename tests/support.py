"""What the decoder tests share: every case is fed whole, byte by byte, and in pieces of 7 and 65,536 bytes.

Properties are decorated with ``steady``: the same examples in every run, and no verdict that hangs on how fast the
machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from hypothesis import HealthCheck, settings

from asyncexport.errors import AsyncexportError, DecodeError

steady = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])

P = TypeVar("P")

STEPS = (1, 7, 65_536)


class PushParser(Protocol[P]):
    """``feed()`` gives pieces, ``close()`` the rest or nothing."""

    def feed(self, data: bytes, /) -> Iterator[P]: ...

    def close(self) -> list[P] | None: ...


def pieces_of(data: bytes, step: int) -> Iterator[bytes]:
    """Cut ``data`` into pieces of ``step`` bytes."""
    return (data[at : at + step] for at in range(0, len(data), step))


def feed_all(parser: PushParser[P], pieces: Iterator[bytes]) -> list[P]:
    """Push all pieces, close, return everything that came out."""
    made = [each for piece in pieces for each in parser.feed(piece)]
    return made + (parser.close() or [])


def feed_every_way(make_parser: Callable[[], PushParser[P]], data: bytes) -> list[P]:
    """Feed ``data`` in every way; return what came out or raise the error, which must be the same in each.

    Pieces of bytes are joined, because where they end may depend on the chunks; all other items are compared as they
    are. Errors are compared by type, and JSON errors by byte offset and row as well.
    """
    first = _outcome(make_parser(), iter([data]))
    for step in STEPS:
        other = _outcome(make_parser(), pieces_of(data, step))
        assert _comparable(other) == _comparable(first), f"pieces of {step} bytes: {other!r}, whole: {first!r}"
    if isinstance(first, AsyncexportError):
        raise first
    return first


def _outcome(parser: PushParser[P], pieces: Iterator[bytes]) -> list[P] | AsyncexportError:
    try:
        return feed_all(parser, pieces)
    except AsyncexportError as error:
        return error


def _comparable(outcome: list[P] | AsyncexportError) -> Any:
    if isinstance(outcome, DecodeError) and outcome.row is not None:
        return type(outcome), outcome.offset, outcome.row
    if isinstance(outcome, AsyncexportError):
        return type(outcome)
    if outcome and all(isinstance(each, bytes) for each in outcome):
        return b"".join(each for each in outcome if isinstance(each, bytes))
    return outcome
