"""A real S3 server on loopback, in a process of its own, and what tests ask it without the code under test."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import obstore
import pytest
from obstore.store import S3Store

from asyncexport.sinks import ObjectStore

KEYS = {"access_key_id": "AKIDTESTS", "secret_access_key": "canary-s3-secret", "region": "eu-west-1"}


@dataclass(frozen=True)
class Bucket:
    """One empty bucket of the server."""

    endpoint: str
    name: str

    @property
    def url(self) -> str:
        """Where a sink puts its tree."""
        return f"s3://{self.name}/ads/nightly"

    @property
    def options(self) -> dict[str, str]:
        """What a client needs to know."""
        return {**KEYS, "endpoint": self.endpoint}

    def files(self, **more: str) -> ObjectStore:
        """Return our way to it."""
        return ObjectStore(**{**self.options, **more})

    def store(self) -> Any:
        """Return the library's own way to it."""
        return S3Store(self.name, config=self.options, client_options={"allow_http": True})  # type: ignore[arg-type]

    def keys(self) -> dict[str, int]:
        """List every object with its size."""
        return {each["path"]: each["size"] for listed in obstore.list(self.store()) for each in listed}

    def content(self, key: str) -> bytes:
        """Read one object."""
        return bytes(obstore.get(self.store(), key).bytes())

    def tree(self) -> dict[str, bytes]:
        """Read everything below the sink's path but the digests, by relative key."""
        prefix = "ads/nightly/"
        keys = [key for key in self.keys() if not key.endswith(".sha256")]
        return {key.removeprefix(prefix): self.content(key) for key in keys if key.startswith(prefix)}

    def unfinished(self) -> int:
        """Count the multipart uploads that are neither completed nor aborted."""
        return len(re.findall("<Upload>", self.ask("GET", "?uploads")))

    def ask(self, method: str, query: str = "", body: bytes = b"") -> str:
        """Ask the server itself."""
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.endpoint}/{self.name}{query}",
            data=body if method == "PUT" else None,
            method=method,
            headers={"content-type": "application/octet-stream"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return str(answer.read().decode())


@contextmanager
def serving() -> Iterator[str]:
    """Run the server; yield its URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert server.poll() is None, "the S3 server has ended"
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


_numbers = count(1)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Run an S3 server for all tests of a process; yield its URL."""
    with serving() as url:
        yield url


@pytest.fixture
def bucket(s3_server: str) -> Bucket:
    """Make an empty bucket."""
    made = Bucket(s3_server, f"bucket-{next(_numbers)}")
    made.ask("PUT")
    return made
