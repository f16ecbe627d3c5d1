"""Which texts may become part of a path.

Contract: a label is 1 to 100 of ``A-Z a-z 0-9 . _ -``, does not begin with a dot and is no name that Windows reserves,
so that no label leaves its folder, hides, or cannot be copied elsewhere.
"""

from __future__ import annotations

import re

from asyncexport.errors import ConfigError

_LABEL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def check_label(text: str, *, what: str = "label") -> str:
    """Return ``text`` if it may become part of a path; raise :class:`ConfigError` saying what is wrong otherwise."""
    if _LABEL.fullmatch(text) is None:
        shown = text if len(text) <= 40 else text[:40] + "..."
        raise ConfigError(
            f"{what} {shown!r} cannot be part of a path: use 1 to 100 of the characters A-Z a-z 0-9 . _ - "
            "and no dot at the beginning"
        )
    if text.split(".", 1)[0].lower() in _RESERVED:
        raise ConfigError(f"{what} {text!r} cannot be part of a path: Windows reserves that name; add something to it")
    return text
