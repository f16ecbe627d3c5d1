"""What a sink of files does in its folder: trying it is in nobody's way, also when several do it at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asyncexport.errors import SinkError
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.folders import leave_mark, prepare_folder, see_mark

FILES = Files()


class Meeting(Files):
    """Somebody else, by chance with the same process number, does ``theirs`` while a file is written here."""

    def __init__(self, theirs: Callable[[], object]) -> None:
        self.theirs = theirs

    def write(self, file: int, data: bytes) -> None:
        """Let them, then write."""
        self.theirs()
        super().write(file, data)


def test_several_look_for_one_mark_at_once(tmp_path: Path) -> None:
    """Workers in containers often have the same process number: none is refused because of another."""
    take_away = leave_mark(FILES, str(tmp_path), "ours")
    look = partial(see_mark, root=str(tmp_path), mark="ours")
    look(Meeting(partial(look, FILES)))
    take_away()

    assert list(tmp_path.iterdir()) == []


def test_several_prepare_one_folder_at_once(tmp_path: Path) -> None:
    """Exporters that begin together in containers do not take each other's probe for their own."""
    prepare = partial(prepare_folder, root=str(tmp_path))

    assert prepare(Meeting(partial(prepare, FILES))) > 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_mark(tmp_path: Path) -> None:
    """Another folder and none at all are told apart, and neither is written."""
    with pytest.raises(SinkError, match="is another folder"):
        see_mark(FILES, str(tmp_path), "ours")
    with pytest.raises(SinkError, match="is not there"):
        see_mark(FILES, str(tmp_path / "none"), "ours")
    assert list(tmp_path.iterdir()) == []
