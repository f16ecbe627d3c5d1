"""Every Amazon Ads export of every profile you manage, in one call or one command.

    async with asyncexport.Exporter([account]) as exporter:
        jobs = asyncexport.plan(await exporter.profiles(), snapshot="2026-11-23")
        async with exporter.run(jobs, sink=JsonLines("exports/")) as outcomes:
            async for outcome in outcomes:
                ...

Importing this runs nothing, configures nothing and reads no environment. Names are imported when they are first used,
aiohttp when an exporter is entered. Errors are in :mod:`asyncexport.errors`, events in :mod:`asyncexport.events`, sinks
in :mod:`asyncexport.sinks`, the seams in :mod:`asyncexport.ports`, fakes for your tests in :mod:`asyncexport.testing`.
"""

from typing import TYPE_CHECKING

from asyncexport._lazy import lazily
from asyncexport._version import __version__

if TYPE_CHECKING:
    from asyncexport.accounts import Account, Region, Secret
    from asyncexport.batch import Batch
    from asyncexport.engine.exporter import Exporter
    from asyncexport.errors import AsyncexportError
    from asyncexport.models import (
        Discovery,
        Entity,
        Exported,
        Failed,
        Filters,
        Job,
        Limits,
        Outcome,
        Profile,
        Receipt,
        Refused,
        SignedUrl,
        Summary,
        TransferOrder,
    )
    from asyncexport.sansio.looks.polling import Schedule
    from asyncexport.sansio.pacing.backoff import Backoff
    from asyncexport.sansio.scheduling.planning import plan
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "accounts": "Account Region Secret",
            "batch": "Batch",
            "engine.exporter": "Exporter",
            "errors": "AsyncexportError",
            "models": (
                "Discovery Entity Exported Failed Filters Job Limits Outcome Profile Receipt Refused SignedUrl Summary "
                "TransferOrder"
            ),
            "sansio.pacing.backoff": "Backoff",
            "sansio.scheduling.planning": "plan",
            "sansio.looks.polling": "Schedule",
        },
        modules=("accounts", "errors", "events", "models", "notes", "ports", "sinks"),
    )

__all__ = [
    # what to pull
    "Account",
    "Entity",
    "Filters",
    "Job",
    "Profile",
    "Region",
    "Secret",
    "plan",
    # pulling it
    "Backoff",
    "Discovery",
    "Exporter",
    "Limits",
    "Schedule",
    # what came of it
    "AsyncexportError",
    "Exported",
    "Failed",
    "Outcome",
    "Receipt",
    "Refused",
    "Summary",
    # for those who write sinks
    "Batch",
    "SignedUrl",
    "TransferOrder",
    "__version__",
]  # fmt: skip
