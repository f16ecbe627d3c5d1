"""What of a store is open: folders that are listed once, objects, and the digests beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore, S3Store

from asyncexport.errors import SinkRejected, SinkUnreachable
from asyncexport.sinks.stores.opened import Folder, Found, is_memo, memo_of, name_of, obstore


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(LocalStore(tmp_path, mkdir=True), "file://here", "a/b")


def test_a_folder_is_listed_once(folder: Folder) -> None:
    """What somebody else stores later is seen when it is opened anew; folders are no objects."""
    obstore().put(folder.store, folder.key("one"), b"1")
    obstore().put(folder.store, "a/b/c/two", b"2")
    assert [(name, each.size) for name, each in folder.objects().items()] == [("one", 1)]
    assert folder.folders() == ["c"]
    obstore().put(folder.store, folder.key("three"), b"3")
    assert list(folder.objects()) == ["one"]
    assert folder.url("one") == "file://here/a/b/one"
    assert Folder(folder.store, "file://here", "").url("one") == "file://here/one"


def test_an_object_is_created_and_not_replaced(folder: Folder) -> None:
    """Unless that is meant, or it holds the very same."""
    version = folder.put("one", b"12", replaces=False)
    assert b"".join(folder.content(folder.objects()["one"])) == b"12"
    assert b"".join(folder.content(folder.objects()["one"], 1)) == b"1"
    assert folder.put("one", b"12", replaces=False) == version
    with pytest.raises(SinkRejected):
        folder.put("one", b"13", replaces=False)
    folder.put("one", b"13", replaces=True)
    assert b"".join(folder.content(Found(folder.key("one"), 2, ""))) == b"13"


def test_a_digest_is_that_of_one_version(folder: Folder) -> None:
    """What says another one, is none, or is larger than any is not believed."""
    version = folder.put("part-0.jsonl", b"{}", replaces=False)
    found = folder.objects()["part-0.jsonl"]
    assert folder.noted_digest(found) is None
    folder.note_digest("part-0.jsonl", version, "abc")
    assert folder.noted_digest(found) == "abc"
    assert folder.noted_digest(Found(found.key, 2, "another")) is None
    assert folder.noted_digest(Found(found.key, 2, "")) is None
    for text in (b"no json", b"[]", b'{"e_tag": 5}', b" " * 2_000):
        obstore().put(folder.store, folder.key(memo_of("part-0.jsonl")), text)
        folder.names = None
        assert folder.noted_digest(found) is None
    obstore().delete(folder.store, folder.key(memo_of("part-0.jsonl")))
    assert folder.noted_digest(found) is None


def test_a_store_that_fails() -> None:
    """Listing is a typed error; a digest that cannot be noted is none."""
    store = S3Store(
        "bucket",
        config={"endpoint": "http://127.0.0.1:1", "access_key_id": "id", "secret_access_key": "key"},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    folder = Folder(store, "s3://bucket", "a")
    with pytest.raises(SinkUnreachable, match="listing s3://bucket/a/ failed"):
        folder.objects()
    folder.note_digest("one", "1", "abc")
    assert folder.names is None


def test_names() -> None:
    """A digest stands beside its object under a name that no reader matches."""
    assert (name_of("a/b/c"), name_of("c")) == ("c", "c")
    assert (memo_of("part-0.jsonl"), memo_of("_part-0.jsonl.staged")) == (
        "_part-0.jsonl.sha256",
        "_part-0.jsonl.staged.sha256",
    )
    assert is_memo(memo_of("x"))
    assert not is_memo("part-0.sha256")
