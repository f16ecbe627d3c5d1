"""Folders for the owner alone."""

from __future__ import annotations

from pathlib import Path


def make_private(folder: Path) -> None:
    """Create a folder, and the parents that are missing, 0700 whatever the umask; leave alone what is there.

    (``mkdir(parents=True)`` gives the mode to the last one only.) Raises ``OSError``.
    """
    if folder.is_dir():
        return
    make_private(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
