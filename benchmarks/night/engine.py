"""Our own engine as a client of the simulated night, with the settings a user has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from asyncexport import Exporter, Failed, Job, Limits, plan
from asyncexport.sansio.looks.learned import LearnedPolling
from asyncexport.sansio.looks.polling import Polling, Watch
from asyncexport.sansio.pacing.backoff import Spread
from asyncexport.sinks import Null
from asyncexport.testing import MemoryJournal
from benchmarks.night.play import Ending, Evening, Setting

PLANTED_NIGHTS = 5


@dataclass(frozen=True)
class FirstCome:
    """A :class:`asyncexport.sansio.looks.polling.Polling` that expects the same of every export: none goes first."""

    polling: Polling = field(default_factory=lambda: LearnedPolling(Limits().looks))

    def begin(self, endpoint: str, remembered: float | None, spread: Spread) -> Watch:
        """Watch an export as ever."""
        return self.polling.begin(endpoint, remembered, spread)

    def expected(self, endpoint: str, remembered: float | None) -> float:  # noqa: ARG002
        """Expect nothing."""
        return 0.0

    def surely_over(self, endpoint: str) -> float:
        """Say so as ever."""
        return self.polling.surely_over(endpoint)


@dataclass(frozen=True)
class Engine:
    """The real ``Exporter``; ``limits`` are further arguments of ``Limits``, ``looks`` makes what places them.

    ``journal`` is its memory; a fresh one where there is none. What the scenario remembers is planted into it.
    """

    limits: dict[str, Any] = field(default_factory=dict)
    looks: Callable[[], Polling | None] = field(default=lambda: None)
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
            schedule=self.looks(),
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
