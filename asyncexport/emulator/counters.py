"""What the server saw, counted: for tests that say how often a client asked, and for benchmarks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Counts since the server began.

    ``requests`` by endpoint (``token``, ``profiles``, the four entities' words, ``exports``, ``store``, ``unknown``);
    ``statuses`` by endpoint and status; ``throttled`` by cause (``rate``, ``cap``); ``bytes_served`` by the store.
    """

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    bytes_served: int = 0
