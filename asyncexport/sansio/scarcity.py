"""Descriptors that have run out: how that is told from every other error of the system, and what is said about it."""

from __future__ import annotations

import errno

from asyncexport.errors import TooManyOpenFiles

_FIXES = {
    errno.EMFILE: "too many files and connections are open here; raise the limit (ulimit -n) or lower downloads",
    errno.ENFILE: "the system has too many files open; close some or lower downloads",
}


def no_descriptor(error: BaseException, what: str) -> TooManyOpenFiles | None:
    """Return what ``error`` is for us if it says that no descriptor was left for ``what``, else None."""
    fix = _FIXES.get(error.errno or 0) if isinstance(error, OSError) else None
    return None if fix is None else TooManyOpenFiles(f"{what}: {fix}")
