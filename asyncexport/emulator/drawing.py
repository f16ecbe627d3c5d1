"""Random plans that a good client survives: every job still ends with its rows, and every fault has been met.

So a plan holds only faults the contract calls recoverable, and is careful with what a client may do only so often: at
most one fault of a job makes it start the download anew, one makes it ask for the export anew, one answer a stage is
unusable, two faults make it ask for a fresh URL. One fault of a whole plan spoils a token: were a second one to die
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
GARBLED, RENEW = "garbled", "renew"
_OFTEN = {RESTART: 1, ANEW: 1, TOKEN: 1, RENEW: 2}
_ONCE_A_STAGE = {HARMLESS, GARBLED}


@dataclass(frozen=True, slots=True)
class Choice:
    """Words that can be drawn at a stage, and what they cost the client."""

    stage: str
    words: str
    cost: str = BUMP


_UNUSABLE = ("garbage-body", "empty-body", "html-body", "truncated-body")
_THROTTLES = (
    "no-retry-after",
    "retry-after-0",
    "retry-after-1",
    "retry-after-date-1",
    "retry-after-soon",
    "retry-after--3",
)

CHOICES = (
    *(Choice(stage, f"return-{status}") for stage in ("request", "poll") for status in (500, 502, 503, 504)),
    *(
        Choice(stage, words)
        for stage in ("request", "poll", "download")
        for words in ("reset", "return-503", "return-500", "return-408", "return-503 retry-after-1")
    ),
    *(Choice(stage, f"return-429 {words}") for stage in ("request", "poll") for words in _THROTTLES),
    *(Choice(stage, words, TOKEN) for stage in ("request", "poll") for words in ("return-401", "revoke-token")),
    *(Choice(stage, words, GARBLED) for stage in ("request", "poll") for words in _UNUSABLE),
    *(
        Choice(stage, words, HARMLESS)
        for stage in ("request", "poll", "download")
        for words in ("delay-0.005", "media-type-application/json")
    ),
    Choice("request", "lost-answer"),
    Choice("request", "broken-after-40%"),
    Choice("request", "fin-after-70%"),
    Choice("request", "no-id", GARBLED),
    Choice("request", "id-..%2F..%2Fv2%2Fprofiles", GARBLED),
    Choice("request", "fail-INTERNAL_ERROR", ANEW),
    Choice("request", "status-200", HARMLESS),
    Choice("request", "word-QUEUED", HARMLESS),
    Choice("poll", "lost-answer"),
    Choice("poll", "broken-after-60%"),
    Choice("poll", "fin-after-20%"),
    Choice("poll", "huge-body", GARBLED),
    Choice("poll", "word-IN_PROGRESS"),
    Choice("poll", "word-in_queue"),
    Choice("poll", "word-null"),
    Choice("poll", "no-url"),
    Choice("poll", "not-found"),
    Choice("poll", "expire-url", RENEW),
    Choice("poll", "expire-url-403", RENEW),
    Choice("poll", "status-202", HARMLESS),
    Choice("poll", "expires-at-none", HARMLESS),
    Choice("poll", "expires-at-soon", HARMLESS),
    Choice("poll", "expires-at-9999-12-31T23:59:59Z", HARMLESS),
    Choice("poll", "file-size-1", HARMLESS),
    Choice("poll", "file-size-none", HARMLESS),
    Choice("download", "slow-down"),
    Choice("download", "return-429 retry-after-1"),
    Choice("download", "expire-url", RENEW),
    Choice("download", "expire-url-403", RENEW),
    Choice("download", "skewed", RENEW),
    Choice("download", "signature-mismatch", RENEW),
    Choice("download", "not-found", ANEW),
    *(Choice("download", f"{how}-after-{share}%") for how in ("broken", "fin") for share in (0, 10, 50, 90, 99)),
    Choice("download", "broken-after-50% no-etag", RESTART),
    Choice("download", "fin-after-50% weak-etag", RESTART),
    *(Choice("download", f"flip-bit-{share}%", RESTART) for share in (0, 50, 70, 100)),
    *(Choice("download", f"drop-byte-{share}%", RESTART) for share in (0, 20, 70, 100)),
    Choice("download", "extra-bytes-3", RESTART),
    Choice("download", "wrong-length", RESTART),
    Choice("download", "html-body", RESTART),
    Choice("download", "garbage-body", RESTART),
    Choice("download", "empty-body", RESTART),
    Choice("download", "content-encoding-gzip", HARMLESS),
    Choice("download", "content-encoding-br", HARMLESS),
    Choice("download", "chunked", HARMLESS),
    Choice("download", "identity", HARMLESS),
    Choice("download", "weak-etag", HARMLESS),
    Choice("download", "stall-0.01-after-50%", HARMLESS),
)
"""All that can be drawn for a subject."""

_WITHOUT_TOKEN = tuple(choice for choice in CHOICES if choice.cost != TOKEN)

BEFORE = (
    *(
        Choice(stage, words)
        for stage in ("token", "profiles")
        for words in (
            "return-500",
            "return-503",
            "return-429 no-retry-after",
            "return-429 retry-after-1",
            "reset",
            "lost-answer",
            "broken-after-50%",
        )
    ),
    *(Choice(stage, words, GARBLED) for stage in ("token", "profiles") for words in _UNUSABLE),
    Choice("token", "no-access-token", GARBLED),
    *(Choice("token", f"expires-in-{words}", HARMLESS) for words in ("0", "-1", "soon", "99999999999")),
    Choice("token", "rotate-token", HARMLESS),
    Choice("profiles", "doubled-list", HARMLESS),
    Choice("profiles", "ids-as-text", HARMLESS),
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
