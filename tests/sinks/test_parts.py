"""A job in several files: found when its parts are the whole of it, and nothing of an earlier split stays beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from asyncexport.batch import Batch
from asyncexport.errors import SinkError
from asyncexport.models import Entity, Filters, Job, Receipt
from asyncexport.ports import KeepsParts
from asyncexport.sansio.scheduling.splitting import split
from asyncexport.sinks import JsonLines
from tests.sinks.support import FOLDER, PARTS, Died, FaultyFiles, order, part_of, store, tree

DEEPER = tuple(order(filters=part).job for part in split(PARTS[0].filters, Entity.CAMPAIGNS))
FIVE = (DEEPER[0], *PARTS[1:], *DEEPER[1:])
"""Part 0 of three, split once more: its first child has its number, the others the next ones."""


async def stored(root: Path, numbers: range, parts: tuple[object, ...] = PARTS) -> list[Receipt]:
    return [await store(JsonLines(root), part_of(number, parts)) for number in numbers]  # type: ignore[arg-type]


def data(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("part-*.jsonl.zst"))


async def test_all_parts_are_found(tmp_path: Path) -> None:
    """Parts 0, 1, 2, ... that ask for each row of the job exactly once are the job, in one receipt."""
    receipts = await stored(tmp_path, range(3))
    found = await JsonLines(tmp_path).find(order())

    assert found == Receipt.of_parts(receipts)
    assert found.parts == tuple(receipts)
    assert [await JsonLines(tmp_path).find(part_of(number)) for number in range(3)] == receipts


async def test_parts_of_parts_are_found(tmp_path: Path) -> None:
    """A part that was split again stands under its number and the next free ones."""
    receipts = await stored(tmp_path, range(5), FIVE)

    assert await JsonLines(tmp_path).find(order()) == Receipt.of_parts(receipts)
    assert await JsonLines(tmp_path).find(part_of(0)) is None


@pytest.mark.parametrize("missing", [0, 1, 2])
async def test_a_part_that_is_missing(missing: int, tmp_path: Path) -> None:
    """Without any one of its parts a job is not there; the other parts are found one by one."""
    receipts = await stored(tmp_path, range(3))
    (tmp_path / FOLDER / f"part-{missing}.jsonl.zst").unlink()
    sink = JsonLines(tmp_path)

    assert await sink.find(order()) is None
    found = [await sink.find(part_of(number)) for number in range(3)]
    assert found == [None if number == missing else receipts[number] for number in range(3)]


async def test_filters_that_were_not_asked_for(tmp_path: Path) -> None:
    """Parts of everything are no answer to a job that asks for less, nor the other way round."""
    await stored(tmp_path, range(3))
    assert await JsonLines(tmp_path).find(order(filters=Filters(states=("PAUSED",)))) is None
    await store(JsonLines(tmp_path), order(filters=Filters(states=("PAUSED",))))
    assert await JsonLines(tmp_path).find(order()) is None


async def test_another_account_has_part_of_the_numbers(tmp_path: Path) -> None:
    """A record of somebody else's ends the row of parts."""
    await stored(tmp_path, range(3))
    record = tmp_path / FOLDER / "_part-1.receipt.json"
    content = json.loads(record.read_text()) | {"account": "b"}
    record.write_text(json.dumps(content))

    assert await JsonLines(tmp_path).find(order()) is None


async def test_the_same_rows_by_other_words(tmp_path: Path) -> None:
    """One file whose filters name all that there is answers a job that names nothing, as one file."""
    named = Filters().of(Entity.CAMPAIGNS)
    twice = order(filters=Filters(named.ad_products[::-1], named.states[::-1]))
    receipt = await store(JsonLines(tmp_path), twice)

    assert await JsonLines(tmp_path).find(order()) == receipt


async def test_one_file_after_several(tmp_path: Path) -> None:
    """The commit of a whole job removes the parts of an earlier split, records and dead ``.part`` files too."""
    await stored(tmp_path, range(5), FIVE)
    (tmp_path / FOLDER / "part-3.jsonl.zst.part").write_bytes(b"half a")
    await store(JsonLines(tmp_path))

    assert set(tree(tmp_path)) == {f"{FOLDER}/part-0.jsonl.zst", f"{FOLDER}/_part-0.receipt.json"}


async def test_fewer_parts_than_before(tmp_path: Path) -> None:
    """Settling removes what stands beyond the parts that there are now, under any compression."""
    await stored(tmp_path, range(5), FIVE)
    await store(JsonLines(tmp_path, compression="gzip"), part_of(3, FIVE))
    receipts = await stored(tmp_path, range(3))
    sink = JsonLines(tmp_path)
    assert isinstance(sink, KeepsParts)
    await sink.settle(order().job, 3)

    assert data(tmp_path) == ["part-0.jsonl.zst", "part-1.jsonl.zst", "part-2.jsonl.zst"]
    assert len(tree(tmp_path)) == 6
    assert await sink.find(order()) == Receipt.of_parts(receipts)


async def test_left_over_parts_are_removed_where_the_job_is_found(tmp_path: Path) -> None:
    """A kill before settling leaves what the next run removes when it finds the job."""
    await stored(tmp_path, range(5), FIVE)
    older = tree(tmp_path)
    await store(JsonLines(tmp_path))
    for path, content in older.items():
        if "part-0" not in path:
            (tmp_path / path).write_bytes(content)
    assert len(data(tmp_path)) == 5
    assert await JsonLines(tmp_path).find(order()) is not None
    assert len(data(tmp_path)) == 1


async def test_new_parts_wait_beside_what_stands(tmp_path: Path) -> None:
    """No reader meets them until the job is settled, under any compression; then they are all there is."""
    for before in ("zstd", "gzip"):
        root = tmp_path / before
        await store(JsonLines(root, compression=before))
        older = tree(root)
        receipts = await stored(root, range(3))
        new = {path: content for path, content in tree(root).items() if path not in older}

        assert {path: content for path, content in tree(root).items() if path in older} == older
        assert len(new) == 6
        assert all(Path(path).name.startswith("_") and path.endswith(".staged") for path in new)
        assert [await JsonLines(root).find(part_of(number)) for number in range(3)] == receipts
        assert {str(root / path) for path in new if "receipt" not in path} == {each.stands_at for each in receipts}
        await JsonLines(root).settle(order().job, 3)
        found = await JsonLines(root).find(order())
        assert found == Receipt.of_parts(receipts)
        assert [Path(each.stands_at).name for each in found.parts] == data(root)
        assert len(tree(root)) == 6


async def test_the_old_rows_are_the_answer_while_new_parts_are_missing(tmp_path: Path) -> None:
    """Who looks for the job finds what stands, and removes what waits beside it."""
    receipt = await store(JsonLines(tmp_path))
    older = tree(tmp_path)
    await stored(tmp_path, range(1, 3))

    assert await JsonLines(tmp_path).find(order()) == receipt
    assert tree(tmp_path) == older


async def test_new_parts_that_another_run_has_removed(tmp_path: Path) -> None:
    """What would not be the whole job is not settled: the old rows stay alone."""
    await store(JsonLines(tmp_path))
    older = tree(tmp_path)
    await stored(tmp_path, range(1, 3))
    with pytest.raises(SinkError, match="have gone"):
        await JsonLines(tmp_path).settle(order().job, 3)

    assert {path: content for path, content in tree(tmp_path).items() if path in older} == older
    assert len(data(tmp_path)) == 1


@pytest.mark.parametrize("mark", [b"", b"{", b"[]", b'{"job": []}'])
async def test_a_mark_of_somebody_else(mark: bytes, tmp_path: Path) -> None:
    """A mark that does not name this job moves nothing."""
    receipt = await store(JsonLines(tmp_path))
    await stored(tmp_path, range(3))
    (tmp_path / FOLDER / "_settling.json").write_bytes(mark)

    assert await JsonLines(tmp_path).find(order()) == receipt
    assert data(tmp_path) == ["part-0.jsonl.zst"]


async def test_a_part_that_stands_is_older_than_one_that_waits(tmp_path: Path) -> None:
    """One that waits and is damaged gives way to the one that stands, and is removed."""
    (receipt,) = await stored(tmp_path, range(1))
    await stored(tmp_path, range(1))
    (tmp_path / FOLDER / "_part-0.jsonl.zst.staged").write_bytes(b"damaged")

    assert await JsonLines(tmp_path).find(part_of(0)) == receipt
    assert len(tree(tmp_path)) == 2


@pytest.mark.parametrize("before", [(), PARTS, FIVE])
async def test_killed_at_any_operation_of_again(before: tuple[Job, ...], tmp_path: Path) -> None:
    """For every N: the process ends before operation N. The old rows are found, all and alone, or the new ones are."""
    new = (Batch(b'{"campaignId":"9"}\n', 1),)

    async def scene(name: str) -> Path:
        root = tmp_path / name
        await (stored(root, range(len(before)), before) if before else store(JsonLines(root)))
        return root

    async def act(root: Path, files: FaultyFiles) -> None:
        for number in range(3):
            await store(JsonLines(root, files=files), part_of(number), new)
        await JsonLines(root, files=files).settle(order().job, 3)

    undisturbed, goal = FaultyFiles(), await scene("goal")
    older = tree(goal)
    await act(goal, undisturbed)
    marked = undisturbed.log.index(("rename", "_settling.json.part"))
    for at in range(len(undisturbed.log)):
        root = await scene(f"{at}")
        files = FaultyFiles(at=at, failure=Died)
        with pytest.raises(Died):
            await act(root, files)
        files.end()
        if at <= marked:
            assert {path: content for path, content in tree(root).items() if "/part-" in path} == {
                path: content for path, content in older.items() if "/part-" in path
            }
        assert await JsonLines(root).find(order()) is not None
        assert tree(root) == (older if at <= marked else tree(goal))


async def test_a_part_that_is_all_that_is_asked_for(tmp_path: Path) -> None:
    """Who asks for what part 0 of a larger job holds finds it, and leaves the other parts of that job alone."""
    receipts = await stored(tmp_path, range(3))

    assert await JsonLines(tmp_path).find(order(filters=PARTS[0].filters)) == receipts[0]
    assert await JsonLines(tmp_path).find(order()) == Receipt.of_parts(receipts)


NOT_OURS: dict[str, Callable[[Path], object]] = {
    "no record": lambda folder: (folder / "_part-4.receipt.json").unlink(),
    "no record that can be read": lambda folder: (folder / "_part-4.receipt.json").write_bytes(b"{"),
    "a record of another account": lambda folder: (folder / "_part-4.receipt.json").write_text(
        (folder / "_part-4.receipt.json").read_text().replace('"acme"', '"b"')
    ),
}


@pytest.mark.parametrize("what", NOT_OURS)
async def test_what_is_not_ours_stays(what: str, tmp_path: Path) -> None:
    """Only what its record calls a part of this job is removed."""
    await stored(tmp_path, range(5), FIVE)
    NOT_OURS[what](tmp_path / FOLDER)
    await JsonLines(tmp_path).settle(order().job, 3)

    assert data(tmp_path)[3:] == ["part-4.jsonl.zst"]


async def test_a_link_for_a_part_stays(tmp_path: Path) -> None:
    """What is no plain file is none of ours, whatever the record says; it is not followed either."""
    await stored(tmp_path, range(5), FIVE)
    aside = tmp_path / "aside"
    (tmp_path / FOLDER / "part-4.jsonl.zst").rename(aside)
    (tmp_path / FOLDER / "part-4.jsonl.zst").symlink_to(aside)
    await JsonLines(tmp_path).settle(order().job, 3)

    assert aside.exists()
    assert (tmp_path / FOLDER / "part-4.jsonl.zst").is_symlink()


async def test_other_names_stay(tmp_path: Path) -> None:
    """Names that no part has are not looked at."""
    await stored(tmp_path, range(3))
    names = ("part-007.jsonl.zst", "part-x.jsonl.zst", "apart-9.jsonl.zst", "part-9", f"part-{9**40}.jsonl.zst")
    for name in names:
        (tmp_path / FOLDER / name).write_bytes(b"mine")
    await JsonLines(tmp_path).settle(order().job, 0)

    assert {path.name for path in (tmp_path / FOLDER).iterdir()} == set(names)


async def test_nothing_to_settle(tmp_path: Path) -> None:
    """A folder that is not there has nothing left over."""
    await JsonLines(tmp_path / "none").settle(order().job, 1)

    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("whole", [False, True])
async def test_killed_at_any_operation_nothing_is_left_over_for_good(whole: bool, tmp_path: Path) -> None:
    """For every N: the process ends before operation N of settling, or of a whole commit; the next run tidies up."""

    async def act(root: Path, files: FaultyFiles) -> None:
        sink = JsonLines(root, files=files)
        await (store(sink) if whole else sink.settle(order().job, 3))

    async def scene(name: str) -> tuple[Path, dict[str, bytes]]:
        root = tmp_path / name
        await stored(root, range(5), FIVE)
        older = tree(root)
        if not whole:
            await stored(root, range(3))
        return root, older

    undisturbed = FaultyFiles()
    goal, _ = await scene("goal")
    await act(goal, undisturbed)
    for at in range(len(undisturbed.log)):
        root, older = await scene(f"{at}")
        files = FaultyFiles(at=at, failure=Died)
        with pytest.raises(Died):
            await act(root, files)
        files.end()
        if await JsonLines(root).find(order()) is None:
            await store(JsonLines(root))
        assert tree(root) in [tree(goal), older]


async def test_what_cannot_be_removed(tmp_path: Path) -> None:
    """For every N: operation N of settling fails: a typed error, no lost descriptor, and it can be repeated."""
    undisturbed = FaultyFiles()
    for at in range(-1, 40):
        root = tmp_path / f"{at}"
        await stored(root, range(5), FIVE)
        await stored(root, range(3))
        files = undisturbed if at < 0 else FaultyFiles(at=at)
        sink = JsonLines(root, files=files)
        fails = 0 <= at < len(undisturbed.log)
        with pytest.raises(SinkError, match="removing left-over parts") if fails else nullcontext():
            await sink.settle(order().job, 3)
        assert not files.opened
        await JsonLines(root).find(order())
        assert len(tree(root)) in {6, 10}


async def test_an_error_while_removing_finds_nothing(tmp_path: Path) -> None:
    """Where left-over parts cannot be removed the job is not called found: its rows would stand twice."""
    await stored(tmp_path, range(3))
    parts = tree(tmp_path)
    await store(JsonLines(tmp_path))
    beside = {path: content for path, content in parts.items() if "part-0" not in path}
    for path, content in beside.items():
        (tmp_path / path).write_bytes(content)
    undisturbed = FaultyFiles()
    assert await JsonLines(tmp_path, files=undisturbed).find(order()) is not None
    unlinked = next(at for at, (name, _) in enumerate(undisturbed.log) if name == "unlink")
    for path, content in beside.items():
        (tmp_path / path).write_bytes(content)
    files = FaultyFiles(at=unlinked)

    assert await JsonLines(tmp_path, files=files).find(order()) is None
    assert not files.opened
    assert len(data(tmp_path)) == 3
