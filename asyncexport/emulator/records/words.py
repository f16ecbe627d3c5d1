"""The vocabulary of faults: what each word is called, which stages know it, and what a call must be for it to bite.

A word is text such as ``return-503`` or ``stall-2-after-30%``; its numbers are taken from the text itself, so that a
plan reads aloud. Amounts of bytes are counted in the body that is being sent, or given as a percentage of it; times are
in seconds; free text is percent-encoded, so that it holds no blank and no semicolon. What these words must be able to
produce is the matrix in ``tests/faults/README.md``; the table below is the whole list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

STAGES = ("token", "profiles", "request", "poll", "download")

Met: TypeAlias = Mapping[str, tuple[str, ...]]
"""The words that bite one call: their arguments by their names. Empty: fair weather."""

ANY, READY, RANGED = "any", "ready", "ranged"
"""What a call must be: any that would have succeeded, a look at a completed export, a request for a range."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of the vocabulary."""

    name: str
    pattern: re.Pattern[str]
    stages: frozenset[str]
    needs: str = ANY


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a plan. Two are equal when they were written alike."""

    text: str
    name: str
    args: tuple[str, ...]
    needs: str

    def __str__(self) -> str:
        return self.text


def parse_word(text: str, stage: str) -> Word:
    """Read one word. Raises ``ValueError`` for a word that does not exist or does not belong to the stage."""
    for entry in VOCABULARY:
        match = entry.pattern.fullmatch(text)
        if match is None:
            continue
        if stage not in entry.stages:
            raise ValueError(f"weather: {text!r} means nothing at the stage {stage!r}, only at {_listed(entry.stages)}")
        return Word(text, entry.name, tuple(unquote(arg) for arg in match.groups()), entry.needs)
    known = sorted({entry.name for entry in VOCABULARY if stage in entry.stages})
    raise ValueError(f"weather: unknown word {text!r}; the stage {stage!r} knows {', '.join(known)}")


def _listed(stages: Iterable[str]) -> str:
    return ", ".join(sorted(stages, key=STAGES.index))


def _entries(stages: str, *forms: str, needs: str = ANY) -> tuple[Entry, ...]:
    return tuple(_entry(form, frozenset(stages.split()), needs) for form in forms)


def _entry(form: str, stages: frozenset[str], needs: str) -> Entry:
    name, *parts = re.split(r"([A-Z]+)", form)
    pattern = re.escape(name) + "".join(_SLOTS.get(part, re.escape(part)) for part in parts)
    return Entry(name.rstrip("-"), re.compile(pattern), stages, needs)


_SLOTS = {
    "STATUS": r"(\d{3})",
    "BYTES": r"(\d+%?)",
    "NUMBER": r"(-?\d+)",
    "COUNT": r"([1-9]\d*)",
    "SECONDS": r"(\d+(?:\.\d+)?)",
    "NAME": r"(\w+)",
    "TEXT": r"([^\s;]*)",
}
_ALL = "token profiles request poll download"
_API = "token profiles request poll"

VOCABULARY = (
    # instead of an answer
    *_entries(_ALL, "return-STATUS", "reset", "redirect-TEXT"),
    # an answer, and what is wrong with it
    *_entries(_API, "lost-answer"),
    *_entries(_ALL, "status-STATUS", "retry-after-date-NUMBER", "no-retry-after", "retry-after-TEXT", "delay-SECONDS"),
    *_entries(_ALL, "media-type-TEXT", "garbage-body"),
    *_entries(_API, "truncated-body"),
    *_entries(_ALL, "empty-body", "html-body"),
    *_entries(_API, "huge-body"),
    # the body on its way
    *_entries(_ALL, "broken-after-BYTES", "fin-after-BYTES", "stall-SECONDS-after-BYTES", "drip-COUNT"),
    # tokens
    *_entries("request poll", "deny-scope"),
    *_entries("token", "deny-NAME", "no-access-token", "expires-in-TEXT", "rotate-token"),
    *_entries("profiles request poll", "revoke-token"),
    # profiles
    *_entries("profiles", "empty-list", "doubled-list", "ids-as-text"),
    # exports
    *_entries("request", "no-id", "id-TEXT"),
    *_entries("request poll", "word-TEXT", "fail-NAME"),
    *_entries("poll", "no-url", "evil-url-TEXT", "file-size-TEXT", "expires-at-TEXT", needs=READY),
    *_entries("poll", "too-old"),
    *_entries("poll download", "not-found"),
    *_entries("poll download", "expire-url-403", "expire-url", needs=READY),
    # the object store
    *_entries("download", "slow-down", "signature-mismatch", "skewed"),
    *_entries("download", "content-encoding-TEXT", "identity", "chunked", "content-range-TEXT", "wrong-length"),
    *_entries("download", "flip-bit-BYTES", "drop-byte-BYTES", "extra-bytes-COUNT"),
    *_entries("download", "no-etag", "weak-etag", "change-etag"),
    *_entries("download", "ignore-range", "wrong-range", needs=RANGED),
)
"""Every word there is; where two patterns fit, the first one counts."""
