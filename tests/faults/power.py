"""What a power loss may leave of a sequence of file operations: every state that the operations' syncs allow.

The model, after ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014), as pessimistic as POSIX:

* what was written into a file is certain once the file was synced after it, a name in a folder once the folder was;
* everything else is there or not, each operation by itself and in any order; of a write there may be the first half;
* where an earlier write is lost and a later one is not, there are zeros; a rename is one operation, both its names or
  neither; syncing a file says nothing about its name;
* the power may go after any operation.

What is kept of SQLite's files is SQLite's own promise (``synchronous=FULL``) and not modelled here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from asyncexport.sinks.files.disk import Files

Tree: TypeAlias = Mapping[str, bytes]
"""Files by their path below the root, with their content."""

FOLDER: Final = -1


@dataclass(frozen=True)
class Named:
    """Names in a folder now mean other things: a file by its number, a folder, or (None) nothing."""

    folder: str
    meanings: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Wrote:
    """Bytes went to the end of a file, which had ``offset`` before."""

    file: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Synced:
    """A file (by number) or a folder (by path) was synced."""

    what: int | str


Step: TypeAlias = Named | Wrote | Synced


class RecordedFiles(Files):
    """The real file system, which keeps ``steps``: what was done below ``root``, on top of ``before``."""

    def __init__(self, root: str, before: Tree) -> None:
        self.root = root
        self.before = before
        self.steps: list[Step] = []
        self._open: dict[int, int | str] = {}
        self._sizes: list[int] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def open_root(self, path: str) -> int:
        """Remember where the descriptor points, as do the next ones."""
        return self._remember(super().open_root(path), path.removeprefix(self.root).strip("/"))

    def open_folder(self, parent: int, name: str) -> int:
        """Open and remember."""
        return self._remember(super().open_folder(parent, name), self._path(parent, name))

    def make_folder(self, parent: int, name: str) -> bool:
        """Record a new folder's name."""
        is_new = super().make_folder(parent, name)
        if is_new:
            self.steps.append(Named(str(self._open[parent]), ((name, FOLDER),)))
        return is_new

    def create(self, folder: int, name: str) -> int:
        """Record a new file's name."""
        number = len(self._sizes)
        self._sizes.append(0)
        self._numbers[str(self._open[folder]), name] = number
        self.steps.append(Named(str(self._open[folder]), ((name, number),)))
        return self._remember(super().create(folder, name), number)

    def write(self, file: int, data: bytes) -> None:
        """Record what is appended."""
        super().write(file, data)
        number = self._open[file]
        assert isinstance(number, int)
        self.steps.append(Wrote(number, self._sizes[number], bytes(data)))
        self._sizes[number] += len(data)

    def sync(self, file: int) -> None:
        """Record what is certain now."""
        super().sync(file)
        self.steps.append(Synced(self._open[file]))

    def rename(self, folder: int, old: str, new: str) -> None:
        """Record both names."""
        super().rename(folder, old, new)
        where = str(self._open[folder])
        number = self._numbers[where, new] = self._numbers.pop((where, old))
        self.steps.append(Named(where, ((old, None), (new, number))))

    def unlink(self, folder: int, name: str) -> None:
        """Record a name that goes."""
        super().unlink(folder, name)
        self.steps.append(Named(str(self._open[folder]), ((name, None),)))

    def __reduce__(self) -> Any:
        raise TypeError("a recording stays where it was made")

    def _remember(self, file: int, what: int | str) -> int:
        self._open[file] = what
        return file

    def _path(self, parent: int, name: str) -> str:
        return str(PurePosixPath(str(self._open[parent]), name))

    def worlds(self, first: int = 0) -> Iterator[Tree]:
        """Yield every tree that a power loss may leave after ``first`` steps or more, each once."""
        seen = set()
        for end in range(first, len(self.steps) + 1):
            for kept in _kept(self.steps[:end]):
                tree = _built(self.before, kept)
                if (key := frozenset(tree.items())) not in seen:
                    seen.add(key)
                    yield tree


def _kept(steps: Sequence[Step]) -> Iterator[list[Named | Wrote]]:
    """Yield every choice of what is kept of these steps."""
    choices: list[tuple[Named | Wrote | None, ...]] = []
    for number, step in enumerate(steps):
        if isinstance(step, Synced):
            continue
        certain = Synced(step.folder if isinstance(step, Named) else step.file) in steps[number:]
        choices.append((step,) if certain else (None, step, *_torn(step)))
    for choice in product(*choices):
        yield [step for step in choice if step is not None]


def _torn(step: Named | Wrote) -> tuple[Wrote, ...]:
    if isinstance(step, Named) or len(step.data) < 2:
        return ()
    return (Wrote(step.file, step.offset, step.data[: len(step.data) // 2]),)


def _built(before: Tree, kept: Sequence[Named | Wrote]) -> Tree:
    """Return the files that can be reached."""
    contents: dict[int, bytearray] = {}
    found: dict[str, int | bytes | None] = dict(before)
    folders = {str(parent) for path in before for parent in PurePosixPath(path).parents} | {"", "."}
    for step in kept:
        if isinstance(step, Wrote):
            content = contents.setdefault(step.file, bytearray())
            content.extend(bytes(max(0, step.offset + len(step.data) - len(content))))
            content[step.offset : step.offset + len(step.data)] = step.data
        else:
            for name, meaning in step.meanings:
                path = str(PurePosixPath(step.folder, name))
                if meaning == FOLDER:
                    folders.add(path)
                else:
                    found[path] = meaning
    return {
        path: bytes(contents.get(meaning, b"")) if isinstance(meaning, int) else meaning
        for path, meaning in found.items()
        if meaning is not None and all(str(parent) in folders for parent in PurePosixPath(path).parents)
    }
