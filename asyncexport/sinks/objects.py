"""An object store in the place of a disk: the operations of :class:`~asyncexport.sinks.disk.Files` over ``obstore``.

Contract: a sink of files keeps its tree, its records, its parts and its promises in a bucket. What differs below:

- A ``.part`` is an upload (:mod:`asyncexport.sinks.uploads`): nobody sees it, its rename completes it under its final
  name, and removing it aborts it. A name that had no object when the upload began is only created, not replaced, where
  the store has that (S3, Google, Azure): of two runs that store the same export the second fails.
- A lock holds within this process only.
- Reading an object only to know its digest would cost its transfer. So beside each data file stands
  ``_NAME.sha256``, which holds its version (ETag) and digest; if the version is another, the object is read after all.
- A folder is listed once for each export that is looked for or stored; what the same writer changes is kept track of.

Worst case: a kill in the middle of a multipart upload leaves pieces that cost storage until the same export is stored
by a later run. They can be told and aborted on S3, given ``access_key_id`` and ``secret_access_key``; everywhere else
the store's own rule for unfinished uploads must do it. A copy between names, for parts that had to wait, is one request
and on S3 holds for objects of up to 5 GB.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Final, NoReturn

import orjson

from asyncexport.accounts import Secret
from asyncexport.adapters.s3_leftovers import Leftovers
from asyncexport.errors import SinkError, SinkRejected
from asyncexport.sansio.aws_signature import Keys
from asyncexport.sinks.buckets import Store, asking, connect, split_url
from asyncexport.sinks.disk import Files
from asyncexport.sinks.extras import require
from asyncexport.sinks.uploads import PIECE, Upload

BOUNDLESS: Final = sys.maxsize
"""How many bytes are free in a store that does not say."""

_PART: Final = ".part"
_LARGEST_MEMO: Final = 1024
_SENT_AT_ONCE: Final = 2


@dataclass(slots=True)
class _Found:
    """An object that a listing showed."""

    key: str
    size: int
    version: str


@dataclass(slots=True)
class _Folder:
    """An open folder. ``names`` is what was listed, None if that may have changed since."""

    store: Store
    bucket: str
    prefix: str
    names: dict[str, _Found] | None = None

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}".lstrip("/")

    def url(self, name: str = "") -> str:
        return f"{self.bucket}/{self.key(name)}"


@dataclass(slots=True)
class _Writing:
    """A ``.part``. ``replaces`` says whether there was an object of its name when it began."""

    folder: _Folder
    name: str
    upload: Upload
    replaces: bool


@dataclass(slots=True)
class _Reading:
    folder: _Folder
    found: _Found


@dataclass(slots=True)
class _Again:
    """A ``.part`` that is somebody else's: it can only be found to be in use."""

    writing: int


class ObjectStore(Files):
    """Where a sink of files puts them if its path is a URL: ``JsonLines("s3://bucket/prefix", files=ObjectStore())``.

    Needs the extra ``asyncexport[s3]``. ``options`` are obstore's for that kind of store (``endpoint``, ``region``,
    ``access_key_id``, ``secret_access_key``, ``token``, ...); what is not given obstore looks up in the environment
    (``AWS_...``) and from the machine it runs on. Values may be :class:`~asyncexport.accounts.Secret`; none is shown.
    Raises :class:`ConfigError` if the library is missing.
    """

    def __init__(self, **options: str | Secret) -> None:
        require("obstore", extra="s3")
        self._options = {name: Secret(value) if isinstance(value, str) else value for name, value in options.items()}
        self._stores: dict[str, Store] = {}
        self._open: dict[int, _Folder | _Writing | _Reading | _Again] = {}
        self._numbers = count(1)
        self._written: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"ObjectStore({', '.join(sorted(self._options))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectStore) and other._options == self._options

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._options)))

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ObjectStore is never pickled: it holds credentials and open uploads")

    @property
    def travels(self) -> bool:
        """Whether transfers may run in worker processes: never, for credentials stay in this one."""
        return False

    def identity(self, path: str) -> str:
        """Return what all URLs of one place have in common: the service, the bucket and the key below it."""
        bucket, prefix = split_url(path)
        if bucket.startswith("file://"):
            return super().identity(bucket.removeprefix("file://"))
        endpoint = self._options.get("endpoint")
        return f"{'' if endpoint is None else endpoint.reveal().rstrip('/')} {bucket}/{prefix}"

    def open_root(self, path: str) -> int:
        """Open the place that a URL names; whether anything is there is not asked."""
        bucket, prefix = split_url(path)
        if bucket not in self._stores:
            self._stores[bucket] = connect(bucket, self._options)
        return self._hold(_Folder(self._stores[bucket], bucket, prefix))

    def open_folder(self, parent: int, name: str) -> int:
        """Open a folder inside a folder."""
        above = self._folder(parent)
        return self._hold(_Folder(above.store, above.bucket, above.key(name)))

    def make_folder(self, parent: int, name: str) -> bool:  # noqa: ARG002 - folders are only a way to write keys
        """Return False: there is nothing to make."""
        return False

    def create(self, folder: int, name: str) -> int:
        """Begin to upload what ``name`` without its ``.part`` will be."""
        at, final = self._folder(folder), name.removesuffix(_PART)
        url = at.url(final)
        if url in self._written:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), url)
        replaces = final in self._names(at)
        put = partial(self._put, at, final, replaces=replaces)
        handle = self._hold(_Writing(at, final, Upload(put, partial(self._abort_leftovers, at, final)), replaces))
        self._written[url] = handle
        return handle

    def open_file(self, folder: int, name: str, access: int = os.O_RDONLY) -> int:  # noqa: ARG002
        """Open an object that exists, or an upload of this process."""
        at = self._folder(folder)
        if name.endswith(_PART):
            writing = self._written.get(at.url(name.removesuffix(_PART)))
            if writing is not None:
                return self._hold(_Again(writing))
        elif (found := self._names(at).get(name)) is not None:
            return self._hold(_Reading(at, found))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), at.url(name))

    def is_absent(self, path: str) -> bool:  # noqa: ARG002
        """Whether nothing stands below ``path``: not asked, since what stands is listed once anyway."""
        return False

    def names(self, folder: int) -> list[str]:
        """Return what stands in an open folder, but for what is kept of digests."""
        names = self._names(self._folder(folder))
        return [name for name in names if not _is_memo(name)]

    def folders(self, folder: int) -> list[str]:
        """Return the names of the folders in an open folder."""
        at = self._folder(folder)
        with asking(at.url(), "listing"):
            found = _obstore().list_with_delimiter(at.store, prefix=at.prefix or None)["common_prefixes"]
        return [_name_of(each.rstrip("/")) for each in found]

    def content(self, folder: int, name: str) -> Iterator[bytes]:
        """Yield an object's bytes as they come in. Raises :class:`SinkError` and its children."""
        file = self.open_file(folder, name)
        try:
            yield from self._content(self._reading(file), None)
        finally:
            self.close(file)

    def look(self, folder: int, name: str) -> os.stat_result | None:
        """Return what stands under ``name``, None for nothing."""
        at = self._folder(folder)
        if name.endswith(_PART):
            writing = self._written.get(at.url(name.removesuffix(_PART)))
            return None if writing is None else _as_file(writing, 0)
        found = self._names(at).get(name)
        return None if found is None else _as_file(0, found.size)

    def look_at(self, file: int) -> os.stat_result:
        """Return what an open file is."""
        opened = self._open[file]
        if isinstance(opened, _Again):
            return _as_file(opened.writing, 0)
        return _as_file(0, opened.found.size) if isinstance(opened, _Reading) else _as_file(file, 0)

    def lock(self, file: int) -> bool:
        """Return False for an upload that somebody else in this process has under way."""
        return not isinstance(self._open[file], _Again)

    def read(self, file: int, limit: int) -> bytes:
        """Read at most ``limit`` bytes from the beginning."""
        reading = self._reading(file)
        size = min(limit, reading.found.size)
        return b"" if not size else b"".join(self._content(reading, size))

    def digest(self, file: int) -> str:
        """Return the SHA-256 of the whole object, in hex: as it was noted for this version, or by reading it."""
        reading = self._reading(file)
        known = self._noted(reading)
        if known is None:
            sha256 = hashlib.sha256()
            for piece in self._content(reading, None):
                sha256.update(piece)
            known = sha256.hexdigest()
            self._note(reading.folder, _name_of(reading.found.key), reading.found.version, known)
        return known

    def write(self, file: int, data: bytes) -> None:
        """Append to an upload."""
        self._writing(file).upload.write(data)

    def is_behind(self, file: int) -> bool:
        """Whether :meth:`catch_up` should be called before more is written."""
        return self._writing(file).upload.is_behind

    def catch_up(self, file: int) -> None:
        """Wait until the store has taken most of what was written."""
        self._writing(file).upload.catch_up()

    def sync(self, file: int) -> None:
        """Do nothing: an object that is there is durable."""

    def rename(self, folder: int, old: str, new: str) -> None:
        """Complete an upload, or give an object another name, replacing what has it."""
        at = self._folder(folder)
        if old.endswith(_PART):
            self._complete(at, new)
            return
        with asking(at.url(new), "renaming to"):
            _obstore().rename(at.store, at.key(old), at.key(new), overwrite=True)
        at.names = None

    def unlink(self, folder: int, name: str) -> None:
        """Remove an object, or abort an upload without waiting for that."""
        at = self._folder(folder)
        if name.endswith(_PART):
            handle = self._written.pop(at.url(name.removesuffix(_PART)))
            self._writing(handle).upload.give_up()
            return
        known = self._names(at)
        for each in (name, _memo_of(name)):
            if each in known:
                with asking(at.url(each), "removing"), suppress(FileNotFoundError):
                    _obstore().delete(at.store, at.key(each))
                del known[each]

    def close(self, file: int) -> None:
        """Forget a file or a folder."""
        opened = self._open.pop(file, None)
        if isinstance(opened, _Writing):
            url = opened.folder.url(opened.name)
            if self._written.get(url) == file:
                del self._written[url]

    def free(self, folder: int) -> int:
        """Prove that an object can be stored and removed, for no store says how much more it would take."""
        at = self._folder(folder)
        key = at.key(f"_probe-{secrets.token_hex(4)}")
        with asking(at.url(), "trying"):
            _obstore().put(at.store, key, b"?")
            _obstore().delete(at.store, key)
        return BOUNDLESS

    def _hold(self, opened: _Folder | _Writing | _Reading | _Again) -> int:
        handle = next(self._numbers)
        self._open[handle] = opened
        return handle

    def _folder(self, handle: int) -> _Folder:
        opened = self._open[handle]
        assert isinstance(opened, _Folder)  # noqa: S101 - who calls has opened it as one
        return opened

    def _writing(self, handle: int) -> _Writing:
        opened = self._open[handle]
        assert isinstance(opened, _Writing)  # noqa: S101
        return opened

    def _reading(self, handle: int) -> _Reading:
        opened = self._open[handle]
        assert isinstance(opened, _Reading)  # noqa: S101
        return opened

    def _names(self, at: _Folder) -> dict[str, _Found]:
        if at.names is None:
            with asking(at.url(), "listing"):
                listed = _obstore().list_with_delimiter(at.store, prefix=at.prefix or None)["objects"]
            found = [_Found(each["path"], each["size"], each["e_tag"] or "") for each in listed]
            at.names = {_name_of(each.key): each for each in found}
        return at.names

    def _content(self, reading: _Reading, size: int | None) -> Iterator[bytes]:
        at, found = reading.folder, reading.found
        url = at.url(_name_of(found.key))
        with asking(url, "reading"):
            if size is not None:
                yield bytes(_obstore().get_range(at.store, found.key, start=0, length=size))
                return
            for piece in _obstore().get(at.store, found.key, options={"if_match": found.version or None}):
                yield bytes(piece)

    def _put(self, at: _Folder, name: str, data: bytes | Iterator[bytes], *, replaces: bool) -> str:
        """Store an object. One that comes in pieces cannot be created conditionally, so that is looked at before."""
        if isinstance(data, bytes) and not replaces:
            return self._create(at, name, data)
        with asking(at.url(name), "storing"):
            put = _obstore().put(at.store, at.key(name), data, chunk_size=PIECE, max_concurrency=_SENT_AT_ONCE)
        return put["e_tag"] or ""

    def _create(self, at: _Folder, name: str, data: bytes) -> str:
        """Store an object where there is none, or the very same: a call that was tried again may have met itself."""
        try:
            with asking(at.url(name), "storing"):
                return _obstore().put(at.store, at.key(name), data, mode="create")["e_tag"] or ""
        except SinkRejected:
            at.names = None
            there = self._names(at).get(name)
            if there is None or there.size != len(data) or self._content_of(at, there) != data:
                raise
            return there.version

    def _content_of(self, at: _Folder, found: _Found) -> bytes:
        return b"".join(self._content(_Reading(at, found), None))

    def _complete(self, at: _Folder, new: str) -> None:
        url = at.url(new)
        writing = self._writing(self._written[url])
        if not writing.replaces and writing.upload.size >= PIECE:
            at.names = None
            if new in self._names(at):
                raise SinkRejected(f"storing {url} failed: somebody else has stored it meanwhile")
        version = writing.upload.finish()
        self._names(at)[new] = _Found(at.key(new), writing.upload.size, version)
        if not new.startswith("_"):
            self._note(at, new, version, writing.upload.sha256)

    def _noted(self, reading: _Reading) -> str | None:
        """Return the digest that was noted for this version of an object, None where none was."""
        at = reading.folder
        memo = self._names(at).get(_memo_of(_name_of(reading.found.key)))
        if memo is None or memo.size > _LARGEST_MEMO or not reading.found.version:
            return None
        try:
            noted = orjson.loads(b"".join(self._content(_Reading(at, memo), memo.size)))
        except (orjson.JSONDecodeError, FileNotFoundError):
            return None
        if not isinstance(noted, dict) or noted.get("e_tag") != reading.found.version:
            return None
        sha256 = noted.get("sha256")
        return sha256 if isinstance(sha256, str) else None

    def _note(self, at: _Folder, name: str, version: str, sha256: str) -> None:
        """Note an object's digest. If that fails the object is read when its digest is needed."""
        text = json.dumps({"e_tag": version, "sha256": sha256}).encode()
        with suppress(SinkError), asking(at.url(name), "storing the digest of"):
            _obstore().put(at.store, at.key(_memo_of(name)), text)
            self._names(at)[_memo_of(name)] = _Found(at.key(_memo_of(name)), len(text), "")

    def _abort_leftovers(self, at: _Folder, name: str) -> None:
        option = {each: value.reveal() for each, value in self._options.items()}
        known = option.get("access_key_id"), option.get("secret_access_key")
        if not at.bucket.startswith("s3://") or not all(known):
            return
        region = option.get("region", "us-east-1")
        endpoint = option.get("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
        keys = Keys(known[0] or "", known[1] or "", option.get("token", ""))
        Leftovers(endpoint, at.bucket.removeprefix("s3://"), region, keys).abort(at.key(name))


def _obstore() -> Any:  # noqa: ANN401 - the module, which is there only with its extra
    import obstore  # noqa: PLC0415

    return obstore


def _as_file(number: int, size: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | 0o600, number, 0, 1, 0, 0, size, 0, 0, 0))


def _name_of(key: str) -> str:
    return key.rpartition("/")[2]


def _memo_of(name: str) -> str:
    return f"_{name.removeprefix('_')}.sha256"


def _is_memo(name: str) -> bool:
    return name.startswith("_") and name.endswith(".sha256")
