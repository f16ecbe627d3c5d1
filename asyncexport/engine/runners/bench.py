"""Transfers as others asked for them by messages, in the loop of whoever serves those: the far end of an errand.

Contract: for each :class:`Begin` exactly one :data:`End` is sent, last, whatever somebody's sink raises or returns; all
else of :mod:`asyncexport.engine.runners.messages` about it is sent before. The transfers are those of the same
:class:`InProcess` runner that the exporter's own loop has, and share the turns of the loop.
"""

from __future__ import annotations

import asyncio
import gc
import random
import traceback
from collections.abc import Callable
from functools import partial

from asyncexport.adapters.clock import SystemClock
from asyncexport.engine.runners.in_process import InProcess
from asyncexport.engine.runners.messages import (
    AboutErrand,
    Begin,
    Broke,
    Cancel,
    Cancelled,
    Crashed,
    Errand,
    Moved,
    Refused,
    Renewed,
    StoreIsBusy,
    Told,
    ToWorker,
    UrlWanted,
)
from asyncexport.engine.runners.portable import portable_error, portable_receipt
from asyncexport.engine.runners.thinning import Thinned
from asyncexport.engine.transfers.border import GuardedSink
from asyncexport.engine.transfers.turns import Turns
from asyncexport.errors import AsyncexportError, SinkError
from asyncexport.models import Receipt, SignedUrl, TransferOrder
from asyncexport.ports import Listener, Sink, Transport
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sansio.redact import EXCERPT, printable, scrub

_TURN_SECONDS = 0.01
_YOUNG = 50_000


def collect_seldom() -> None:
    """Have the garbage collector look seldom, in a process that is for transfers alone.

    What a transfer makes has no cycles, and the modules never go.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)


class Bench:
    """The transfers that are under way, by their errands' numbers. What they tell and ask goes to ``send``."""

    def __init__(
        self, transport: Transport, send: Callable[[AboutErrand], None], *, backoff: Backoff, sink_timeout: float
    ) -> None:
        self._transport = transport
        self._send = send
        self._backoff = backoff
        self._sink_timeout = sink_timeout
        self._clock = SystemClock()
        self._turns = Turns(self._clock, _TURN_SECONDS)
        self._running: dict[int, asyncio.Task[Receipt]] = {}
        self._renewals: dict[int, asyncio.Future[SignedUrl]] = {}

    def __repr__(self) -> str:
        return f"<Bench with {len(self._running)} transfers>"

    def take(self, message: ToWorker) -> None:
        """Do what a message asks for."""
        match message:
            case Begin(number=number, errand=errand):
                self._running[number] = asyncio.create_task(self._carry(number, errand))
                self._running[number].add_done_callback(partial(self._ended, number))
            case Cancel(number=number) if number in self._running:
                self._running[number].cancel()
            case Renewed(number=number, answer=answer):
                self._renewed(number, answer)

    async def clear(self) -> None:
        """Cancel everything and wait until it has ended."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _carry(self, number: int, errand: Errand) -> Receipt:
        order, sink = _unpacked(errand)
        listener = Thinned(lambda event: self._send(Told(number, event)), self._clock)
        try:
            return await self._runner(number, listener).run(order, sink)
        finally:
            listener.flush()

    def _runner(self, number: int, listener: Listener) -> InProcess:
        return InProcess(
            transport=self._transport,
            clock=self._clock,
            spread=random.random,
            listener=listener,
            guard=partial(GuardedSink, clock=self._clock, seconds=self._sink_timeout, listener=listener),
            renew=lambda _: self._renew(number),
            store_is_busy=lambda: self._send(StoreIsBusy(number)),
            turns=self._turns,
            backoff=self._backoff,
        )

    async def _renew(self, number: int) -> SignedUrl:
        self._renewals[number] = asyncio.get_running_loop().create_future()
        self._send(UrlWanted(number))
        try:
            return await self._renewals[number]
        finally:
            del self._renewals[number]

    def _renewed(self, number: int, answer: SignedUrl | AsyncexportError) -> None:
        waiting = self._renewals.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, SignedUrl):
            waiting.set_result(answer)
        else:
            waiting.set_exception(answer)

    def _ended(self, number: int, task: asyncio.Task[Receipt]) -> None:
        del self._running[number]
        try:
            self._send(_end_of(number, task))
        except Exception as error:  # noqa: BLE001  whatever somebody's class raises: the exporter waits for an end
            self._send(Crashed(number, scrub("".join(traceback.format_exception(error)))))


def _unpacked(errand: Errand) -> tuple[TransferOrder, Sink]:
    try:
        return errand.unpacked()
    except Exception as error:
        raise _NotHere(f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}") from error


def _end_of(number: int, task: asyncio.Task[Receipt]) -> AboutErrand:
    if task.cancelled():
        return Cancelled(number)
    error = task.exception()
    if error is None:
        return Moved(number, portable_receipt(task.result()))
    if isinstance(error, AsyncexportError):
        return Broke(number, portable_error(error, SinkError))
    if isinstance(error, _NotHere):
        return Refused(number, str(error))
    return Crashed(number, scrub("".join(traceback.format_exception(error))))


class _NotHere(Exception):
    """The sink cannot be used in this process."""
