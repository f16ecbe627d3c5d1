"""Who closes the offices of an exporter that cannot do so itself: it was killed, or cut off.

Contract: an exporter leaves one with the scheduler before it opens its offices. When the scheduler gives up the
exporter's client, whatever the reason, the offices that are still open are closed, workers that come later get none,
and the caretaker goes as well. Without one, each killed exporter would leave a thread in every worker for good.
"""

from __future__ import annotations

from distributed import Scheduler, SchedulerPlugin


class Caretaker(SchedulerPlugin):
    """The caretaker of the offices called ``name``, whose exporter is known to the scheduler as ``client``."""

    def __init__(self, name: str, client: str) -> None:
        self.name = name
        self._client = client

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Hear that the scheduler has given up a client."""
        if client == self._client:
            scheduler.remove_plugin(self.name)
            if self.name in scheduler.worker_plugins:
                scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self.name)
