"""Progress thinned out before it crosses a process border: a transfer makes an event for every 64 KiB.

Contract: of the progress of one transfer the first event passes at once, then at most four a second; whatever else
happens passes at once, and before it the progress that was held back, so that nobody sees them out of order.
"""

from __future__ import annotations

from asyncexport.events import Event, TransferProgressed
from asyncexport.ports import Clock, Listener

SECONDS = 0.25


class Thinned:
    """A listener for one transfer, in front of another one."""

    def __init__(self, listener: Listener, clock: Clock) -> None:
        self._listener = listener
        self._clock = clock
        self._held: TransferProgressed | None = None
        self._next_at = float("-inf")

    def __call__(self, event: Event) -> None:
        """Pass it on or hold it back."""
        if isinstance(event, TransferProgressed) and self._clock.now() < self._next_at:
            self._held = event
            return
        if isinstance(event, TransferProgressed):
            self._held = None
            self._next_at = self._clock.now() + SECONDS
        self.flush()
        self._listener(event)

    def flush(self) -> None:
        """Pass on what is held back."""
        if self._held is not None:
            held, self._held = self._held, None
            self._listener(held)

    def __repr__(self) -> str:
        return f"<Thinned {'holding one back' if self._held else 'up to date'}>"
