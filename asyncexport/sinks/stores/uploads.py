"""One object on its way into an object store: whole or not at all.

Contract: an :class:`Upload` takes bytes and puts the object there when it is told to finish, in one call of the store
if it is small, else as a multipart upload that runs while bytes come in and becomes an object only at the end. Giving
it up aborts what was begun.

Plan: a thread of its own hands the pieces to the store's client, which sends them from threads that need no
interpreter. Writing only ever appends to memory; who writes asks :attr:`Upload.is_behind` and lets
:meth:`Upload.catch_up` wait, off the loop.

Worst case: :data:`PIECE` bytes times five are held for one object. A process that is killed leaves a multipart upload
that is no object and costs storage; the next upload of the same object aborts it
(:mod:`asyncexport.adapters.s3_leftovers`).
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Protocol

PIECE: Final = 8 * 1024 * 1024
_AHEAD: Final = 1
_LOOK_SECONDS: Final = 1.0


class Put(Protocol):
    """Stores what it is given, bytes or all the pieces of an iterator; returns the version stored. Blocks, raises."""

    def __call__(self, data: bytes | Iterator[bytes], /) -> str: ...


class Upload:
    """An object on its way. ``begin`` is called once, before the first piece of a multipart upload is sent."""

    def __init__(self, put: Put, begin: Callable[[], None]) -> None:
        self._put = put
        self._begin = begin
        self._held = bytearray()
        self._sha256 = hashlib.sha256()
        self._pieces: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_whole = self._is_given_up = False
        self._failure: BaseException | None = None
        self._version = ""
        self.size = 0

    def __repr__(self) -> str:
        return f"<Upload of {self.size} bytes{', in pieces' if self._thread else ''}>"

    @property
    def sha256(self) -> str:
        """The digest of what was written, in hex."""
        return self._sha256.hexdigest()

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that :meth:`catch_up` should be called before more is written."""
        return len(self._pieces) > _AHEAD and self._failure is None

    def write(self, data: bytes) -> None:
        """Append ``data``; never waits. Raises what has failed before."""
        if self._failure is not None:
            raise self._failure
        self.size += len(data)
        self._sha256.update(data)
        self._held += data
        while len(self._held) >= PIECE:
            self._hand_over(PIECE)

    def catch_up(self) -> None:
        """Wait until the store has taken what waits, or has failed."""
        with self._changed:
            self._changed.wait_for(lambda: not self.is_behind)

    def finish(self) -> str:
        """Put the object there; return its version. Raises what the store says; then there is none."""
        if self._thread is None:
            return self._put(bytes(self._held))
        self._hand_over(PIECE)
        with self._changed:
            self._is_whole = True
            self._changed.notify_all()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._version

    def give_up(self) -> None:
        """Abort what was begun; does not wait for that."""
        with self._changed:
            self._is_given_up = True
            self._pieces.clear()
            self._changed.notify_all()

    def _hand_over(self, size: int) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send, name="asyncexport-upload")
            self._thread.start()
        with self._changed:
            self._pieces.append(bytes(self._held[:size]))
            self._changed.notify_all()
        del self._held[:size]

    def _send(self) -> None:
        try:
            self._begin()
            self._version = self._put(self._taken())
        except BaseException as failure:  # noqa: BLE001 - raised again by whoever writes or finishes
            with self._changed:
                self._failure = failure.with_traceback(None)
                self._changed.notify_all()

    def _taken(self) -> Iterator[bytes]:
        """Yield piece after piece, as they come in. Raises when given up, which aborts the multipart upload."""
        while True:
            with self._changed:
                while not self._has_news():
                    self._changed.wait(_LOOK_SECONDS)
                if self._is_given_up or not threading.main_thread().is_alive():
                    raise _GivenUpError
                if not self._pieces:
                    return
                piece = self._pieces.popleft()
                self._changed.notify_all()
            yield piece

    def _has_news(self) -> bool:
        """Whether there is something to do; a process that ends without saying so gives up what it uploads."""
        return bool(self._pieces) or self._is_whole or self._is_given_up or not threading.main_thread().is_alive()


class _GivenUpError(Exception):
    """Ends the iterator from which the store reads."""
