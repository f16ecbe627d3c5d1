"""Random plans that a good client survives: every job still ends with its rows, and every fault has been met.

So a plan holds only faults the contract calls recoverable (``faults.md``), and is careful with what a client may do
only so often: at most one fault of a job makes it start the download anew, one makes it ask for the export anew, one
spoils its token. A fault that a client need not even notice (a harmless one) comes last at its stage, because nothing
would make the client come back for a fault behind it. What only bites a request for a range is left out: whether a
client resumes or restarts is its own choice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from asyncexport.emulator.faults import Fault
from asyncexport.models import Entity

Subject: TypeAlias = tuple[str, Entity]
"""What a fault is aimed at: a profile id and an entity."""

MOST = 4
"""The most faults that are aimed at one subject."""

BUMP, HARMLESS, RESTART, ANEW, TOKEN = "bump", "harmless", "restart", "anew", "token"
_ONCE = {RESTART, ANEW, TOKEN}


@dataclass(frozen=True, slots=True)
class Choice:
    """Words that can be drawn at a stage, and what they cost the client."""

    stage: str
    words: str
    cost: str = BUMP


CHOICES = (
    *(Choice(stage, f"return-{status}") for stage in ("request", "poll") for status in (500, 502, 503, 504)),
    *(
        Choice(stage, words)
        for stage in ("request", "poll", "download")
        for words in ("reset", "return-503", "return-500")
    ),
    *(Choice(stage, "return-429 no-retry-after") for stage in ("request", "poll")),
    *(Choice(stage, "return-429 retry-after-0") for stage in ("request", "poll")),
    *(Choice(stage, words, TOKEN) for stage in ("request", "poll") for words in ("return-401", "revoke-token")),
    Choice("request", "lost-answer"),
    Choice("request", "broken-after-40%"),
    Choice("request", "fail-INTERNAL_ERROR", ANEW),
    Choice("request", "status-200", HARMLESS),
    Choice("request", "word-QUEUED", HARMLESS),
    Choice("poll", "lost-answer"),
    Choice("poll", "broken-after-60%"),
    Choice("poll", "word-IN_PROGRESS"),
    Choice("poll", "word-in_queue"),
    Choice("poll", "word-null"),
    Choice("poll", "no-url"),
    Choice("poll", "not-found"),
    Choice("poll", "expires-at-none", HARMLESS),
    Choice("poll", "expires-at-soon", HARMLESS),
    Choice("poll", "file-size-1", HARMLESS),
    Choice("download", "slow-down"),
    Choice("download", "expire-url"),
    Choice("download", "expire-url-403"),
    *(Choice("download", f"{how}-after-{share}%") for how in ("broken", "fin") for share in (0, 10, 50, 90, 99)),
    Choice("download", "broken-after-50% no-etag", RESTART),
    Choice("download", "fin-after-50% weak-etag", RESTART),
    Choice("download", "flip-bit-30%", RESTART),
    Choice("download", "drop-byte-70%", RESTART),
    Choice("download", "wrong-length", RESTART),
    Choice("download", "html-body", RESTART),
    Choice("download", "empty-body", RESTART),
    Choice("download", "content-encoding-gzip", HARMLESS),
    Choice("download", "media-type-application/json", HARMLESS),
    Choice("download", "chunked", HARMLESS),
    Choice("download", "stall-0.01-after-50%", HARMLESS),
)
"""All that can be drawn for a subject."""

_BEFORE = (
    Fault.of("token", "return-503"),
    Fault.of("token", "reset"),
    Fault.of("token", "garbage-body"),
    Fault.of("profiles", "return-500"),
    Fault.of("profiles", "return-429 no-retry-after"),
    Fault.of("profiles", "reset"),
)


def draw_faults(seed: int, subjects: Iterable[Subject], *, severity: float = 1.0) -> tuple[Fault, ...]:
    """Draw a plan for jobs on these subjects. ``severity``: the mean number of faults a subject, at most four each."""
    rng = Random(f"weather/{seed}")
    often = severity / (1.0 + severity)
    faults = [fault for fault in rng.sample(_BEFORE, 2) if rng.random() < often]
    for profile_id, entity in subjects:
        count = 0
        while count < MOST and rng.random() < often:
            count += 1
        faults += [
            Fault.of(choice.stage, choice.words, profile_id=profile_id, entity=entity) for choice in _chosen(rng, count)
        ]
    return tuple(faults)


def _chosen(rng: Random, count: int) -> list[Choice]:
    chosen: list[Choice] = []
    while len(chosen) < count:
        choice = rng.choice(CHOICES)
        if not any(_exclude(choice, other) for other in chosen):
            chosen.append(choice)
    return sorted(chosen, key=lambda choice: choice.cost == HARMLESS)


def _exclude(one: Choice, other: Choice) -> bool:
    if one.cost != other.cost:
        return False
    return one.cost in _ONCE or (one.cost == HARMLESS and one.stage == other.stage)
