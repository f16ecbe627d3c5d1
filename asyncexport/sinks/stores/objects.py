"""An object store in the place of a disk: :class:`~asyncexport.sinks.files.disk.Files` over ``obstore``.

Contract: a sink of files keeps its tree, its records, its parts and its promises in a bucket. What differs below:

- A ``.part`` is an upload (:mod:`asyncexport.sinks.stores.uploads`): nobody sees it, its rename completes it under its
  final name, and removing it aborts it. A name that had no object when the upload began is only created, not replaced,
  where the store has that (S3, Google, Azure): of two runs that store the same export the second fails.
- A lock holds within this process only.
- An object's digest stands beside it (:mod:`asyncexport.sinks.stores.opened`); if it is another version's, the object
is read.
- A folder is listed once for each export that is looked for or stored.

Worst case: a kill in the middle of a multipart upload leaves pieces that cost storage until the same export is stored
by a later run. They can be told and aborted on S3, given ``access_key_id`` and ``secret_access_key``; everywhere else
the store's own rule for unfinished uploads must do it. A copy between names, for parts that had to wait, is one request
and on S3 holds for objects of up to 5 GB.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final, NoReturn

from asyncexport.accounts import Secret
from asyncexport.adapters.s3_leftovers import Leftovers
from asyncexport.errors import SinkRejected
from asyncexport.sansio.transfers.aws_signature import Keys
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.stores.buckets import Store, asking, connect, split_url
from asyncexport.sinks.stores.opened import Again, Folder, Found, Reading, Writing, is_memo, memo_of, obstore
from asyncexport.sinks.stores.uploads import PIECE, Upload

BOUNDLESS: Final = sys.maxsize
"""How many bytes are free in a store that does not say."""

_PART: Final = ".part"


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
        self._open: dict[int, Folder | Writing | Reading | Again] = {}
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
        return self._hold(Folder(self._stores[bucket], bucket, prefix))

    def open_folder(self, parent: int, name: str) -> int:
        """Open a folder inside a folder."""
        above = self._folder(parent)
        return self._hold(Folder(above.store, above.bucket, above.key(name)))

    def make_folder(self, parent: int, name: str) -> bool:  # noqa: ARG002 - folders are only a way to write keys
        """Return False: there is nothing to make."""
        return False

    def create(self, folder: int, name: str) -> int:
        """Begin to upload what ``name`` without its ``.part`` will be."""
        at, final = self._folder(folder), name.removesuffix(_PART)
        url = at.url(final)
        if url in self._written:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), url)
        replaces = final in at.objects()
        put = partial(at.put, final, replaces=replaces)
        handle = self._hold(Writing(at, final, Upload(put, partial(self._abort_leftovers, at, final)), replaces))
        self._written[url] = handle
        return handle

    def open_file(self, folder: int, name: str, access: int = os.O_RDONLY) -> int:  # noqa: ARG002
        """Open an object that exists, or an upload of this process."""
        at = self._folder(folder)
        if name.endswith(_PART):
            writing = self._written.get(at.url(name.removesuffix(_PART)))
            if writing is not None:
                return self._hold(Again(writing))
        elif (found := at.objects().get(name)) is not None:
            return self._hold(Reading(at, found))
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), at.url(name))

    def is_absent(self, path: str) -> bool:  # noqa: ARG002
        """Whether nothing stands below ``path``: not asked, since what stands is listed once anyway."""
        return False

    def names(self, folder: int) -> list[str]:
        """Return what stands in an open folder, but for what is kept of digests."""
        names = self._folder(folder).objects()
        return [name for name in names if not is_memo(name)]

    def folders(self, folder: int) -> list[str]:
        """Return the names of the folders in an open folder."""
        return self._folder(folder).folders()

    def content(self, folder: int, name: str) -> Iterator[bytes]:
        """Yield the bytes, as they come in, of an object that was there when the folder was listed.

        Raises :class:`SinkError` and its children, ``FileNotFoundError`` if it has gone since.
        """
        at = self._folder(folder)
        yield from at.content(at.objects()[name])

    def look(self, folder: int, name: str) -> os.stat_result | None:
        """Return what stands under ``name``, None for nothing."""
        at = self._folder(folder)
        if name.endswith(_PART):
            writing = self._written.get(at.url(name.removesuffix(_PART)))
            return None if writing is None else _as_file(writing, 0)
        found = at.objects().get(name)
        return None if found is None else _as_file(0, found.size)

    def look_at(self, file: int) -> os.stat_result:
        """Return what an open file is."""
        opened = self._open[file]
        if isinstance(opened, Again):
            return _as_file(opened.writing, 0)
        return _as_file(0, opened.found.size) if isinstance(opened, Reading) else _as_file(file, 0)

    def lock(self, file: int) -> bool:
        """Return False for an upload that somebody else in this process has under way."""
        return not isinstance(self._open[file], Again)

    def read(self, file: int, limit: int) -> bytes:
        """Read at most ``limit`` bytes from the beginning."""
        reading = self._reading(file)
        size = min(limit, reading.found.size)
        return b"" if not size else b"".join(reading.folder.content(reading.found, size))

    def digest(self, file: int) -> str:
        """Return the SHA-256 of the whole object, in hex: as it was noted for this version, or by reading it."""
        reading = self._reading(file)
        known = reading.folder.noted_digest(reading.found)
        if known is None:
            sha256 = hashlib.sha256()
            for piece in reading.folder.content(reading.found):
                sha256.update(piece)
            known = sha256.hexdigest()
            reading.folder.note_digest(reading.found.name, reading.found.version, known)
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
            obstore().rename(at.store, at.key(old), at.key(new), overwrite=True)
        at.names = None

    def unlink(self, folder: int, name: str) -> None:
        """Remove an object, or abort an upload without waiting for that."""
        at = self._folder(folder)
        if name.endswith(_PART):
            handle = self._written.pop(at.url(name.removesuffix(_PART)))
            self._writing(handle).upload.give_up()
            return
        known = at.objects()
        for each in (name, memo_of(name)):
            if each in known:
                with asking(at.url(each), "removing"), suppress(FileNotFoundError):
                    obstore().delete(at.store, at.key(each))
                del known[each]

    def close(self, file: int) -> None:
        """Forget a file or a folder."""
        opened = self._open.pop(file, None)
        if isinstance(opened, Writing):
            url = opened.folder.url(opened.name)
            if self._written.get(url) == file:
                del self._written[url]

    def free(self, folder: int) -> int:
        """Prove that an object can be stored and removed, for no store says how much more it would take."""
        at = self._folder(folder)
        key = at.key(f"_probe-{secrets.token_hex(4)}")
        with asking(at.url(), "trying"):
            obstore().put(at.store, key, b"?")
            obstore().delete(at.store, key)
        return BOUNDLESS

    def _hold(self, opened: Folder | Writing | Reading | Again) -> int:
        handle = next(self._numbers)
        self._open[handle] = opened
        return handle

    def _folder(self, handle: int) -> Folder:
        opened = self._open[handle]
        assert isinstance(opened, Folder)  # noqa: S101 - who calls has opened it as one
        return opened

    def _writing(self, handle: int) -> Writing:
        opened = self._open[handle]
        assert isinstance(opened, Writing)  # noqa: S101
        return opened

    def _reading(self, handle: int) -> Reading:
        opened = self._open[handle]
        assert isinstance(opened, Reading)  # noqa: S101
        return opened

    def _complete(self, at: Folder, new: str) -> None:
        url = at.url(new)
        writing = self._writing(self._written[url])
        if not writing.replaces and writing.upload.size >= PIECE:
            at.names = None
            if new in at.objects():
                raise SinkRejected(f"storing {url} failed: somebody else has stored it meanwhile")
        version = writing.upload.finish()
        at.objects()[new] = Found(at.key(new), writing.upload.size, version)
        if not new.startswith("_"):
            at.note_digest(new, version, writing.upload.sha256)

    def _abort_leftovers(self, at: Folder, name: str) -> None:
        option = {each: value.reveal() for each, value in self._options.items()}
        known = option.get("access_key_id"), option.get("secret_access_key")
        if not at.bucket.startswith("s3://") or not all(known):
            return
        region = option.get("region", "us-east-1")
        endpoint = option.get("endpoint", f"https://s3.{region}.amazonaws.com").rstrip("/")
        keys = Keys(known[0] or "", known[1] or "", option.get("token", ""))
        Leftovers(endpoint, at.bucket.removeprefix("s3://"), region, keys).abort(at.key(name))


def _as_file(number: int, size: int) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | 0o600, number, 0, 1, 0, 0, size, 0, 0, 0))
