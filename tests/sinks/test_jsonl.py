"""JSON Lines in files: the tree, the commit, what is ours and what is not."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import gzip
import hashlib
import json
import os
import pickle
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from asyncexport.accounts import Region
from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, DiskFull, SinkError, SinkLocked, SinkRejected, TooManyOpenFiles
from asyncexport.models import Entity, Evidence, Filters, Job, Profile, SignedUrl, TransferOrder
from asyncexport.ports import KeepsManifests, Travels
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.codecs import SUFFIXES, Compression, zstd
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.jsonl import JsonLinesWriter
from tests.sinks.support import BATCHES, FOLDER, TEXT, FaultyFiles, order, store, tree

RECORD = f"{FOLDER}/_part-0.receipt.json"
ZST = f"{FOLDER}/part-0.jsonl.zst"
GZ = f"{FOLDER}/part-0.jsonl.gz"


def decompress(path: Path) -> bytes:
    match path.suffix:
        case ".zst":
            return zstd.decompress(path.read_bytes())
        case ".gz":
            return gzip.decompress(path.read_bytes())
        case _:
            return path.read_bytes()


@pytest.mark.parametrize("compression", SUFFIXES)
async def test_rows_stand_where_they_are_from(compression: Compression, tmp_path: Path) -> None:
    """Entity, label and profile are the path; the file holds the rows' text; the record stands beside it."""
    receipt = await store(JsonLines(tmp_path, compression=compression))
    file = tmp_path / FOLDER / f"part-0{SUFFIXES[compression]}"
    assert sorted(tree(tmp_path)) == sorted([RECORD, str(file.relative_to(tmp_path))])
    assert decompress(file) == TEXT
    stored = file.read_bytes()
    assert (receipt.rows, receipt.bytes, receipt.sha256) == (3, len(stored), hashlib.sha256(stored).hexdigest())
    assert (receipt.location, receipt.export_id, receipt.source_bytes) == (str(file), "export-1", 99)
    assert (receipt.integrity, receipt.notes, receipt.generated_at) == ("gzip", ("an oddity",), "2026-11-23T02:00:00Z")


async def test_what_was_committed_is_found(tmp_path: Path) -> None:
    """The whole receipt is read back, by a sink that knows nothing but the path."""
    receipt = await store(JsonLines(tmp_path))
    assert await JsonLines(str(tmp_path)).find(order()) == receipt


async def test_a_relative_path_stays_where_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes the current directory, here or in another process, people read it as it was given."""
    for name in ("first", "then"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "first")
    sink = JsonLines("../first/out")
    monkeypatch.chdir(tmp_path / "then")
    moved = pickle.loads(pickle.dumps(sink))  # noqa: S301  our own
    await moved.prepare()
    receipt = await store(moved)
    assert await sink.find(order()) == receipt
    assert receipt.location == f"../first/out/{ZST}"
    assert await sink.keep("night", b"{}") == "../first/out/_runs/night.json"
    assert {path.parts[0] for path in map(Path, tree(tmp_path))} == {"first"}


async def test_a_relative_path_below_a_directory_that_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names no place at all; one from the root does."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="out is below the current directory, which is not there"):
        JsonLines("out")
    assert JsonLines(tmp_path).home == str(tmp_path)


async def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    """Bytes depend on the rows, not on how they were handed over, nor when."""
    await store(JsonLines(tmp_path / "a"))
    await store(JsonLines(tmp_path / "b"), batches=(Batch(TEXT, 3),))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize(
    "other",
    [
        order(account="b"),
        order(region=Region.NA),
        order(profile_id="9"),
        order(snapshot="later"),
        order(filters=Filters(states=("ENABLED",))),
        order(part=1),
    ],
)
async def test_another_job_is_not_found(other: TransferOrder, tmp_path: Path) -> None:
    """Each part of a job's identity counts."""
    sink = JsonLines(tmp_path)
    await store(sink)
    assert await sink.find(other) is None


async def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """Looking makes no folders."""
    assert await JsonLines(tmp_path / "nowhere").find(order()) is None
    assert tree(tmp_path) == {}


def link_away(path: Path, root: Path) -> None:
    path.rename(root / "elsewhere")
    path.symlink_to(root / "elsewhere")


def replace_by(make: Callable[[Path], object], path: Path) -> None:
    path.unlink()
    make(path)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no record": lambda root: (root / RECORD).unlink(),
    "no data": lambda root: (root / ZST).unlink(),
    "a flipped bit": lambda root: flip_a_bit(root / ZST),
    "a shorter file": lambda root: (root / ZST).write_bytes((root / ZST).read_bytes()[:-1]),
    "a linked file": lambda root: link_away(root / ZST, root),
    "a linked record": lambda root: link_away(root / RECORD, root),
    "a linked folder": lambda root: link_away(root / FOLDER, root),
    "a pipe for a record": lambda root: replace_by(os.mkfifo, root / RECORD),
    "a pipe for data": lambda root: replace_by(os.mkfifo, root / ZST),
    "a folder for data": lambda root: replace_by(Path.mkdir, root / ZST),
    "a record of nonsense": lambda root: (root / RECORD).write_bytes(b"\xff" * 1000),
    "an endless record": lambda root: (root / RECORD).write_bytes(
        (root / RECORD).read_bytes() + b" " * 2 * 1024 * 1024
    ),
    "another format of the same part": lambda root: (root / GZ).write_bytes(gzip.compress(TEXT)),
}


@pytest.mark.parametrize("how", DAMAGES)
async def test_what_is_not_whole_to_the_last_bit_is_not_found(how: str, tmp_path: Path) -> None:
    """A damaged or hostile tree is answered with None, never with an exception or a guess."""
    sink = JsonLines(tmp_path)
    await store(sink)
    DAMAGES[how](tmp_path)
    assert await sink.find(order()) is None


async def test_a_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    """What cannot be the file is refused before it is hashed."""
    await store(JsonLines(tmp_path))
    DAMAGES["a shorter file"](tmp_path)
    files = FaultyFiles()
    assert await JsonLines(tmp_path, files=files).find(order()) is None
    assert "digest" not in [name for name, _ in files.log]


LEFT = (f"{FOLDER}/part-0.jsonl.zst.part", f"{FOLDER}/_part-0.receipt.json.part")


async def test_what_a_killed_replacement_left_is_removed_where_the_older_file_is_found(tmp_path: Path) -> None:
    """The older file answers, so nobody writes that part again and ``find`` is the last to see its ``.part``."""
    receipt = await store(JsonLines(tmp_path))
    expected = tree(tmp_path)
    for path in LEFT:
        (tmp_path / path).write_bytes(b"half a")
    assert await JsonLines(tmp_path).find(order()) == receipt
    assert tree(tmp_path) == expected


@pytest.mark.parametrize("at", [15, 16])
async def test_an_error_while_tidying_changes_no_answer(at: int, tmp_path: Path) -> None:
    """What a killed run left is in nobody's way."""
    receipt = await store(JsonLines(tmp_path))
    files = FaultyFiles(at=at)
    assert await JsonLines(tmp_path, files=files).find(order()) == receipt
    assert not files.opened


async def test_probes_and_manifests_of_killed_runs_are_removed(tmp_path: Path) -> None:
    """Their names come once only, so no writer would meet them again; what is in use and what is not ours stays."""
    (tmp_path / "_runs").mkdir()
    for path in ("_probe-1.part", "_runs/old.json.part", "mine.part"):
        (tmp_path / path).write_bytes(b"half a")
    used = (tmp_path / "_runs/used.json.part").open("wb")
    fcntl.flock(used, fcntl.LOCK_EX)
    await JsonLines(tmp_path).prepare()
    await JsonLines(tmp_path).keep("new", b"{}")
    used.close()
    assert set(tree(tmp_path)) == {"mine.part", "_runs/new.json", "_runs/used.json.part"}


@pytest.mark.parametrize("at", range(1, 15))
async def test_an_error_while_looking_finds_nothing(at: int, tmp_path: Path) -> None:
    """What cannot be read is pulled anew; no descriptor is lost."""
    receipt = await store(JsonLines(tmp_path))
    files = FaultyFiles(at=at)
    found = await JsonLines(tmp_path, files=files).find(order())
    assert found is None
    assert receipt == await JsonLines(tmp_path).find(order())
    assert not files.opened


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("at", range(12))
async def test_looking_without_a_descriptor(at: int, code: int, tmp_path: Path) -> None:
    """Nobody knows then whether it is there, so that is what is said; no descriptor is lost (C15)."""
    await store(JsonLines(tmp_path))
    files = FaultyFiles(at, code)
    with pytest.raises(TooManyOpenFiles, match=r"looking for .*part-0\.jsonl\.zst failed"):
        await JsonLines(tmp_path, files=files).find(order())
    assert not files.opened


async def test_the_record_is_on_the_disk_before_the_file_has_its_name(tmp_path: Path) -> None:
    """The order of a commit: data synced, record synced and named, folder synced, data named, folder synced."""
    files = FaultyFiles()
    await store(JsonLines(tmp_path, files=files))
    steps = [step for step in files.log if step[0] in {"sync", "rename"}]
    assert steps[-6:] == [
        ("sync", ""),
        ("sync", ""),
        ("rename", "_part-0.receipt.json.part"),
        ("sync", ""),
        ("rename", "part-0.jsonl.zst.part"),
        ("sync", ""),
    ]
    assert not files.opened


def rights(root: Path) -> set[tuple[str, int]]:
    return {("file" if path.is_file() else "folder", stat.S_IMODE(path.stat().st_mode)) for path in root.rglob("*")}


async def test_rights_are_for_the_owner_alone(tmp_path: Path) -> None:
    """0600 and 0700 with an open umask, for data, record, manifest and folders."""
    before = os.umask(0)
    try:
        sink = JsonLines(tmp_path / "exports")
        await store(sink)
        await sink.keep("run-1", b"{}")
    finally:
        os.umask(before)
    assert rights(tmp_path) == {("file", 0o600), ("folder", 0o700)}


async def test_our_own_file_is_replaced(tmp_path: Path) -> None:
    """The engine asks find() first; open() of the same job replaces, whatever the filters were."""
    sink = JsonLines(tmp_path)
    await store(sink, order(filters=Filters(states=("ENABLED",))), BATCHES[:1])
    receipt = await store(sink)
    assert decompress(tmp_path / ZST) == TEXT
    assert await sink.find(order()) == receipt


async def test_our_own_damaged_file_is_replaced(tmp_path: Path) -> None:
    """What find() refuses is pulled anew without being in the way."""
    sink = JsonLines(tmp_path)
    await store(sink)
    flip_a_bit(tmp_path / ZST)
    assert await store(sink) == await sink.find(order())


async def test_another_compression_replaces_the_file(tmp_path: Path) -> None:
    """One part never stands there twice, under two names."""
    await store(JsonLines(tmp_path, compression="zstd"))
    receipt = await store(JsonLines(tmp_path, compression="gzip"))
    assert sorted(tree(tmp_path)) == [RECORD, GZ]
    assert await JsonLines(tmp_path, compression="gzip").find(order()) == receipt
    assert await JsonLines(tmp_path, compression="zstd").find(order()) is None


async def test_a_second_account_with_the_same_profile_is_told_whose_file_it_is(tmp_path: Path) -> None:
    """Two accounts may see one profile; neither replaces the other's file."""
    await store(JsonLines(tmp_path))
    before = tree(tmp_path)
    with pytest.raises(SinkRejected, match=r"campaigns of account 'acme' \(EU\), profile 123"):
        await store(JsonLines(tmp_path), order(account="b"))
    assert tree(tmp_path) == before


def foreign(kind: str, root: Path) -> Path:
    folder = root / FOLDER
    folder.mkdir(parents=True)
    (root / "target").write_bytes(b"precious")
    path = folder / "part-0.jsonl.zst"
    match kind:
        case "file":
            path.write_bytes(b"precious")
        case "link":
            path.symlink_to(root / "target")
        case "dangling link":
            path.symlink_to(root / "nowhere")
        case "folder":
            path.mkdir()
        case _:
            os.mkfifo(path)
    return path


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "folder", "pipe"])
async def test_what_is_not_ours_is_in_the_way(kind: str, tmp_path: Path) -> None:
    """Files without a record, links, folders and pipes are left as they are."""
    path = foreign(kind, tmp_path)
    what = path.lstat().st_mode
    with pytest.raises(SinkRejected, match="in the way") as caught:
        await store(JsonLines(tmp_path))
    assert str(path) in str(caught.value)
    assert path.lstat().st_mode == what
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "pipe"])
async def test_overwriting_replaces_the_name_and_follows_nothing(kind: str, tmp_path: Path) -> None:
    """With ``overwrite`` the name gets our file; what a link pointed to is not touched."""
    path = foreign(kind, tmp_path)
    await store(JsonLines(tmp_path, overwrite=True))
    assert decompress(path) == TEXT
    assert not path.is_symlink()
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "nowhere").exists()


async def test_a_folder_cannot_be_overwritten(tmp_path: Path) -> None:
    """It is a typed error, and nothing is left behind."""
    path = foreign("folder", tmp_path)
    with pytest.raises(SinkError, match="committing"):
        await store(JsonLines(tmp_path, overwrite=True))
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("component", FOLDER.split("/"))
async def test_a_linked_folder_is_not_entered(component: str, tmp_path: Path) -> None:
    """A link planted anywhere below the root is refused, and nothing appears where it leads."""
    names = FOLDER.split("/")
    (tmp_path / "elsewhere").mkdir()
    above = tmp_path.joinpath("exports", *names[: names.index(component)])
    above.mkdir(parents=True)
    (above / component).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SinkRejected, match=component):
        await store(JsonLines(tmp_path / "exports"))
    assert tree(tmp_path) == {}


async def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """The second is told that somebody writes there now; the first commits what is its own."""
    sink = JsonLines(tmp_path)
    with pytest.raises(SinkLocked):
        async with sink.open(order()), sink.open(order(account="b")):
            pass
    assert tree(tmp_path) == {}


async def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    """An exception in the block removes the ``.part`` and touches nothing else."""
    sink = JsonLines(tmp_path)
    await store(sink)
    before = tree(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with sink.open(order()) as writer:
            await writer.write(BATCHES[0])
            raise ZeroDivisionError
    assert tree(tmp_path) == before


async def test_without_a_seal_nothing_is_committed(tmp_path: Path) -> None:
    """A block that is left early by mistake leaves nothing."""
    with pytest.raises(SinkError, match="never sealed"):
        async with JsonLines(tmp_path).open(order()) as writer:
            await writer.write(BATCHES[0])
    assert tree(tmp_path) == {}


class Waiting(Files):
    """Syncing a file waits until it is allowed to go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.may_go_on = threading.Event()

    def sync(self, file: int) -> None:
        if stat.S_ISREG(os.fstat(file).st_mode):
            self.reached.set()
            self.may_go_on.wait()
        super().sync(file)


async def test_a_commit_that_is_cancelled_is_whole_or_not_there(tmp_path: Path) -> None:
    """Cancelled in the middle of the commit, the task ends when the thread has; what stands there is whole."""
    files = Waiting()
    task = asyncio.create_task(store(JsonLines(tmp_path, files=files)))
    await asyncio.to_thread(files.reached.wait)
    task.cancel()
    await asyncio.sleep(0)
    files.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(tree(tmp_path)) == [RECORD, ZST]
    assert await JsonLines(tmp_path).find(order()) is not None


async def test_a_writer_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    """Cancelled while rows are coming in, the ``.part`` goes."""
    entered = asyncio.Event()

    async def write() -> None:
        async with JsonLines(tmp_path).open(order()) as writer:
            await writer.write(BATCHES[0])
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tree(tmp_path) == {}


async def test_a_writer_that_was_never_opened_commits_nothing(tmp_path: Path) -> None:
    """Steps out of order are a typed error."""
    sink = JsonLines(tmp_path)
    writer = JsonLinesWriter(sink, order())
    writer.seal(Evidence(0, "gzip"))
    with pytest.raises(SinkError, match="not open"):
        await writer.finish()


@pytest.mark.parametrize("text", ["../x", "a/b", "", ".hidden", "nul", "x" * 101])
def test_labels_and_ids_that_do_not_fit_a_path_are_refused(text: str, tmp_path: Path) -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigError, match="snapshot label"):
        JsonLines(tmp_path).open(order(snapshot=text))
    with pytest.raises(ConfigError, match="profile id"):
        JsonLines(tmp_path).open(order(profile_id=text))


@pytest.mark.parametrize("path", ["", b"bytes", "nul\0"])
def test_a_path_that_is_none_is_a_mistake(path: Any) -> None:
    """The path is the text of a folder."""
    with pytest.raises(ConfigError, match="path of a folder"):
        JsonLines(path)


def test_a_compression_that_does_not_exist_is_a_mistake(tmp_path: Path) -> None:
    """Found when the sink is described, not when it is used."""
    with pytest.raises(ConfigError, match="brotli"):
        JsonLines(tmp_path, compression="brotli")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="level"):
        JsonLines(tmp_path, level=99)


def test_it_is_a_small_picklable_description(tmp_path: Path) -> None:
    """It travels to workers, compares by value, and opens nothing by itself."""
    sink = JsonLines(tmp_path / "exports", compression="gzip", level=9, overwrite=True)
    assert pickle.loads(pickle.dumps(sink)) == sink  # noqa: S301 - our own bytes
    assert isinstance(sink, Travels)
    assert sink.travels
    assert repr(sink) == f"JsonLines(path='{tmp_path}/exports', overwrite=True, compression='gzip', level=9)"
    assert not (tmp_path / "exports").exists()


async def test_manifests_are_kept_whole(tmp_path: Path) -> None:
    """Under ``_runs``, replacing an older one of the same name, with no link followed."""
    sink = JsonLines(tmp_path)
    assert isinstance(sink, KeepsManifests)
    await sink.keep("run-1", b"old")
    path = await sink.keep("run-1", b"{}")
    assert path == str(tmp_path / "_runs" / "run-1.json")
    assert tree(tmp_path) == {"_runs/run-1.json": b"{}"}
    with pytest.raises(ConfigError):
        await sink.keep("../run", b"{}")


@pytest.mark.parametrize("at", range(4, 14))
async def test_a_manifest_that_cannot_be_stored_is_a_typed_error(at: int, tmp_path: Path) -> None:
    """The older one stays, nothing partial is left, no descriptor is lost."""
    await JsonLines(tmp_path).keep("run-1", b"old")
    files = FaultyFiles(at=at)
    try:
        await JsonLines(tmp_path, files=files).keep("run-1", b"new")
    except SinkError:
        assert len(files.log) > at
    assert tree(tmp_path) in ({"_runs/run-1.json": b"old"}, {"_runs/run-1.json": b"new"})
    assert not files.opened


async def test_preparing_makes_the_folder_and_tells_what_is_free(tmp_path: Path) -> None:
    """Before any request is made, the folder is proved to be writable, and left empty."""
    free = await JsonLines(tmp_path / "a" / "b").prepare(needed=1)
    assert free > 0
    assert (tmp_path / "a" / "b").is_dir()
    assert tree(tmp_path) == {}


async def test_preparing_refuses_a_folder_without_room(tmp_path: Path) -> None:
    """Fewer bytes than needed is a full disk before it is one."""
    with pytest.raises(DiskFull, match="are needed"):
        await JsonLines(tmp_path).prepare(needed=2**80)


@pytest.mark.parametrize(("path", "reason"), [("file/exports", "Not a directory"), ("file", "Not a directory")])
async def test_preparing_refuses_what_cannot_be_a_folder(path: str, reason: str, tmp_path: Path) -> None:
    """Path, cause and fix are named."""
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=f"preparing {tmp_path / path} failed: {reason}; "):
        await JsonLines(tmp_path / path).prepare()


@pytest.mark.parametrize("at", range(1, 9))
async def test_preparing_reports_what_the_file_system_says(at: int, tmp_path: Path) -> None:
    """Whatever fails, it is a typed error before the run, and no descriptor is lost."""
    files = FaultyFiles(at=at)
    try:
        await JsonLines(tmp_path / "exports", files=files).prepare()
    except SinkError:
        assert len(files.log) > at
    assert not files.opened


def read_by_duckdb(root: Path, pattern: str = "*.jsonl.zst") -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        rows = connection.execute(
            "select profile_id, entity, campaignId from"
            " read_json(?, hive_partitioning=true, hive_types={'profile_id': varchar}) order by all",
            [f"{root}/entity=campaigns/**/{pattern}"],
        )
        return rows.fetchall()


async def test_duckdb_reads_the_tree_as_it_is(tmp_path: Path) -> None:
    """Partitions are columns; records, manifests and exports without rows do not disturb."""
    sink = JsonLines(tmp_path)
    await store(sink)
    await store(sink, order(profile_id="007"), BATCHES[:1])
    await store(sink, order(profile_id="9"), ())
    await sink.keep("run-1", b'{"not":"a row"}')
    expected = [("007", "campaigns", 1), ("007", "campaigns", 2)]
    expected += [("123", "campaigns", number) for number in (1, 2, 3)]
    assert [(profile, entity, int(number)) for profile, entity, number in read_by_duckdb(tmp_path)] == expected


@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_duckdb_reads_the_other_formats_too(compression: Compression, tmp_path: Path) -> None:
    """Files that are gzip or plain, by the same query."""
    await store(JsonLines(tmp_path, compression=compression))
    assert len(read_by_duckdb(tmp_path, f"*{SUFFIXES[compression]}")) == 3


async def test_every_entity_has_its_own_folder(tmp_path: Path) -> None:
    """In the API's own words."""
    for entity in Entity:
        job = Job(Profile("acme", Region.EU, "123"), entity, snapshot="night")
        await store(JsonLines(tmp_path), TransferOrder(job, "e", SignedUrl("https://host/")))
    assert {path.split("/")[0] for path in tree(tmp_path)} == {
        *("entity=adGroups", "entity=ads", "entity=campaigns", "entity=targets")
    }


async def test_the_record_names_the_job_and_no_url(tmp_path: Path) -> None:
    """What a person needs to know of a file, and nothing that opens a download."""
    await store(JsonLines(tmp_path))
    text = (tmp_path / RECORD).read_text()
    assert {"account", "region", "profile_id", "filters", "sha256", "export_id"} <= set(json.loads(text))
    assert "secret" not in text
