"""Transfers in the event loop that asks for them."""

from __future__ import annotations

from collections.abc import Callable

from asyncexport.engine.transfers.border import Guard
from asyncexport.engine.transfers.transfer import Renew, Transfer
from asyncexport.engine.transfers.turns import Turns
from asyncexport.models import Receipt, TransferOrder
from asyncexport.ports import Clock, Listener, Sink, Transport
from asyncexport.sansio.pacing.backoff import Backoff, Spread


class InProcess:
    """Runs transfers in the loop that asks for them. A :class:`asyncexport.ports.Runner`."""

    def __init__(
        self,
        *,
        transport: Transport,
        clock: Clock,
        spread: Spread,
        listener: Listener,
        guard: Guard,
        renew: Renew,
        store_is_busy: Callable[[], None],
        turns: Turns,
        backoff: Backoff | None = None,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._spread = spread
        self._listener = listener
        self._guard = guard
        self._renew = renew
        self._store_is_busy = store_is_busy
        self._turns = turns
        self._backoff = backoff or Backoff()

    async def run(self, order: TransferOrder, sink: Sink) -> Receipt:
        """Move one export into the sink."""
        transfer = Transfer(
            order,
            self._guard(sink),
            transport=self._transport,
            clock=self._clock,
            spread=self._spread,
            listener=self._listener,
            renew=self._renew,
            backoff=self._backoff,
            store_is_busy=self._store_is_busy,
            turns=self._turns,
        )
        return await transfer.run()
