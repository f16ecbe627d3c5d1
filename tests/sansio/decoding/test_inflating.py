"""Libraries that inflate: one face, the same bytes, the same refusals."""

from __future__ import annotations

import gzip
import importlib.util
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import DecodeError
from asyncexport.sansio.decoding import inflating
from asyncexport.sansio.decoding.gunzip import Gunzip
from asyncexport.sansio.decoding.inflating import FASTEST, ISAL, ZLIB, Backend
from tests.support import feed_all, pieces_of, steady

BACKENDS = [backend for backend in (ZLIB, ISAL) if backend is not None]
each_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def read(backend: Backend, file: bytes, step: int) -> bytes | None:
    """Return what the file holds, or None if it is refused."""
    try:
        return b"".join(feed_all(Gunzip(backend=backend), pieces_of(file, step)))
    except DecodeError:
        return None


def inflated(backend: Backend, data: bytes, step: int, most: int) -> tuple[bytes, bytes] | None:
    """Return what comes out and what is left behind the end, or None for what is refused or has no end."""
    inflater, made, at = backend.inflater(), b"", 0
    while at < len(data):
        fed = data[at : at + step]
        try:
            made += inflater.decompress(fed, most)
        except backend.error:
            return None
        if inflater.eof:
            return made, data[at + len(fed) - len(inflater.unused_data) :]
        at += len(fed) - len(inflater.unconsumed_tail)
    return None


def test_the_fast_library_is_taken_where_it_is() -> None:
    """ISA-L if it is installed, zlib otherwise."""
    assert FASTEST.name == ("isal" if importlib.util.find_spec("isal") else "zlib")


def test_zlib_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ISA-L the module still imports, and zlib inflates."""
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    spec = importlib.util.find_spec(inflating.__name__)
    assert spec is not None
    assert spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, alone)
    spec.loader.exec_module(alone)
    assert alone.ISAL is None
    assert alone.FASTEST.name == "zlib"
    assert inflated(alone.FASTEST, deflated(b"text"), 1, 1) == (b"text", b"")


@each_backend
@pytest.mark.parametrize("step", [1, 7, 65_536])
@pytest.mark.parametrize("most", [1, 100, 65_536])
def test_output_is_bounded_and_nothing_is_lost(backend: Backend, step: int, most: int) -> None:
    """Whatever goes in at once and may come out at once, the bytes are the same, and so is what follows the end."""
    data = bytes(range(256)) * 8
    assert inflated(backend, deflated(data) + b"behind the end", step, most) == (data, b"behind the end")


@each_backend
def test_damage_raises_the_error_that_is_named(backend: Backend) -> None:
    """A block type that does not exist is the library's own error, which is not the other's."""
    with pytest.raises(backend.error):
        backend.inflater().decompress(b"\xff\xff", 100)


@each_backend
def test_checksums_go_on(backend: Backend) -> None:
    """The checksum of two pieces is that of the whole."""
    assert backend.crc32(b"two", backend.crc32(b"one", 0)) == zlib.crc32(b"onetwo")


@steady
@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=3), st.sampled_from([1, 7, 65_536]))
def test_the_libraries_agree(data: bytes, at: int, put: bytes, step: int) -> None:
    """A file with a few bytes overwritten: all read the same bytes, or all refuse it, if not for the same reason."""
    file = gzip.compress(data, mtime=0)
    place = at % (len(file) + 1)
    damaged = file[:place] + put + file[place + len(put) :]
    first, *others = (read(backend, damaged, step) for backend in BACKENDS)
    assert all(other == first for other in others)
