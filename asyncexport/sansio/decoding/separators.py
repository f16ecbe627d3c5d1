r"""What stands between two rows: learnt from the text itself, and looked for again to cut it between rows.

Contract: an answer is a proposal. Strings and nested objects may hold the same bytes, so whoever cuts there proves the
piece; who finds a proposal wrong says so.

Plan: a mark begins as the exact bytes from one row's ``}`` to the next row's first key, ``},{"campaignId"``. Once it
was wrong, true boundaries are compared while rows are counted out, and the mark grows to what is common around them; a
true boundary that the mark misses shortens it again, or replaces it.

Worst case: linear. Bytes that were searched for a mark in vain are not searched for it again; behind a wrong proposal
nothing is proposed until its place has been passed; a new mark is learnt only beyond what was searched for the last.
"""

from __future__ import annotations

import re
from typing import Final

NOT_FOUND: Final = -1

_BETWEEN = re.compile(rb'\}([ \t\n\r]{0,256},[ \t\n\r]{0,256})(\{[ \t\n\r]{0,256}(?:"[^"\\]{0,64}"?)?)')
_LEFT, _RIGHT = 32, 64


class Separator:
    """The mark, and what is known about where it is not. Offsets are in the buffer that is passed in."""

    __slots__ = (
        "_bare",
        "_common",
        "_doubted",
        "_lead",
        "_learn_from",
        "_left",
        "_mark",
        "_right",
        "_trusted_from",
        "gap",
    )

    def __init__(self) -> None:
        self._mark = self._left = self._right = b""
        self._lead = self.gap = 0
        self._bare = 0, 0
        self._learn_from = 0
        self._trusted_from = 0
        self._doubted = False
        self._common: tuple[bytes, bytes] | None = None

    def __repr__(self) -> str:
        return f"<Separator of {len(self._mark)} bytes>"

    def trusted(self, at: int) -> bool:
        """Return whether there is a mark to look for, and no refuted proposal ahead of ``at``."""
        return bool(self._mark) and at >= self._trusted_from

    def first(self, text: bytearray, end: int) -> int:
        """Return the first proposed end of a row that is not before ``end``, or ``NOT_FOUND``.

        Behind it stands what separates rows, ``gap`` bytes of it, and then the beginning of a row.
        """
        beyond = max(len(text) - len(self._mark) + 1, 0)
        start = min(max(end - self._lead, 0), beyond)
        bare_from, bare_to = self._bare
        known = bare_from <= start <= bare_to
        found = text.find(self._mark, bare_to if known else start)
        if found != NOT_FOUND:
            return found + self._lead
        self._bare = bare_from if known else start, beyond
        return NOT_FOUND

    def last(self, text: bytearray, at: int) -> int:
        """Return the last proposed end of a row that begins at ``at`` or later, after :meth:`first` found none."""
        bare_from, bare_to = self._bare
        found = text.rfind(self._mark, at, bare_from + len(self._mark) - 1)
        if found != NOT_FOUND:
            return found + self._lead
        self._bare = min(at, bare_from), bare_to
        return NOT_FOUND

    def skip(self, end: int) -> None:
        """Propose nothing until ``end`` has been passed."""
        self._trusted_from = end

    def wrong(self, end: int) -> None:
        """Take note that ``end`` is perhaps no end of a row; propose nothing until it has been passed."""
        self._trusted_from = end
        self._doubted = True

    def learn(self, text: bytearray, start: int, end: int) -> None:
        """Look at what stands around the end of a row that was counted out, if it has come in."""
        match = _BETWEEN.match(text, end - 1)
        if match is None or match.end() == len(text):
            return
        left, right = bytes(text[max(start, end - 1 - _LEFT) : end - 1]), bytes(text[end : end + _RIGHT])
        if self._doubted:
            self._compare(left, right, end, len(text))
        elif end >= self._learn_from and not (left.endswith(self._left) and right.startswith(self._right)):
            self._replace(left, right, match[1] + match[2])
            self._learn_from = len(text)
        elif not self._mark:
            self._set(b"", match[1] + match[2])
            self._learn_from = len(text)

    def dropped(self, count: int) -> None:
        """Take note that the buffer lost its first ``count`` bytes."""
        self._bare = max(self._bare[0] - count, 0), max(self._bare[1] - count, 0)
        self._learn_from = max(self._learn_from - count, 0)
        self._trusted_from = max(self._trusted_from - count, 0)

    def _compare(self, left: bytes, right: bytes, end: int, size: int) -> None:
        """Narrow down what true ends have in common; when the refuted one is passed, that is the mark."""
        if self._common and b"{" in (shorter := common_start(self._common[1], right)):
            self._common = common_end(self._common[0], left), shorter
        else:
            self._common = left, right
            return
        if end >= self._trusted_from:
            self._set(*self._common)
            self._doubted = False
            self._learn_from = size

    def _replace(self, left: bytes, right: bytes, plain: bytes) -> None:
        """Take what the mark and a boundary that it misses have in common; if that says nothing, the boundary's."""
        shorter = common_start(self._right, right)
        if shorter.startswith(plain[: plain.index(b"{") + 1]):
            self._set(common_end(self._left, left), shorter)
        else:
            self._set(b"", plain)

    def _set(self, left: bytes, right: bytes) -> None:
        self._left, self._right, self._mark = left, right, left + b"}" + right
        self._lead, self.gap = len(left) + 1, right.index(b"{")
        self._bare = 0, 0


def common_start(one: bytes, two: bytes) -> bytes:
    """Return the longest bytes that both begin with."""
    size = min(len(one), len(two))
    return next((one[:at] for at in range(size) if one[at] != two[at]), one[:size])


def common_end(one: bytes, two: bytes) -> bytes:
    """Return the longest bytes that both end with."""
    return common_start(one[::-1], two[::-1])[::-1]
