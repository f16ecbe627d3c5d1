"""Our own engine as a client of the simulated night, with the settings a user has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from asyncexport import Exporter, Failed, Job, Limits, plan
from asyncexport.sinks import Null
from asyncexport.testing import MemoryJournal
from benchmarks.night.play import Ending, Evening, Setting

PLANTED_NIGHTS = 5


@dataclass(frozen=True)
class Engine:
    """The real ``Exporter``; ``limits`` and ``options`` are further arguments of ``Limits`` and of ``Exporter``.

    ``journal`` is its memory; a fresh one where there is none. What the scenario remembers is planted into it.
    """

    limits: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    journal: MemoryJournal | None = None

    async def __call__(self, evening: Evening) -> Ending:
        """Pull every export of every profile into a sink that keeps nothing."""
        setting, ending = evening.setting, Ending()
        journal = self.journal or MemoryJournal()
        async with Exporter(
            evening.wire.accounts(),
            transport=evening.wire,
            clock=evening.clock,
            random=Random(f"spread/{setting.seed}/{setting.night}").random,
            limits=Limits(**{"in_progress": setting.scenario.told, **self.limits}),
            journal=journal,
            **self.options,
        ) as exporter:
            jobs = plan(await exporter.profiles(), snapshot=f"night-{setting.night}")
            if setting.scenario.remembers:
                _plant(journal, jobs, setting)
            ending.jobs = len(jobs)
            async with exporter.run(jobs, sink=Null()) as outcomes:
                async for outcome in outcomes:
                    ending.failed += isinstance(outcome, Failed)
                    ending.waits[outcome.job.profile.profile_id] = evening.clock.now()
        return ending


def _plant(journal: MemoryJournal, jobs: Iterable[Job], setting: Setting) -> None:
    for job in jobs:
        subject = f"{job.profile.profile_id}/{job.entity.value}"
        journal.plant(job, setting.scenario.law.usual(setting.seed, subject), nights=PLANTED_NIGHTS)
