"""Work that is never abandoned half way: blocking work in a thread, and any other task that must come to its end.

Contract: :func:`in_thread` and :func:`ended` come back only when the work has ended, whatever is cancelled meanwhile,
by asyncio or by an anyio scope; the cancellation is delivered then. So nobody cleans up under the hands of a thread
that still writes. Worst case: a cancelled task waits for one fsync or one hash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio

from asyncexport.adapters.pump import pumps

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Return what ``work()`` returns, raise what it raises; if cancelled meanwhile, raise that instead."""
    piece = pumps().put(work)
    try:
        await piece.told()
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            while not piece.is_over:
                with suppress(asyncio.CancelledError):
                    await piece.told()
        raise
    return piece.result()


async def ended(running: asyncio.Future[T]) -> T:
    """Return what ``running`` returns, raise what it raises; if cancelled meanwhile, raise that instead."""
    cancelled = await _settled(running)
    failure = None if running.cancelled() else running.exception()
    if cancelled is not None:
        raise cancelled
    if failure is not None:
        raise failure
    return running.result()


async def settled(running: asyncio.Future[T]) -> None:
    """Come back when ``running`` has ended, however it did; if cancelled meanwhile, raise that then."""
    cancelled = await _settled(running)
    if cancelled is not None:
        raise cancelled


async def _settled(running: asyncio.Future[T]) -> asyncio.CancelledError | None:
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                cancelled = error
    return cancelled
