"""Unfinished uploads of an S3 bucket: listed and aborted, and nothing is made of what fails.

That a real server's are is shown where objects are stored (``tests/sinks/stores/test_objects.py``).
"""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest

from asyncexport.adapters.s3_leftovers import Leftovers
from asyncexport.sansio.transfers.aws_signature import Keys

LISTED = (
    "<R><Upload><Key>a&amp;b</Key><UploadId>one</UploadId></Upload>"
    "<Upload><Key>a&amp;b.more</Key><UploadId>two</UploadId></Upload><Upload><Key>a&amp;b</Key></Upload></R>"
)


def answer(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()


def asked(*answers: bytes) -> tuple[int, list[str]]:
    """Abort what is left of ``a&b`` at a server with these answers; return how many and what it was asked."""
    requests: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            for each in answers:
                connection, _ = server.accept()
                with connection:
                    requests.append(connection.recv(65536).decode())
                    connection.sendall(each)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        left = Leftovers(
            f"http://127.0.0.1:{port}",
            "bucket",
            "eu-west-1",
            Keys("id", "key"),
            lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )
        aborted = left.abort("a&b")
        thread.join()
    return aborted, requests


def test_the_uploads_of_one_object_are_aborted() -> None:
    """Only those of exactly that key, and each by its own id; what the server says is read as text."""
    aborted, requests = asked(answer("200 OK", LISTED), answer("204 No Content", ""))

    assert aborted == 1
    assert [request.splitlines()[0] for request in requests] == [
        "GET /bucket?prefix=a%26b&uploads= HTTP/1.1",
        "DELETE /bucket/a%26b?uploadId=one HTTP/1.1",
    ]
    assert all("Credential=id/20260101/eu-west-1/s3/aws4_request" in request for request in requests)


@pytest.mark.parametrize(
    "said",
    [answer("403 Forbidden", ""), answer("200 OK", "no list"), b"", answer("200 OK", "").replace(b"200", b"xxx")],
)
def test_a_server_that_says_something_else(said: bytes) -> None:
    """Costs nothing but the question."""
    assert asked(said)[0] == 0
