"""Our own engine as a client of the simulated night, with the settings a user has."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from asyncexport import Exporter, Failed, Limits, plan
from asyncexport.ports import Journal
from asyncexport.sinks import Null
from benchmarks.night.memory import Planted
from benchmarks.night.play import Ending, Evening


@dataclass(frozen=True)
class Engine:
    """The real ``Exporter``; ``limits`` and ``options`` are further arguments of ``Limits`` and of ``Exporter``.

    ``journal`` is its memory, unless the scenario plants one.
    """

    limits: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    journal: Journal | None = None

    async def __call__(self, evening: Evening) -> Ending:
        """Pull every export of every profile into a sink that keeps nothing."""
        setting, ending = evening.setting, Ending()
        limits = Limits(**{"in_progress": setting.scenario.told, **self.limits})
        journal = Planted(setting.scenario.law, setting.seed) if setting.scenario.remembers else self.journal
        spread = Random(f"spread/{setting.seed}").random
        accounts = evening.wire.accounts()
        async with Exporter(
            accounts,
            transport=evening.wire,
            clock=evening.clock,
            random=spread,
            limits=limits,
            journal=journal,
            **self.options,
        ) as exporter:
            jobs = plan(await exporter.profiles(), snapshot="night")
            ending.jobs = len(jobs)
            async with exporter.run(jobs, sink=Null()) as outcomes:
                async for outcome in outcomes:
                    ending.failed += isinstance(outcome, Failed)
                    ending.waits[outcome.job.profile.profile_id] = evening.clock.now()
        return ending
