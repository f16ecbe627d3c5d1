"""Where a transfer runs: in the loop, in a worker process that is there, or in one more.

The plan. What is small is done in the loop before a worker has heard of it. What is large goes to the worker with the
least to do. A process costs about a third of a second of a core to start, so the first one waits until the large
exports that ran in the loop, this one included, have cost as much (the rule of the rented skis: never more than twice
what the best choice would have cost, however the night goes on); a further one, until all that are there have as much
to do. So a night of small exports starts no process, and one export of gigabytes starts one at once.

Source of the figures: ``benchmarks/runners.py``, in bytes of the compressed object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WORTH_A_JOURNEY: Final = 64 * 1024
"""Below it an export is cheaper in the loop than its order and receipt are to send."""

WORTH_A_SEAT: Final = 256 * 1024
"""Below it an export stays in the loop though there is a Dask cluster.

A task there costs 13 ms of a core: 2.5 in the exporter, 4.5 in the scheduler, 6 in the worker. The loop moves so many
bytes in as much time, so from here on two workers are quicker than the loop, and the exporter is spared four fifths.
"""

WORTH_A_START: Final = 4 * 1024 * 1024
"""So many bytes cost the loop what starting a process costs."""


class Placing:
    """Places transfers among at most ``workers`` processes."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._kept = 0

    def place(self, size: int, loads: Sequence[int]) -> int | None:
        """Return which of the workers is to move ``size`` bytes, one beyond the last for a new one, None for the loop.

        ``loads`` are the bytes that each worker has still to move.
        """
        if size < WORTH_A_JOURNEY:
            return None
        if loads and (min(loads) < WORTH_A_START or len(loads) >= self._workers):
            return loads.index(min(loads))
        if loads:
            return len(loads)
        self._kept += size
        if self._kept < WORTH_A_START:
            return None
        self._kept = 0
        return 0

    def __repr__(self) -> str:
        return f"<Placing among {self._workers}, {self._kept} bytes kept in the loop>"


def size_of(file_size: int | None, *, deaths: int = 0) -> int:
    """Return the bytes that an export counts for.

    One of unknown size is taken for a large one, and so is one under which a process died, so that it gets another.
    """
    if file_size is None:
        return WORTH_A_START
    return max(file_size, WORTH_A_START) if deaths else file_size
