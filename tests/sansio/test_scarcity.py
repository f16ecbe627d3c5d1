"""Descriptors that have run out."""

from __future__ import annotations

import errno

import pytest

from asyncexport.sansio.scarcity import no_descriptor


@pytest.mark.parametrize(("code", "fix"), [(errno.EMFILE, "ulimit -n"), (errno.ENFILE, "the system")])
def test_no_descriptor_in_the_process_or_in_the_system(code: int, fix: str) -> None:
    """Both are the same error, which says what for and how to mend it."""
    told = no_descriptor(OSError(code, "secret"), "opening x")

    assert told is not None
    assert str(told).startswith("opening x: ")
    assert fix in str(told)
    assert "secret" not in str(told)


@pytest.mark.parametrize("error", [OSError(errno.EIO, ""), OSError(), FileNotFoundError(), ValueError(errno.EMFILE)])
def test_any_other_error(error: Exception) -> None:
    """Whatever else went wrong is somebody else's to say."""
    assert no_descriptor(error, "opening x") is None
