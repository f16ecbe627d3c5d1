"""Random plans that a good client survives: every job still ends with its rows, and every fault has been met.

So a plan holds only faults the contract calls recoverable, and is careful with what a client may do only so often: at
most one fault of a job makes it start the download anew, one makes it ask for the export anew, one answer a stage is
unusable, two faults make it ask for a fresh URL, two call an export too large, which every entity can be cut twice
for. One fault of a whole plan spoils a token: were a second one to die
right after the first, a call of any job that was refused with both would be given up. A fault that a client need not
even notice (a harmless one) comes last at its stage, because nothing would make the client come back for a fault behind
it. What only bites a request for a range is left out: whether a client resumes or restarts is its own choice.
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
GARBLED, RENEW, SPLIT = "garbled", "renew", "split"
_OFTEN = {RESTART: 1, ANEW: 1, TOKEN: 1, RENEW: 2, SPLIT: 2}
_ONCE_A_STAGE = {HARMLESS, GARBLED}


@dataclass(frozen=True, slots=True)
class Choice:
    """Words that can be drawn at a stage, and what they cost the client."""

    stage: str
    words: str
    cost: str = BUMP


def _choices(stages: str, cost: str, *words: str) -> tuple[Choice, ...]:
    return tuple(Choice(stage, each, cost) for stage in stages.split() for each in words)


_UNUSABLE = ("garbage-body", "empty-body", "html-body", "truncated-body")
_REFUSALS = ("return-503", "return-500", "return-408", "return-503 retry-after-1")
_EARLY = (
    "return-500",
    "return-503",
    "return-429 no-retry-after",
    "return-429 retry-after-1",
    "reset",
    "lost-answer",
    "broken-after-50%",
)
_SHARES = (0, 10, 50, 90, 99)
_THROTTLES = (
    "no-retry-after",
    "retry-after-0",
    "retry-after-1",
    "retry-after-date-1",
    "retry-after-soon",
    "retry-after--3",
)

CHOICES = (
    *_choices("request poll", BUMP, *(f"return-{status}" for status in (500, 502, 503, 504))),
    *_choices("request poll download", BUMP, "reset", *_REFUSALS),
    *_choices("request poll", BUMP, *(f"return-429 {words}" for words in _THROTTLES)),
    *_choices("request poll", TOKEN, "return-401", "revoke-token"),
    *_choices("request poll", GARBLED, *_UNUSABLE),
    *_choices("request poll", SPLIT, "fail-TIMED_OUT"),
    *_choices("request poll download", HARMLESS, "delay-0.005", "media-type-application/json"),
    *_choices("request", BUMP, "lost-answer", "broken-after-40%", "fin-after-70%"),
    *_choices("request", GARBLED, "no-id", "id-..%2F..%2Fv2%2Fprofiles"),
    *_choices("request", ANEW, "fail-INTERNAL_ERROR"),
    *_choices("request", HARMLESS, "status-200", "word-QUEUED"),
    *_choices("poll", BUMP, "lost-answer", "broken-after-60%", "fin-after-20%"),
    *_choices("poll", GARBLED, "huge-body"),
    *_choices("poll", BUMP, "word-IN_PROGRESS", "word-in_queue", "word-null", "no-url", "not-found"),
    *_choices("poll", RENEW, "expire-url", "expire-url-403"),
    *_choices("poll", HARMLESS, "status-202", "expires-at-none", "expires-at-soon"),
    *_choices("poll", HARMLESS, "expires-at-9999-12-31T23:59:59Z", "file-size-1", "file-size-none"),
    *_choices("download", BUMP, "slow-down", "return-429 retry-after-1"),
    *_choices("download", RENEW, "expire-url", "expire-url-403", "skewed", "signature-mismatch"),
    *_choices("download", ANEW, "not-found"),
    *_choices("download", BUMP, *(f"{how}-after-{share}%" for how in ("broken", "fin") for share in _SHARES)),
    *_choices("download", RESTART, "broken-after-50% no-etag", "fin-after-50% weak-etag"),
    *_choices("download", RESTART, *(f"flip-bit-{share}%" for share in (0, 50, 70, 100))),
    *_choices("download", RESTART, *(f"drop-byte-{share}%" for share in (0, 20, 70, 100))),
    *_choices("download", RESTART, "extra-bytes-3", "wrong-length", "html-body", "garbage-body", "empty-body"),
    *_choices("download", HARMLESS, "content-encoding-gzip", "content-encoding-br", "chunked", "identity"),
    *_choices("download", HARMLESS, "weak-etag", "stall-0.01-after-50%"),
)
"""All that can be drawn for a subject."""

_WITHOUT_TOKEN = tuple(choice for choice in CHOICES if choice.cost != TOKEN)

BEFORE = (
    *_choices("token profiles", BUMP, *_EARLY),
    *_choices("token profiles", GARBLED, *_UNUSABLE),
    *_choices("token", GARBLED, "no-access-token"),
    *_choices("token", HARMLESS, *(f"expires-in-{words}" for words in ("0", "-1", "soon", "99999999999"))),
    *_choices("token", HARMLESS, "rotate-token"),
    *_choices("profiles", HARMLESS, "doubled-list", "ids-as-text"),
)
"""All that can be drawn for what comes before the jobs."""


def draw_faults(seed: int, subjects: Iterable[Subject], *, severity: float = 1.0) -> tuple[Fault, ...]:
    """Draw a plan for jobs on these subjects. ``severity``: the mean number of faults a subject, at most four each."""
    rng = Random(f"weather/{seed}")
    often = severity / (1.0 + severity)
    early = _chosen(rng, BEFORE, sum(rng.random() < often for _ in range(2)))
    faults = [Fault.of(choice.stage, choice.words) for choice in early]
    choices = CHOICES
    for profile_id, entity in subjects:
        count = 0
        while count < MOST and rng.random() < often:
            count += 1
        chosen = _chosen(rng, choices, count)
        faults += [Fault.of(choice.stage, choice.words, profile_id=profile_id, entity=entity) for choice in chosen]
        if any(choice.cost == TOKEN for choice in chosen):
            choices = _WITHOUT_TOKEN
    return tuple(faults)


def _chosen(rng: Random, choices: tuple[Choice, ...], count: int) -> list[Choice]:
    chosen: list[Choice] = []
    while len(chosen) < count:
        choice = rng.choice(choices)
        if _fits(choice, chosen):
            chosen.append(choice)
    return sorted(chosen, key=lambda choice: choice.cost == HARMLESS)


def _fits(choice: Choice, chosen: list[Choice]) -> bool:
    alike = [other for other in chosen if other.cost == choice.cost]
    if choice.cost in _ONCE_A_STAGE:
        return all(other.stage != choice.stage for other in alike)
    return len(alike) < _OFTEN.get(choice.cost, MOST)
