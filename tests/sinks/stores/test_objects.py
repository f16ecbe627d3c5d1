"""The tree of files in a bucket of a real S3 server: whole or not at all, found again, and nothing left behind."""

from __future__ import annotations

import io
import json
import pickle
import socket
import threading
from datetime import timedelta
from pathlib import Path

import obstore
import pyarrow.parquet as pq
import pytest

from asyncexport.batch import Batch
from asyncexport.errors import ConfigError, SinkError, SinkLocked, SinkRejected, SinkUnreachable
from asyncexport.models import Evidence, Receipt
from asyncexport.ports import KeepsManifests, KeepsParts
from asyncexport.sinks import JsonLines, ObjectStore, Parquet, Tee
from asyncexport.sinks.stores.objects import BOUNDLESS
from asyncexport.sinks.stores.uploads import PIECE
from tests.sinks.moto_server import Bucket
from tests.sinks.support import BATCHES, FOLDER, PARTS, TEXT, order, part_of, store

DATA, RECORD = f"{FOLDER}/part-0.jsonl", f"{FOLDER}/_part-0.receipt.json"
THEIRS = TEXT.replace(b"1", b"9")
LINES = b'{"campaignId":"%d"}\n'
LARGE = tuple(Batch((LINES % at) * 50_000, 50_000, at * 50_000) for at in range(10**6, 10**6 + 19))


def plain(bucket: Bucket, **more: str) -> JsonLines:
    return JsonLines(bucket.url, compression="none", files=bucket.files(**more))


def uploads_have_ended() -> None:
    """Wait for the threads of uploads that were given up."""
    for thread in threading.enumerate():
        if thread.name == "asyncexport-upload":
            thread.join(20)


async def test_an_export_becomes_an_object_beside_its_record(bucket: Bucket) -> None:
    """Under the same names as in a folder; its receipt is found again by another sink."""
    receipt = await store(plain(bucket))
    assert bucket.tree().keys() == {DATA, RECORD}
    assert bucket.tree()[DATA] == TEXT
    assert receipt.location == f"{bucket.url}/{DATA}"
    assert await plain(bucket).find(order()) == receipt
    assert await plain(bucket).find(order(account="b")) is None


async def test_a_digest_that_is_noted_spares_reading_the_object(bucket: Bucket) -> None:
    """The note holds for one version: without it, or for other content, the object itself decides."""
    receipt = await store(plain(bucket))
    note = f"ads/nightly/{FOLDER}/_part-0.jsonl.sha256"
    noted = json.loads(bucket.content(note))
    assert noted["sha256"] == receipt.sha256
    for text in (b"no JSON", b"[]", b'{"e_tag": "other"}', b'{"e_tag": "%s"}' % noted["e_tag"][1:-1].encode()):
        obstore.put(bucket.store(), note, text)
        assert await plain(bucket).find(order()) == receipt
        assert json.loads(bucket.content(note)) == noted
    obstore.put(bucket.store(), note, json.dumps({**noted, "sha256": "another"}).encode())
    assert await plain(bucket).find(order()) is None
    obstore.put(bucket.store(), f"ads/nightly/{DATA}", TEXT.replace(b"1", b"9"))
    assert await plain(bucket).find(order()) is None
    assert (await store(plain(bucket))) == receipt
    assert await plain(bucket).find(order()) == receipt


async def test_a_large_export_is_uploaded_while_it_comes_in(bucket: Bucket) -> None:
    """As a multipart upload that is nothing to a reader until the commit."""
    async with plain(bucket).open(order()) as writer:
        for batch in LARGE:
            await writer.write(batch)
        assert (bucket.unfinished(), bucket.keys()) == (1, {})
        writer.seal(Evidence(99, "gzip"))
    assert bucket.unfinished() == 0
    assert bucket.tree()[DATA] == b"".join(batch.text for batch in LARGE)
    assert writer.receipt.bytes > 2 * PIECE
    assert await plain(bucket).find(order()) == writer.receipt


async def test_what_is_given_up_is_aborted(bucket: Bucket) -> None:
    """Neither an object nor a piece of one is left, however large it had become."""
    for batches in (LARGE, BATCHES):
        with pytest.raises(ZeroDivisionError):
            async with plain(bucket).open(order()) as writer:
                for batch in batches:
                    await writer.write(batch)
                raise ZeroDivisionError
    uploads_have_ended()
    assert (bucket.unfinished(), bucket.keys()) == (0, {})


async def test_what_a_killed_run_left_is_aborted_by_the_next(bucket: Bucket) -> None:
    """Of the object that is stored; the uploads of others may be somebody's."""
    left = [obstore.open_writer(bucket.store(), f"ads/nightly/{DATA}{more}") for more in ("", ".more")]
    for writer in left:
        writer.write(bytes(12 * 1024 * 1024))
    assert bucket.unfinished() == 2
    await store(plain(bucket), batches=LARGE)
    assert bucket.unfinished() == 1


async def test_of_two_runs_that_store_the_same_export_the_second_fails(bucket: Bucket) -> None:
    """An object that was not there when the upload began is created, never replaced."""
    for batches in (BATCHES, LARGE):
        with pytest.raises(SinkRejected, match="somebody else has stored it meanwhile"):
            async with plain(bucket).open(order()) as writer:
                for batch in batches:
                    await writer.write(batch)
                obstore.put(bucket.store(), f"ads/nightly/{DATA}", THEIRS)
                writer.seal(Evidence(99, "gzip"))
        uploads_have_ended()
        assert bucket.content(f"ads/nightly/{DATA}") == THEIRS
        assert bucket.unfinished() == 0
        for key in list(bucket.keys()):
            obstore.delete(bucket.store(), key)


async def test_an_object_that_is_there_already_byte_for_byte(bucket: Bucket) -> None:
    """Is ours: the answer to a call may be lost, and the call made again meets what the first one stored."""
    async with plain(bucket).open(order()) as writer:
        for batch in BATCHES:
            await writer.write(batch)
        obstore.put(bucket.store(), f"ads/nightly/{DATA}", TEXT)
        writer.seal(Evidence(99, "gzip"))
    assert await plain(bucket).find(order()) == writer.receipt


async def test_one_process_stores_an_export_once_at_a_time(bucket: Bucket) -> None:
    """The second writer is told so at once, and the first goes on."""
    sink = plain(bucket)
    async with sink.open(order()) as writer:
        with pytest.raises(SinkLocked):
            await store(sink)
        await writer.write(BATCHES[0])
        writer.seal(Evidence(99, "gzip"))
    assert (await sink.find(order())) == writer.receipt


async def test_somebody_elses_object_is_not_replaced(bucket: Bucket) -> None:
    """One without a record, unless overwriting is allowed."""
    obstore.put(bucket.store(), f"ads/nightly/{DATA}", b"theirs")
    with pytest.raises(SinkRejected, match="is in the way"):
        await store(plain(bucket))
    assert bucket.content(f"ads/nightly/{DATA}") == b"theirs"
    await store(JsonLines(bucket.url, compression="none", files=bucket.files(), overwrite=True))
    assert bucket.content(f"ads/nightly/{DATA}") == TEXT


async def test_new_parts_wait_beside_what_stands(bucket: Bucket) -> None:
    """Out of readers' sight until the job is settled; then they are all there is."""
    sink = plain(bucket)
    assert isinstance(sink, KeepsParts)
    await store(sink)
    receipts = [await store(sink, part_of(number), BATCHES[:1]) for number in range(len(PARTS))]
    assert [key for key in bucket.tree() if key.endswith(".jsonl")] == [DATA]
    assert bucket.tree()[DATA] == TEXT
    assert [await sink.find(part_of(number)) for number in range(len(PARTS))] == receipts
    await sink.settle(order().job, len(PARTS))
    data = [key for key in bucket.tree() if key.endswith(".jsonl")]
    assert data == [f"{FOLDER}/part-{number}.jsonl" for number in range(len(PARTS))]
    assert {bucket.tree()[key] for key in data} == {BATCHES[0].text}
    found = await sink.find(order())
    assert found == Receipt.of_parts(receipts)
    await store(sink)
    assert bucket.tree().keys() == {DATA, RECORD}


async def test_another_compression_replaces_the_object(bucket: Bucket) -> None:
    """One part never has two."""
    await store(plain(bucket))
    await store(JsonLines(bucket.url, files=bucket.files()))
    assert bucket.tree().keys() == {f"{DATA}.zst", RECORD}
    assert not [key for key in list(bucket.keys()) if key.endswith("jsonl.sha256")]


async def test_parquet_in_a_bucket(bucket: Bucket) -> None:
    """The same tree; a reader that is not ours reads it."""
    sink = Parquet(bucket.url, files=bucket.files())
    receipt = await store(sink)
    read = pq.read_table(io.BytesIO(bucket.tree()[f"{FOLDER}/part-0.parquet"]))
    assert read.column("campaignId").to_pylist() == ["1", "2", "3"]
    assert await sink.find(order()) == receipt


async def test_manifests_are_kept(bucket: Bucket) -> None:
    """Beside the tree; the bucket is tried before a run, and says nothing of space."""
    sink = plain(bucket)
    assert isinstance(sink, KeepsManifests)
    assert await sink.prepare() == BOUNDLESS
    assert bucket.keys() == {}
    assert await sink.keep("run", b"{}") == f"{bucket.url}/_runs/run.json"
    assert bucket.tree() == {"_runs/run.json": b"{}"}


async def test_a_bucket_that_is_not_there(bucket: Bucket) -> None:
    """Is named with its cause, before a run and for every job."""
    sink = JsonLines("s3://nowhere-at-all/x", files=bucket.files())
    for doing in (sink.prepare, lambda: store(sink), lambda: sink.find(order()), lambda: sink.keep("run", b"{}")):
        with pytest.raises(
            SinkError, match=r"s3://nowhere-at-all/x.* failed: NoSuchBucket.*create the bucket"
        ) as caught:
            await doing()
        assert type(caught.value) is SinkError


async def test_a_bucket_that_is_read_only(bucket: Bucket) -> None:
    """The store's own word is told, and nothing is left."""
    deny = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket.name}/*"}
        ],
    }
    bucket.ask("PUT", "?policy", json.dumps(deny).encode())
    for doing in (plain(bucket).prepare, lambda: store(plain(bucket))):
        with pytest.raises(SinkError, match=r"AccessDenied.*let these credentials read, write and delete"):
            await doing()
    assert bucket.keys() == {}


async def test_a_server_that_gives_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a temporary error, whose text holds no credentials."""
    monkeypatch.setattr("asyncexport.sinks.stores.buckets._PATIENCE", timedelta(seconds=0.01))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody = Bucket(f"http://127.0.0.1:{port}", "bucket")
    for doing in (plain(nobody).prepare, lambda: plain(nobody).find(order()), lambda: store(plain(nobody))):
        with pytest.raises(SinkUnreachable, match="no answer; is the store there") as caught:
            await doing()
        assert caught.value.temporary
        assert "canary" not in f"{caught.value}{caught.value.__cause__}"


async def test_a_folder_as_an_object_store(tmp_path: Path) -> None:
    """``file://`` works as well, and what is no URL of a store is refused."""
    sink = JsonLines(f"file://{tmp_path}/bucket", compression="none")
    receipt = await store(sink)
    assert (tmp_path / "bucket" / DATA).read_bytes() == TEXT
    assert await sink.find(order()) == receipt
    with pytest.raises(ConfigError, match="ftp://host is no object store"):
        await store(JsonLines("ftp://host/x"))


def test_what_is_shown_and_sent() -> None:
    """Credentials are neither, so transfers stay in this process."""
    files = ObjectStore(access_key_id="a", secret_access_key="canary")
    sink = JsonLines("s3://bucket/prefix", files=files)
    assert "canary" not in f"{files!r}{sink!r}{vars(files)}"
    assert files == ObjectStore(access_key_id="a", secret_access_key="canary") != ObjectStore()
    assert len({files, ObjectStore(access_key_id="a", secret_access_key="canary")}) == 1
    assert (sink.travels, Tee(sink).travels, JsonLines("s3://bucket").files) == (False, False, ObjectStore())
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(sink)
