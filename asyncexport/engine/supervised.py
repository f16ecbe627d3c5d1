"""A block that owns background work: ``async with`` starts it, leaving ends it and waits until it has ended.

The work runs in a task of its own, not in a task group around the caller's code. So an exception of the caller leaves
the block as itself; an error of the work comes out as itself too, not inside an ``ExceptionGroup``; and a caller that
is cancelled while the block is being left still leaves nothing running behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from asyncexport.adapters.threads import settled

Item = TypeVar("Item")


class Supervised(Generic[Item]):
    """``async with Supervised(work) as items: async for item in items``.

    ``work(send)`` puts its items into ``send``; the iteration ends when it returns. ``buffer`` items may be ahead of
    the caller; beyond that the work waits.
    """

    def __init__(
        self, work: Callable[[MemoryObjectSendStream[Item]], Coroutine[Any, Any, None]], *, buffer: float
    ) -> None:
        self._work = work
        self._buffer = buffer
        self._task: asyncio.Task[None] | None = None
        self._receive: MemoryObjectReceiveStream[Item] | None = None
        self._told = False

    async def __aenter__(self) -> AsyncIterator[Item]:
        send, self._receive = anyio.create_memory_object_stream[Item](self._buffer)
        self._task = asyncio.create_task(self._work(send))
        self._task.add_done_callback(lambda _: send.close())
        return self._items(self._task, self._receive)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is None or self._receive is None:
            raise RuntimeError("left without having been entered")
        self._task.cancel()
        try:
            await settled(self._task)
        finally:
            self._receive.close()
            failure = _failure_of(self._task)
        if failure is not None and error is None and not self._told:
            raise failure

    async def _items(self, task: asyncio.Task[None], receive: MemoryObjectReceiveStream[Item]) -> AsyncIterator[Item]:
        try:
            while True:
                yield await receive.receive()
        except anyio.EndOfStream:
            pass
        await settled(task)
        if (failure := _failure_of(task)) is not None:
            self._told = True
            raise failure


def _failure_of(task: asyncio.Task[None]) -> BaseException | None:
    """Return what ended ``task``, if it was an error: the error itself, taken out of any groups around it."""
    if task.cancelled():
        return None
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
