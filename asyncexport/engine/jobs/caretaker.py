"""Exports that nobody waits for are seen out where somebody waits for their slots.

An export that was given up while it was in progress, since its run was left or its time was up, keeps its slot until
nearly every export like it has ended. That is long. So when a job waits for a slot at its endpoint the export is
watched again, by one of the runs that are there and as often as any other: once its end is seen, or the server does not
know it any more, the slot is free. One that cannot be looked at keeps its slot for its time.

Worst case: the run that watches is left as well; then the next one that has a job waiting there does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import anyio

from asyncexport.engine.accounts.desk import Desk
from asyncexport.engine.jobs.windows import Forsaken, Windows
from asyncexport.errors import AsyncexportError, ExportExpired
from asyncexport.models import Job

Waiting = TypeVar("Waiting")


class Caretaker(Generic[Waiting]):
    """Sees out what is in the way, for all runs."""

    def __init__(self, windows: Windows[Waiting], desk_of: Callable[[Job], Desk]) -> None:
        self._windows = windows
        self._desk_of = desk_of

    async def tend(self) -> None:
        """Watch every export that comes to be in the way, until cancelled."""
        async with anyio.create_task_group() as watches:
            while True:
                watches.start_soon(self._see_out, await self._windows.next_in_the_way())

    async def _see_out(self, export: Forsaken) -> None:
        """Watch until it has ended, cannot be looked at, or is somebody's again."""
        with export.scope:
            try:
                ended_at = await self._ended_at(export)
            except AsyncexportError:
                self._windows.left_alone(export)
            except BaseException:
                self._windows.unwatched(export)
                raise
            else:
                self._windows.seen_out(export, ended_at)

    async def _ended_at(self, export: Forsaken) -> float:
        exports = self._desk_of(export.job).exports
        try:
            return await exports.see_out(export.job, export.export_id, asked_at=export.asked_at)
        except ExportExpired:
            return float("inf")

    def __repr__(self) -> str:
        return f"<Caretaker of {self._windows!r}>"
