"""Whether a sink means the same place on every Dask worker."""

from __future__ import annotations

import shutil
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from asyncexport.engine.runners.dask.reach import Reach, look
from asyncexport.engine.runners.dask.words import Packed, Seated
from asyncexport.errors import ConfigError
from asyncexport.sinks import JsonLines, Memory, Null, Tee


class Workers:
    """Dask workers with this machine's folders, each after something was done to them."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.asked_of: list[list[str] | None] = []
        self.before: Any = lambda: None
        self.answer: Any = None

    async def asked(self, ask: Any, *args: Any, workers: list[str] | None = None) -> dict[str, Any]:
        """Ask them."""
        self.asked_of.append(workers)
        self.before()
        return {name: self.answer or await ask(*args) for name in workers or self.names}


def names(folder: Path) -> list[str]:
    """Return what stands in a folder."""
    return sorted(path.name for path in folder.iterdir())


def reach(workers: Workers) -> Reach:
    """Return what is known about them."""
    return Reach(cast("Any", workers))


async def test_a_folder_that_all_see_is_good(tmp_path: Path) -> None:
    """It is made if it is not there; nothing of the question stays in it, and it is not asked again."""
    workers = Workers("a", "b")
    asking, sink = reach(workers), JsonLines(tmp_path / "new")
    for _ in range(2):
        await asking.check(sink)
    await asking.check_at(Seated(0, "a", "host"))
    assert workers.asked_of == [None]
    assert names(tmp_path / "new") == []


async def test_a_worker_that_came_later_is_asked_before_its_first_errand(tmp_path: Path) -> None:
    """Once for each sink."""
    workers = Workers("a")
    asking = reach(workers)
    for name in ("one", "two"):
        await asking.check(JsonLines(tmp_path / name))
    for _ in range(2):
        await asking.check_at(Seated(0, "b", "host"))
    assert workers.asked_of == [None, None, ["b"], ["b"]]


@pytest.mark.parametrize("both", [False, True], ids=["alone", "tee"])
async def test_a_folder_that_is_another_one_there_is_refused(tmp_path: Path, *, both: bool) -> None:
    """With the worker and the path: it would store where nobody looks."""
    folder, workers = tmp_path / "out", Workers("tcp://b:1")

    def swap() -> None:
        shutil.rmtree(folder)
        folder.mkdir()

    workers.before = swap
    sink = Tee(Null(), JsonLines(folder)) if both else JsonLines(folder)
    with pytest.raises(ConfigError, match=f"worker at tcp://b:1 on .+: {folder} is there, but is another folder"):
        await reach(workers).check(sink)


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """It is not made: that would be another folder."""
    folder, workers = tmp_path / "out", Workers("b")
    workers.before = lambda: shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=f"{folder} is not there; all machines must see the same folder"):
        await reach(workers).check(JsonLines(folder))
    assert not folder.exists()


async def test_a_folder_that_cannot_be_written_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's worker may see it and no more."""
    workers = Workers("b")

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    workers.before = lambda: monkeypatch.setattr(type(JsonLines("x").files), "create", refused)
    with pytest.raises(ConfigError, match="Permission denied; let this user write there"):
        await reach(workers).check(JsonLines(tmp_path))


@dataclass(frozen=True)
class Staying:
    """A sink with a place that cannot be pickled."""

    travels: ClassVar[bool] = True

    def __reduce__(self) -> str:
        raise ValueError("I stay")

    def marked(self, mark: str) -> AbstractAsyncContextManager[None]:
        """Mark."""
        raise AssertionError(mark)

    async def sees(self, mark: str) -> None:
        """See."""

    def open(self, order: Any) -> Any:
        """Begin."""

    async def find(self, order: Any) -> Any:
        """Find."""


@pytest.mark.parametrize("sink", [Memory(), Null(), Staying()], ids=["stays", "nowhere", "unpicklable"])
async def test_a_sink_that_does_not_go_there_is_not_asked_for(sink: Any) -> None:
    """What does not travel is used in the loop, and what has no place is everywhere."""
    workers = Workers("a")
    await reach(workers).check(sink)
    assert workers.asked_of == []


async def test_a_worker_that_cannot_read_the_sink_is_left_to_its_transfers(tmp_path: Path) -> None:
    """They then run in the loop, which is told with the reason."""
    workers = Workers("a")
    workers.answer = ModuleNotFoundError("No module named 'mine'")
    await reach(workers).check(JsonLines(tmp_path))


async def test_an_object_store_is_the_same_from_everywhere() -> None:
    """No mark is left in it."""
    sink = JsonLines("s3://bucket/prefix")
    async with sink.marked("mark"):
        await sink.sees("mark")


async def test_a_mark_that_was_left_behind_goes_with_the_next(tmp_path: Path) -> None:
    """A process that was killed leaves its own."""
    (tmp_path / "_mark-old.part").touch()
    sink = JsonLines(tmp_path)
    async with sink.marked("new"):
        assert names(tmp_path) == ["_mark-new.part"]
        assert (await look(Packed.of(sink), "new"))[1] == ""
        assert names(tmp_path) == ["_mark-new.part"]
    assert names(tmp_path) == []
