"""Errands from the exporter's side: how one is handed over, followed, and called back, whatever lies between.

Contract: :meth:`Carrier.carry` takes one transfer to its end elsewhere: it returns the receipt or raises what the
transfer met. When it is cancelled it comes back only when the other end has confirmed that nothing is left behind; one
that does not answer within :data:`CANCEL_SECONDS` is given up. When the other end is gone, every errand in it ends with
:class:`WorkerEnded`, at once. How messages get there and back is for the heirs.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from asyncexport.adapters.threads import settled
from asyncexport.engine.runners.messages import (
    AboutErrand,
    Begin,
    Broke,
    Cancel,
    Cancelled,
    Crashed,
    End,
    Errand,
    Moved,
    Refused,
    Renewed,
    StoreIsBusy,
    Told,
    ToWorker,
    UrlWanted,
)
from asyncexport.engine.runners.portable import portable_error
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.models import Receipt, SignedUrl
from asyncexport.ports import Listener, Sink

CANCEL_SECONDS = 45.0
"""A little more than a sink that does not end is given before it is left behind."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Whom a worker can ask and tell while it carries one errand."""

    listener: Listener
    renew: Callable[[], Awaitable[SignedUrl]]
    store_is_busy: Callable[[], None]


class WorkerEnded(Exception):
    """The process ended before the errand did."""


class NotThere(Exception):
    """The worker cannot use the sink; nothing was begun."""


class Carrier(ABC):
    """Who takes errands: a process, or a place in one. ``is_ready``: it is at work; ``has_ended``: it is no more.

    ``numbers`` gives each errand its own.
    """

    def __init__(self, numbers: Iterator[int] | None = None) -> None:
        self.is_ready = False
        self.has_ended = False
        self._failure = ""
        self._errands: dict[int, asyncio.Queue[AboutErrand | None]] = {}
        self._numbers = count() if numbers is None else numbers

    async def carry(self, errand: Errand, partner: Partner) -> Receipt:
        """Take an order and its sink to their end. Raises :class:`WorkerEnded` and :class:`NotThere` as well."""
        number, inbox = next(self._numbers), asyncio.Queue[AboutErrand | None]()
        self._errands[number] = inbox
        self._send(Begin(number, errand))
        end: End | None = None
        try:
            end = await self._followed(number, inbox, partner)
        finally:
            if end is None and not self.has_ended:
                await self._cancelled(number, inbox, partner)
            del self._errands[number]
        match end:
            case Moved(receipt=receipt):
                return receipt
            case Broke(error=error):
                raise error
            case Refused(reason=reason):
                raise NotThere(reason)
            case Crashed(text=text):
                raise RuntimeError(f"a transfer failed in its worker process:\n{text}")
            case Cancelled():
                raise SinkError("the transfer was cancelled in its worker process, by nobody but its sink")
            case _:
                raise WorkerEnded(self._failure or "it ended")

    async def _followed(self, number: int, inbox: asyncio.Queue[AboutErrand | None], partner: Partner) -> End | None:
        while True:
            message = await inbox.get()
            match message:
                case Told(event=event):
                    partner.listener(event)
                case StoreIsBusy():
                    partner.store_is_busy()
                case UrlWanted():
                    self._send(Renewed(number, await _asked(partner)))
                case end:
                    return end

    async def _cancelled(self, number: int, inbox: asyncio.Queue[AboutErrand | None], partner: Partner) -> None:
        """Have the errand given up, and come back when it is."""

        async def over() -> None:
            while isinstance(message := await inbox.get(), Told | StoreIsBusy | UrlWanted):
                if isinstance(message, Told):
                    partner.listener(message.event)

        self._send(Cancel(number))
        killing = asyncio.get_running_loop().call_later(CANCEL_SECONDS, self.kill)
        try:
            await settled(asyncio.create_task(over()))
        finally:
            killing.cancel()

    def _hear_of(self, about: AboutErrand) -> None:
        """Hand on what was said about an errand; of one that is over, to nobody."""
        if (inbox := self._errands.get(about.number)) is not None:
            inbox.put_nowait(about)

    def _end_errands(self) -> None:
        """Tell the errands that nobody carries them any more."""
        self.has_ended = True
        for inbox in self._errands.values():
            inbox.put_nowait(None)

    @abstractmethod
    def _send(self, message: ToWorker) -> None:
        """Tell the other end, if it is there."""

    @abstractmethod
    def kill(self) -> None:
        """End it now, or let go of it."""


class Places(Protocol):
    """Where the transfers of one exporter find somebody who takes their errands."""

    async def open(self) -> None:
        """Find out that there are any. Raises what is in the way."""

    async def check(self, sink: Sink) -> None:
        """Find out whether a sink can be reached from there. Raises :class:`ConfigError`."""

    def place(self, size: int) -> AbstractAsyncContextManager[Carrier | None]:
        """Choose somebody for a transfer of so many bytes, None for the loop, for as long as the block lasts."""

    def alone(self) -> AbstractAsyncContextManager[Carrier | None]:
        """Choose somebody for a transfer that others died of, None if there is nobody."""

    async def aclose(self) -> None:
        """Come back when no transfer runs there any more, nor anything of ours."""


async def _asked(partner: Partner) -> SignedUrl | AsyncexportError:
    try:
        return await partner.renew()
    except AsyncexportError as error:
        return portable_error(error, AsyncexportError)
