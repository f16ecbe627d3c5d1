"""An object on its way: whole or not at all, in one piece or several, and the writer is told what failed."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator

import pytest

from asyncexport.sinks.stores.uploads import PIECE, Upload

SMALL, LARGE = b"small", bytes(range(256)) * (PIECE // 200)


class Shelf:
    """A store that keeps what it is given; it may wait for ``open``, and fail after some pieces."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.open = threading.Event()
        self.open.set()
        self.fail_after = fail_after
        self.began = 0
        self.stored: bytes | None = None
        self.gave_up = False

    def begin(self) -> None:
        self.began += 1

    def is_empty(self) -> bool:
        return self.stored is None

    def put(self, data: bytes | Iterator[bytes], /) -> str:
        if not isinstance(data, bytes):
            try:
                data = b"".join(self._pieces(data))
            except Exception:
                self.gave_up = True
                raise
        self.stored = data
        return "version"

    def _pieces(self, data: Iterator[bytes]) -> Iterator[bytes]:
        for number, piece in enumerate(data):
            self.open.wait()
            if number == self.fail_after:
                raise ZeroDivisionError
            yield piece


def ended() -> None:
    """Wait until no upload has a thread."""
    for thread in threading.enumerate():
        if thread.name == "asyncexport-upload":
            thread.join(20)


@pytest.mark.parametrize("data", [b"", SMALL, LARGE, bytes(PIECE)])
def test_what_was_written_is_stored_when_it_is_finished(data: bytes) -> None:
    """And not before; a small object takes one call."""
    shelf = Shelf()
    upload = Upload(shelf.put, shelf.begin)
    upload.write(data[:3])
    upload.write(data[3:])
    assert shelf.is_empty()
    assert upload.finish() == "version"
    assert shelf.stored == data
    assert (upload.size, upload.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert shelf.began == (len(data) >= PIECE)


def test_a_writer_is_told_to_wait() -> None:
    """When pieces wait that the store has not taken; writing itself never waits."""
    shelf = Shelf()
    shelf.open.clear()
    upload = Upload(shelf.put, shelf.begin)
    for _ in range(4):
        upload.write(bytes(PIECE))
    was_behind = upload.is_behind
    assert repr(upload) == f"<Upload of {4 * PIECE} bytes, in pieces>"
    shelf.open.set()
    upload.catch_up()
    assert (was_behind, upload.is_behind) == (True, False)
    upload.finish()


@pytest.mark.parametrize("is_finished", [True, False])
def test_a_store_that_fails_on_the_way(is_finished: bool) -> None:
    """Its error is raised by whatever is called next, and nobody waits for it any more."""
    shelf = Shelf(fail_after=1)
    upload = Upload(shelf.put, shelf.begin)
    upload.write(bytes(3 * PIECE))
    upload.catch_up()
    ended()
    assert not upload.is_behind
    with pytest.raises(ZeroDivisionError):
        upload.finish() if is_finished else upload.write(b"more")
    assert shelf.stored is None


@pytest.mark.parametrize("data", [SMALL, LARGE])
def test_what_is_given_up_is_never_stored(data: bytes) -> None:
    """The store is told by an error where it reads, so that it aborts."""
    shelf = Shelf()
    upload = Upload(shelf.put, shelf.begin)
    upload.write(data)
    upload.give_up()
    ended()
    assert (shelf.stored, shelf.gave_up) == (None, len(data) >= PIECE)


def test_a_process_that_ends_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload that nobody finishes or gives up ends with the main thread."""
    shelf = Shelf()
    upload = Upload(shelf.put, shelf.begin)
    monkeypatch.setattr("asyncexport.sinks.stores.uploads._LOOK_SECONDS", 0.01)

    class Ended:
        name = "main"

        def is_alive(self) -> bool:
            return False

    monkeypatch.setattr(threading, "main_thread", Ended)
    upload.write(LARGE)
    ended()
    assert (shelf.stored, shelf.gave_up) == (None, True)
