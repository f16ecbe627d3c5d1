"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """The library without one of its guards.

    ``name`` says what goes wrong then; in ``file`` below ``asyncexport/`` the text ``old`` stands exactly once and
    becomes ``new``; of ``tests`` at least one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
