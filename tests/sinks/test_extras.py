"""A library that is not there is told of by the name of the extra that brings it."""

from __future__ import annotations

import pytest

from asyncexport.errors import ConfigError
from asyncexport.sinks.extras import require


def test_a_library_that_is_missing() -> None:
    """The message says what to install."""
    with pytest.raises(ConfigError, match=r"needs no_such_library, .*pip install 'asyncexport\[tables\]'"):
        require("no_such_library", extra="tables")


def test_a_library_that_is_there() -> None:
    """It is loaded, and nothing is said."""
    require("json", extra="none")
