"""Looking without asking for exports: what the accounts manage, for ``plan``, ``profiles`` and ``check``.

A person waits for the answer, so patience is short. No state folder is given to the exporter, so that looking is
possible while a run holds its lock.
"""

from __future__ import annotations

from asyncexport.adapters.logs import EventLog
from asyncexport.app.patience import SHORT, Waiting
from asyncexport.app.pull import MakeExporter
from asyncexport.app.settings import Settings
from asyncexport.events import fan_out
from asyncexport.models import Discovery


async def look(settings: Settings, make_exporter: MakeExporter) -> Discovery:
    """Return what the accounts manage, refusals included."""
    async with make_exporter(
        settings.accounts,
        limits=settings.limits,
        listener=fan_out(Waiting(), EventLog(told=True)),
        ca_file=settings.run.ca_file,
        backoff=SHORT,
    ) as exporter:
        return await exporter.discover()
