"""The engine's calls and transfers without its scheduling: the processor time of a night in which nothing is decided.

Every job is asked for, looked at so often, and transferred, by as many workers as there are slots. The server's books,
which no client has, say when an export will be ready. What the real engine takes beyond this is what deciding costs:
queues, slots, order, and when to look.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from asyncexport import Entity, Exporter, Job, Limits, plan
from asyncexport.engine.jobs.export import Located
from asyncexport.sinks import Null
from benchmarks.night.play import Ending, Evening

_GENTLE = 1.0
"""Seconds between two looks at least, so that no profile's rate is in the way."""


@dataclass(frozen=True)
class Bare:
    """``looks`` at every export, on average."""

    looks: float = 11.0

    async def __call__(self, evening: Evening) -> Ending:
        """Collect everything."""
        ending = Ending()
        async with Exporter(evening.wire.accounts(), transport=evening.wire, clock=evening.clock) as exporter:
            jobs = plan(await exporter.profiles(), snapshot="night")
            ending.jobs = len(jobs)
            async with asyncio.TaskGroup() as tasks:
                for entity in Entity:
                    queue = deque(job for job in jobs if job.entity is entity)
                    for _ in range(evening.setting.scenario.cap(0.0)):
                        tasks.create_task(self._work(evening, exporter, queue, ending))
        return ending

    async def _work(self, evening: Evening, exporter: Exporter, jobs: deque[Job], ending: Ending) -> None:
        runner = exporter._runner(exporter._guard(Limits().sink_timeout))  # noqa: SLF001
        while jobs:
            job = jobs.popleft()
            desk = exporter._desk_of(job)  # noqa: SLF001
            deadline = evening.clock.now() + 86_400.0
            export = await desk.api.request_export(job, deadline=deadline)
            for pause in self._pauses(evening, export.export_id, len(jobs)):
                await evening.clock.sleep(pause)
                export = await desk.api.look(job, export.export_id, deadline=deadline)
            assert export.url is not None  # noqa: S101
            await runner.run(desk.order(job, Located(export, export.url, evening.clock.now())), Null())
            ending.waits[job.profile.profile_id] = evening.clock.now()

    def _pauses(self, evening: Evening, export_id: str, number: int) -> list[float]:
        count = max(1, int(self.looks * (number + 1)) - int(self.looks * number))
        record = evening.wire.state.journal[export_id]
        return [max(_GENTLE, (record.due_at - record.asked_at) / count)] * count
