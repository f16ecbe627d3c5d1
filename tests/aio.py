"""aioresponses made to work with aiohttp 3.14 and later, until it does so by itself.

aioresponses 0.7.9 builds responses without the ``stream_writer`` that aiohttp now demands, and with a reader that
holds no more than 131,072 bytes before it asks a parser, which a mock does not have, to go on. Both are put right from
outside. ``tests/test_aio.py`` fails as soon as neither is needed any more: then this module can go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import aioresponses.core
from aiohttp import ClientResponse, StreamReader
from aiohttp.client_proto import ResponseHandler
from aioresponses import aioresponses as Mocked  # noqa: N812  a class by what it makes

_LARGEST_BODY = 1 << 30


class _Response(ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **kwargs)


def _reader(loop: Any = None) -> StreamReader:
    return StreamReader(ResponseHandler(loop=loop), limit=_LARGEST_BODY, loop=loop)


@contextmanager
def mocked_http() -> Iterator[Any]:
    """Answer every request of every aiohttp session from a script: ``mock.get(url, status=..., payload=...)``."""
    with (
        patch.object(aioresponses.core, "ClientResponse", _Response),
        patch.object(aioresponses.core, "stream_reader_factory", _reader),
        Mocked() as mock,
    ):
        yield mock
