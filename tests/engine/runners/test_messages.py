"""What goes between an exporter and its workers."""

from __future__ import annotations

import asyncio

import pytest

from asyncexport.engine.runners.messages import (
    Begin,
    Broke,
    Errand,
    FromWorker,
    Moved,
    Renewed,
    ToWorker,
    framed,
    received,
)
from asyncexport.errors import UrlExpired
from asyncexport.models import Receipt, SignedUrl

SECRET = "X-Amz-Signature=canary"
MOVED = Moved(3, Receipt("export-1", 1, 2, "sha", "there"))


async def read(sent: bytes) -> list[object]:
    """Return all messages up to the end."""
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    reader.feed_eof()
    found: list[object] = []
    while (message := await received(reader)) is not None:
        found.append(message)
    return found


async def test_messages_come_out_as_they_went_in() -> None:
    """One after the other, errors with their fields."""
    messages: list[ToWorker | FromWorker] = [
        MOVED,
        Begin(0, Errand(b"x" * 100_000)),
        Broke(1, UrlExpired("old", status=403, code="ExpiredToken")),
        Renewed(2, SignedUrl("https://h/x?y")),
    ]
    found = await read(b"".join(map(framed, messages)))
    assert list(map(repr, found)) == list(map(repr, messages))
    assert isinstance(broke := found[2], Broke)
    assert vars(broke.error) == {"status": 403, "code": "ExpiredToken"}


@pytest.mark.parametrize("cut", [1, 3, 4, 20])
async def test_a_torn_message_is_none(cut: int) -> None:
    """An end that was killed while it wrote is gone, and so is what it had not finished."""
    assert await read(framed(MOVED) + framed(MOVED)[:cut]) == [MOVED]


def test_no_message_shows_what_is_secret() -> None:
    """Not in a log and not in a traceback."""
    assert SECRET not in repr(Renewed(1, SignedUrl(f"https://h/x?{SECRET}")))
    assert SECRET not in repr(Begin(1, Errand(SECRET.encode())))
