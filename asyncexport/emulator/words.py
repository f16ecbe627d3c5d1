"""The vocabulary of faults: what each word is called, which stages know it, and what a call must be for it to bite.

A word is text such as ``return-503`` or ``stall-2-after-30%``; its numbers are taken from the text itself, so that a
plan reads aloud. Amounts of bytes are counted in the body that is being sent, or given as a percentage of it; times are
in seconds; free text is percent-encoded, so that it holds no blank and no semicolon. What these words must be able to
produce is the matrix of ``faults.md``; the table below is the whole list.
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


def _entry(form: str, stages: str, needs: str = ANY) -> Entry:
    name, *parts = re.split(r"([A-Z]+)", form)
    pattern = re.escape(name) + "".join(_SLOTS.get(part, re.escape(part)) for part in parts)
    return Entry(name.rstrip("-"), re.compile(pattern), frozenset(stages.split()), needs)


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
    _entry("return-STATUS", _ALL),
    _entry("reset", _ALL),
    _entry("redirect-TEXT", _ALL),
    # an answer, and what is wrong with it
    _entry("lost-answer", _API),
    _entry("status-STATUS", _ALL),
    _entry("retry-after-date-NUMBER", _ALL),
    _entry("no-retry-after", _ALL),
    _entry("retry-after-TEXT", _ALL),
    _entry("delay-SECONDS", _ALL),
    _entry("media-type-TEXT", _ALL),
    _entry("garbage-body", _ALL),
    _entry("truncated-body", _API),
    _entry("empty-body", _ALL),
    _entry("html-body", _ALL),
    _entry("huge-body", _API),
    # the body on its way
    _entry("broken-after-BYTES", _ALL),
    _entry("fin-after-BYTES", _ALL),
    _entry("stall-SECONDS-after-BYTES", _ALL),
    _entry("drip-COUNT", _ALL),
    # tokens
    _entry("deny-scope", "request poll"),
    _entry("deny-NAME", "token"),
    _entry("no-access-token", "token"),
    _entry("expires-in-TEXT", "token"),
    _entry("rotate-token", "token"),
    _entry("revoke-token", "profiles request poll"),
    # profiles
    _entry("empty-list", "profiles"),
    _entry("doubled-list", "profiles"),
    _entry("ids-as-text", "profiles"),
    # exports
    _entry("no-id", "request"),
    _entry("id-TEXT", "request"),
    _entry("word-TEXT", "request poll"),
    _entry("fail-NAME", "request poll"),
    _entry("no-url", "poll", READY),
    _entry("evil-url-TEXT", "poll", READY),
    _entry("file-size-TEXT", "poll", READY),
    _entry("expires-at-TEXT", "poll", READY),
    _entry("too-old", "poll"),
    _entry("not-found", "poll download"),
    _entry("expire-url-403", "poll download", READY),
    _entry("expire-url", "poll download", READY),
    # the object store
    _entry("slow-down", "download"),
    _entry("signature-mismatch", "download"),
    _entry("skewed", "download"),
    _entry("content-encoding-TEXT", "download"),
    _entry("identity", "download"),
    _entry("chunked", "download"),
    _entry("content-range-TEXT", "download"),
    _entry("wrong-length", "download"),
    _entry("flip-bit-BYTES", "download"),
    _entry("drop-byte-BYTES", "download"),
    _entry("extra-bytes-COUNT", "download"),
    _entry("no-etag", "download"),
    _entry("weak-etag", "download"),
    _entry("change-etag", "download"),
    _entry("ignore-range", "download", RANGED),
    _entry("wrong-range", "download", RANGED),
)
"""Every word there is; where two patterns fit, the first one counts."""
