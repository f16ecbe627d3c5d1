"""``asyncexport version``."""

from __future__ import annotations

import platform

from click.testing import CliRunner

from asyncexport._version import __version__
from asyncexport.app.cli import main


def test_the_version() -> None:
    """The version of the package and of the Python that runs it, which is what a bug report needs."""
    result = CliRunner().invoke(main, ["version"])
    assert result.stdout == f"asyncexport {__version__} (Python {platform.python_version()})\n"
