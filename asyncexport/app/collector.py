"""The garbage collector of a command: what it looks at, and how often.

A run of thousands of small exports makes and drops small objects by the hundred, nearly none of them in cycles, and
keeps tens of thousands that will not go: with the interpreter's own thresholds a tenth of the time went into looking
for garbage. What is there when the work begins, all modules above all, is not looked at again; young objects are when
there are :data:`YOUNG` of them. Worst case: so many objects of garbage in cycles, a few MiB.

Only a command may do this: a library leaves the interpreter's settings to its program.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

YOUNG: Final = 10_000


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Spare the work inside the block most of the collector's."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
