"""Several sinks from one download: all of them commit, or the outcome says which have."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from asyncexport.batch import Batch
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import ConfigError, DiskFull, SinkError, TooManyOpenFiles
from asyncexport.models import Evidence, Exported, Failed, Receipt, TransferOrder
from asyncexport.ports import KeepsManifests, KeepsParts, Sink, SinkWriter
from asyncexport.sinks import Callback, JsonLines, Memory, Null, ObjectStore, Parquet, Tee
from asyncexport.testing import MemoryJournal
from tests.engine.pulling import exporter, planned, pulled
from tests.sinks.support import BATCHES, PARTS, TEXT, order, part_of, store, tree
from tests.test_end_to_end import ROUGH


@dataclass
class Troubled:
    """Another sink, which fails ``at`` a step, and counts its exports by how they ended."""

    at: str
    error: BaseException
    inner: Memory = field(default_factory=Memory)
    ends: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:
        if self.at == "open":
            raise self.error
        try:
            async with self.inner.open(order) as writer:
                yield _TroubledWriter(self, writer)
                if self.at == "commit":
                    raise self.error
        except BaseException as error:
            self.ends.append(type(error).__name__)
            raise
        self.ends.append("committed")

    async def find(self, order: TransferOrder) -> Receipt | None:
        return await self.inner.find(order)


class _TroubledWriter:
    def __init__(self, sink: Troubled, writer: SinkWriter) -> None:
        self._sink = sink
        self._writer = writer

    async def write(self, batch: Batch) -> None:
        if self._sink.at == "write":
            raise self._sink.error
        await self._writer.write(batch)

    def seal(self, evidence: Evidence) -> None:
        self._writer.seal(evidence)

    @property
    def receipt(self) -> Receipt:
        return self._writer.receipt


class Swallowing(Memory):
    """A sink that swallows what it is left by."""

    @asynccontextmanager
    async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:  # type: ignore[override]
        try:
            async with super().open(order) as writer:
                yield writer
        except ZeroDivisionError:
            return


async def test_every_sink_has_the_rows(tmp_path: Path) -> None:
    """The receipt is the first sink's and names the others' places; every one is found."""
    files, memory = JsonLines(tmp_path, compression="none"), Memory()
    tee = Tee(files, memory, Null())
    receipt = await store(tee)
    assert memory.text(order().job) == TEXT
    assert list(tree(tmp_path).values())[-1] == TEXT
    assert receipt.notes == (
        "an oddity",
        "also in memory:campaigns/night/123/part-0",
        "also in null:campaigns/night/123/part-0",
    )
    assert await Tee(files, memory).find(order()) == replace(receipt, notes=receipt.notes[:2])
    assert await tee.find(order()) is None


def test_two_sinks_of_files_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are refused however the folder is spelt: each would remove what the other has committed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", "a/", "./a", "link", f"file://{tmp_path}/a/"):
        with pytest.raises(ConfigError, match=r"two sinks of files have the folder .*; give each one of its own"):
            Tee(JsonLines("a"), Memory(), Tee(Parquet(path)))
    with pytest.raises(ConfigError, match="two sinks"):
        Tee(JsonLines("s3://bucket/a"), JsonLines("s3://bucket/a/", compression="gzip"))
    elsewhere = ObjectStore(endpoint="https://here.example")
    Tee(JsonLines("a"), Parquet("b"), JsonLines("s3://bucket/a"), JsonLines("s3://bucket/a", files=elsewhere))


@pytest.mark.parametrize("at", ["open", "write"])
@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_fails_before_the_commit(at: str, place: int) -> None:
    """Nothing is committed anywhere, and the error is the sink's own."""
    memories = [Memory(), Memory()]
    sinks: list[Sink] = [*memories]
    sinks.insert(place, Troubled(at, DiskFull("no space")))
    with pytest.raises(DiskFull, match=r"^no space$") as caught:
        await store(Tee(*sinks))
    assert caught.value.committed == ()
    assert [memory.store for memory in memories] == [{}, {}]


async def test_one_fails_at_the_commit() -> None:
    """Those before it have committed, which the error says; those after it discard."""
    first, last = Memory(), Memory()
    troubled = Troubled("commit", DiskFull("no space"))
    with pytest.raises(DiskFull) as caught:
        await store(Tee(first, troubled, last))
    assert caught.value.committed == ("memory:campaigns/night/123/part-0",)
    assert str(caught.value) == "no space; committed all the same: memory:campaigns/night/123/part-0"
    assert first.text(order().job) == TEXT
    assert last.store == {}
    assert troubled.ends == ["DiskFull"]


async def test_an_error_of_a_strangers_sink_is_told_apart_too() -> None:
    """As a plain sink error without its secrets."""
    troubled = Troubled("commit", ZeroDivisionError("at https://host/key?X-Amz-Signature=abc"))
    with pytest.raises(SinkError, match=r"^ZeroDivisionError: at .*; committed all the same: memory:") as caught:
        await store(Tee(Memory(), troubled))
    assert "abc" not in str(caught.value)


async def test_an_error_that_needs_no_more_words() -> None:
    """Want of descriptors is tried again whatever is committed; a first sink that fails leaves nothing to tell."""
    for before, error in ((Memory(), TooManyOpenFiles("none left")), (Null(), ConfigError("not mine"))):
        with pytest.raises(type(error)) as caught:
            await store(Tee(before, Troubled("commit", error)))
        assert caught.value is error
    full = DiskFull("no space")
    with pytest.raises(DiskFull) as caught_first:
        await store(Tee(Troubled("commit", full), Memory()))
    assert caught_first.value is full


async def test_the_next_run_writes_only_where_the_export_is_missing() -> None:
    """An export that all have is found; one that some have is moved into the others alone."""
    first, second = Memory(), Troubled("commit", SinkError("broken"))
    tee = Tee(first, second)
    with pytest.raises(SinkError):
        await store(tee)
    assert await tee.find(order()) is None
    (stored,) = first.store.values()
    second.at = ""
    receipt = await store(tee)
    assert first.store[order().job.key] is stored
    assert (receipt.rows, second.ends) == (3, ["SinkError", "committed"])
    assert await tee.find(order()) == receipt


async def test_another_export_is_written_everywhere() -> None:
    """Sinks that hold different exports of a job do not count as having it; pulling it again makes them one."""
    first, second = Memory(), Memory()
    await store(first)
    tee, newer = Tee(first, second), replace(order(), export_id="export-2")
    await store(second, newer)
    assert await tee.find(order()) is None
    await store(tee, replace(order(), export_id="export-3"), BATCHES[1:])
    assert first.text(order().job) == second.text(order().job) == BATCHES[1].text


async def test_a_sink_that_swallows_what_it_is_left_by() -> None:
    """The others do not commit for that."""
    memory = Memory()
    with pytest.raises(ZeroDivisionError):
        async with Tee(Swallowing(), memory).open(order()) as writer:
            await writer.write(BATCHES[0])
            writer.seal(Evidence(1, "gzip"))
            raise ZeroDivisionError
    assert memory.store == {}


@pytest.mark.parametrize("place", [0, 1])
async def test_a_cancellation_while_one_commits(place: int) -> None:
    """Passes through every sink; what has not committed discards, and the next run makes it whole."""
    hanging = asyncio.Event()

    class Hanging(Memory):
        @asynccontextmanager
        async def open(self, order: TransferOrder) -> AsyncIterator[SinkWriter]:  # type: ignore[override]
            async with super().open(order) as writer:
                yield writer
                hanging.set()
                await asyncio.sleep(3600)

    slow, memory = Hanging(), Memory()
    sinks = [memory]
    sinks.insert(place, slow)
    storing = asyncio.create_task(store(Tee(*sinks)))
    await hanging.wait()
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert slow.store == {}
    assert bool(memory.store) is (place == 1)
    receipt = await store(Tee(memory, Memory()))
    assert (receipt.rows, memory.text(order().job)) == (3, TEXT)


async def test_parts_are_found_and_settled_in_every_sink() -> None:
    """Where a sink keeps parts; the job is there when all the sinks have the same parts."""
    first, second = Memory(), Memory()
    tee = Tee(first, second, Troubled("", SinkError("")))
    assert isinstance(tee, KeepsParts)
    for number in range(len(PARTS)):
        assert await tee.find(order()) is None
        await store(tee, part_of(number), BATCHES[:1])
    found = await tee.find(order())
    assert found is not None
    assert len(found.parts) == len(PARTS)
    await tee.settle(order().job, 2)
    assert [sorted(memory.store[order().job.key]) for memory in (first, second)] == [[0, 1], [0, 1]]


async def test_manifests_are_kept_once() -> None:
    """By the first sink that keeps any."""
    first, second = Memory(), Memory()
    tee = Tee(Null(), first, second)
    assert isinstance(tee, KeepsManifests)
    assert await tee.keep("run", b"{}") == "memory:_runs/run.json"
    assert (first.manifests, second.manifests) == ({"run": b"{}"}, {})
    with pytest.raises(SinkError, match="none of the sinks keeps manifests"):
        await Tee(Null()).keep("run", b"{}")


async def test_there_is_no_receipt_before_every_commit() -> None:
    """Whoever asks early is told so."""
    async with Tee(Null(), Null()).open(order()) as writer:
        assert repr(writer) == "<TeeWriter [<Null open>, <Null open>]>"
        with pytest.raises(SinkError, match="no receipt before every sink"):
            _ = writer.receipt
        writer.seal(Evidence(1, "gzip"))
    assert writer.receipt.rows == 0


def test_rows_are_built_at_once_where_all_its_sinks_want_them(tmp_path: Path) -> None:
    """One that asks for the text would pay for it otherwise."""

    async def take(*_: object) -> None:
        raise NotImplementedError

    built, spelt = Callback(take, wants_rows=True), Callback(take)
    assert [Tee(*sinks).wants_rows for sinks in ([built], [built, Tee(built)], [built, spelt])] == [True, True, False]
    assert not Tee(JsonLines(tmp_path), built).wants_rows


def test_it_travels_where_all_its_sinks_do(tmp_path: Path) -> None:
    """Pickled, it is the same; a sink of this process keeps the others here."""
    tee = Tee(JsonLines(tmp_path), Null())
    assert pickle.loads(pickle.dumps(tee)) == tee  # noqa: S301 - our own bytes
    assert (tee.travels, Tee(Null(), Memory()).travels) == (True, False)
    with pytest.raises(ConfigError, match="at least one sink"):
        Tee()


@pytest.mark.emulator(profiles=2, accounts=1, rows=2000, weather=ROUGH)
async def test_rough_weather_and_a_sink_that_fails_in_the_first_run(emulator: EmulatorServer, tmp_path: Path) -> None:
    """After the second run both sinks have the same rows, and nothing was asked for twice."""
    memory, journal = Memory(), MemoryJournal()
    files = JsonLines(tmp_path, compression="none")
    troubled = Troubled("commit", SinkError("the first night"), memory)
    async with exporter(emulator, journal=journal) as pulling:
        jobs = await planned(pulling)
        outcomes = await pulled(pulling, jobs, Tee(files, troubled))
        assert {type(each.error).__name__ for each in outcomes if isinstance(each, Failed)} == {"SinkError"}
        assert all(isinstance(each, Failed) and each.error.committed for each in outcomes)  # type: ignore[attr-defined]
        before = tree(tmp_path)
        outcomes = await pulled(pulling, jobs, Tee(files, memory))
    assert all(isinstance(each, Exported) for each in outcomes)
    assert tree(tmp_path) == before
    for each in outcomes:
        assert isinstance(each, Exported)
        assert before[str(Path(each.receipt.location).relative_to(tmp_path))] == memory.text(each.job)
