"""How many cores this process may use: those it may run on, or fewer where its time on them is rationed.

Contract: the least of its affinity and of what each control group around it grants, rounded up; at least one. What
cannot be read, or says what is not understood, rations nothing.

Plan: ``/proc/self/cgroup`` names the groups, a line for each hierarchy: ``0::/a/b`` (version 2: ``cpu.max`` holds quota
and period, in microseconds, or ``max`` and a period), ``4:cpu,cpuacct:/a/b`` (version 1: ``cpu.cfs_quota_us``, -1 for
none, and ``cpu.cfs_period_us``). Every group above rations those in it, so all of the path is looked at, from where the
hierarchy is mounted. In a container the names may be the host's while what is mounted is the container's own: then only
the mounted folder is there, and it is the one that counts.

Source: cgroups(7); the kernel's ``admin-guide/cgroup-v2`` and ``scheduler/sched-bwc``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def cores(system: Path = Path("/")) -> int:
    """Return how many cores this process may use. ``system``: where ``proc`` and ``sys`` are."""
    affinity = getattr(os, "sched_getaffinity", None)  # not everywhere
    allowed = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min([allowed, *(math.ceil(share) for share in _shares(system))])


def _shares(system: Path) -> Iterator[float]:
    mounted = system / "sys/fs/cgroup"
    for line in _text(system / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if not controllers:
            texts = [_text(folder / "cpu.max") for folder in _folders(mounted, path)]
        elif "cpu" in controllers.split(","):
            texts = [
                f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}"
                for folder in _folders(mounted / "cpu", path)
            ]
        else:
            continue
        yield from (share for share in map(_share, texts) if share)


def _folders(mounted: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a group and those of all groups above it."""
    inside = PurePosixPath(path.lstrip("/"))
    yield from (mounted / each for each in (inside, *inside.parents))


def _share(text: str) -> float:
    """Return cores for a quota and a period, 0 where there is no quota."""
    words = text.split()
    if len(words) != 2 or not all(word.isdecimal() for word in words):
        return 0.0
    quota, period = map(int, words)
    return quota / period if period else 0.0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
