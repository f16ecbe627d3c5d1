"""What of an object store is open: folders, objects that are read or written, and what is asked of the store for them.

Contract: a folder is listed once, and what is changed through it is kept track of in ``names``. An object that was not
there is only created, never replaced, where the store has that. Beside each data file stands ``_NAME.sha256``, which
holds its version (ETag) and digest: reading an object only to know its digest would cost its transfer.

Worst case: a listing that is out of date shows what somebody else has removed since; reading it then fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson

from asyncexport.errors import SinkError, SinkRejected
from asyncexport.sinks.stores.buckets import Store, asking
from asyncexport.sinks.stores.uploads import PIECE, Upload

_LARGEST_MEMO: Final = 1024
_SENT_AT_ONCE: Final = 2


@dataclass(slots=True)
class Found:
    """An object that a listing showed."""

    key: str
    size: int
    version: str

    @property
    def name(self) -> str:
        return name_of(self.key)


@dataclass(slots=True)
class Folder:
    """An open folder. ``names`` is what was listed, None if that may have changed since."""

    store: Store
    bucket: str
    prefix: str
    names: dict[str, Found] | None = None

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}".lstrip("/")

    def url(self, name: str = "") -> str:
        return f"{self.bucket}/{self.key(name)}"

    def objects(self) -> dict[str, Found]:
        """Return what stands in it, by name."""
        if self.names is None:
            with asking(self.url(), "listing"):
                listed = obstore().list_with_delimiter(self.store, prefix=self.prefix or None)["objects"]
            found = [Found(each["path"], each["size"], each["e_tag"] or "") for each in listed]
            self.names = {each.name: each for each in found}
        return self.names

    def folders(self) -> list[str]:
        """Return the names of the folders in it."""
        with asking(self.url(), "listing"):
            found = obstore().list_with_delimiter(self.store, prefix=self.prefix or None)["common_prefixes"]
        return [name_of(each.rstrip("/")) for each in found]

    def content(self, found: Found, size: int | None = None) -> Iterator[bytes]:
        """Yield an object's bytes as they come in, or the first ``size`` of them at once."""
        with asking(self.url(found.name), "reading"):
            if size is not None:
                yield bytes(obstore().get_range(self.store, found.key, start=0, length=size))
                return
            same = {"if_match": found.version} if found.version else {}
            for piece in obstore().get(self.store, found.key, options=same):
                yield bytes(piece)

    def put(self, name: str, data: bytes | Iterator[bytes], *, replaces: bool) -> str:
        """Store an object; return its version.

        One that comes in pieces cannot be created conditionally, so that is looked at before.
        """
        if isinstance(data, bytes) and not replaces:
            return self._create(name, data)
        with asking(self.url(name), "storing"):
            put = obstore().put(self.store, self.key(name), data, chunk_size=PIECE, max_concurrency=_SENT_AT_ONCE)
        return put["e_tag"] or ""

    def _create(self, name: str, data: bytes) -> str:
        """Store an object where there is none, or the very same: a call that was tried again may have met itself."""
        try:
            with asking(self.url(name), "storing"):
                return obstore().put(self.store, self.key(name), data, mode="create")["e_tag"] or ""
        except SinkRejected:
            self.names = None
            there = self.objects().get(name)
            if there is None or there.size != len(data) or b"".join(self.content(there)) != data:
                raise
            return there.version

    def noted_digest(self, found: Found) -> str | None:
        """Return the digest that was noted for this version of an object, None where none was."""
        memo = self.objects().get(memo_of(found.name))
        if memo is None or memo.size > _LARGEST_MEMO or not found.version:
            return None
        try:
            noted = orjson.loads(b"".join(self.content(memo, memo.size)))
        except (orjson.JSONDecodeError, FileNotFoundError):
            return None
        if not isinstance(noted, dict) or noted.get("e_tag") != found.version:
            return None
        sha256 = noted.get("sha256")
        return sha256 if isinstance(sha256, str) else None

    def note_digest(self, name: str, version: str, sha256: str) -> None:
        """Note an object's digest. If that fails the object is read when its digest is needed."""
        text = json.dumps({"e_tag": version, "sha256": sha256}).encode()
        with suppress(SinkError), asking(self.url(name), "storing the digest of"):
            obstore().put(self.store, self.key(memo_of(name)), text)
            self.objects()[memo_of(name)] = Found(self.key(memo_of(name)), len(text), "")


@dataclass(slots=True)
class Writing:
    """A ``.part``. ``replaces`` says whether there was an object of its name when it began."""

    folder: Folder
    name: str
    upload: Upload
    replaces: bool


@dataclass(slots=True)
class Reading:
    """An object that is read."""

    folder: Folder
    found: Found


@dataclass(slots=True)
class Again:
    """A ``.part`` that is somebody else's: it can only be found to be in use."""

    writing: int


def obstore() -> Any:  # noqa: ANN401 - the module, which is there only with its extra
    """Return the library."""
    import obstore  # noqa: PLC0415

    return obstore


def name_of(key: str) -> str:
    """Return the last part of a key."""
    return key.rpartition("/")[2]


def memo_of(name: str) -> str:
    """Return the name of what holds an object's digest."""
    return f"_{name.removeprefix('_')}.sha256"


def is_memo(name: str) -> bool:
    """Return whether a name is that of a digest."""
    return name.startswith("_") and name.endswith(".sha256")
