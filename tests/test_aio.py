"""The workaround for aioresponses: that it works, and that it is still needed."""

from __future__ import annotations

import aiohttp
import pytest
from aioresponses import aioresponses as Mocked  # noqa: N812

from tests.aio import mocked_http

URL = "https://api.test/x"
BEYOND_THE_READER = 2 * 131_072


async def fetch() -> bytes:
    async with aiohttp.ClientSession() as session, session.get(URL) as answer:
        return await answer.read()


async def test_a_large_body() -> None:
    """With the workaround bodies of any size come through whole."""
    with mocked_http() as mock:
        mock.get(URL, body=b"x" * BEYOND_THE_READER)
        assert await fetch() == b"x" * BEYOND_THE_READER


async def test_without_the_workaround() -> None:
    """Once aioresponses works by itself this fails, and ``tests/aio.py`` can go."""
    with Mocked() as mock:
        mock.get(URL, body=b"x" * BEYOND_THE_READER)
        with pytest.raises((TypeError, AssertionError)):
            await fetch()
