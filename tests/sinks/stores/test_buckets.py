"""URLs of buckets, and what is made of what their stores say."""

from __future__ import annotations

import os
import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, BaseError, GenericError, PermissionDeniedError
from obstore.store import S3Store

from asyncexport.accounts import Secret
from asyncexport.errors import ConfigError, SinkError, SinkRejected, SinkUnreachable, TooManyOpenFiles
from asyncexport.sinks.stores.buckets import asking, connect, is_url, split_url


def test_a_url_has_a_bucket_and_a_key() -> None:
    """Slashes around the key mean nothing; of a local URL all of it is the place."""
    assert split_url("s3://bucket/a/b/") == ("s3://bucket", "a/b")
    assert split_url("gs://bucket") == ("gs://bucket", "")
    assert split_url("file:///tmp/x/") == ("file:///tmp/x", "")
    assert (is_url("s3://b"), is_url("exports/s3:")) == (True, False)


@pytest.mark.parametrize(
    ("raised", "kind", "text"),
    [
        (GenericError("status code: 403 Forbidden: <Code>SignatureDoesNotMatch</Code> canary"), SinkError, "region"),
        (PermissionDeniedError("no"), SinkError, "AccessDenied"),
        (GenericError("status code: 503 Service Unavailable: <Code>SlowDown</Code>"), SinkUnreachable, "SlowDown"),
        (GenericError("error sending request for canary"), SinkUnreachable, "no answer"),
        (GenericError("status code: 418 Teapot"), SinkError, "(status 418); see to the store"),
        (AlreadyExistsError("canary"), SinkRejected, "somebody else has stored it meanwhile"),
        (GenericError('status code: 401: {"error": {"code": 401, "message": "canary"}}'), SinkError, "401"),
    ],
)
def test_what_a_store_says(raised: BaseError, kind: type[SinkError], text: str) -> None:
    """Becomes one of our errors, with the store's code and the place, and nothing else of its text."""
    with pytest.raises(SinkError) as caught, asking("s3://bucket/key", "storing"):
        raise raised
    assert type(caught.value) is kind
    assert text in str(caught.value)
    assert "storing s3://bucket/key failed: " in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_no_descriptor_is_left() -> None:
    """The store is not to blame: what the system says of its own stands in the error, and there alone."""
    store = S3Store(
        "bucket",
        config={"endpoint": "http://127.0.0.1:1", "access_key_id": "canary", "secret_access_key": "canary"},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(SinkUnreachable), asking("s3://bucket/key", "reading"):
        obstore.head(store, "key")
    with (
        no_more_descriptors(),
        pytest.raises(TooManyOpenFiles, match="reading s3://bucket/key failed: too many") as caught,
        asking("s3://bucket/key", "reading"),
    ):
        obstore.head(store, "key")
    assert "canary" not in str(caught.value)


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open no file more than it has."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held + 1, usual[1]))
    filling = []
    try:
        with suppress(OSError):
            while True:
                filling.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
        for each in (held, *filling):
            os.close(each)


def test_an_object_that_is_not_there() -> None:
    """Is a file that is not there; a bucket that is not is an error."""
    with pytest.raises(FileNotFoundError) as caught, asking("s3://bucket/key", "reading"):
        raise FileNotFoundError("<Code>NoSuchKey</Code>")
    assert caught.value.errno
    with pytest.raises(SinkError, match="NoSuchBucket"), asking("s3://bucket/key", "reading"):
        raise FileNotFoundError("<Code>NoSuchBucket</Code>")


def test_options_that_no_store_has() -> None:
    """Are named without any value, and no value is within reach of the error: not in the locals of a frame either."""
    options = {"regon": Secret("canary"), "secret_access_key": Secret("canary")}
    with pytest.raises(ConfigError, match=r"s3://bucket is no object store .*: it has no option 'regon'") as caught:
        connect("s3://bucket", options)
    assert caught.value.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb) if frame.f_code.co_filename != __file__]
    assert frames
    assert "canary" not in f"{caught.value}{[frame.f_locals for frame in frames]}"


@pytest.mark.parametrize("url", ["ftp://host", "no url"])
def test_what_is_no_store(url: str) -> None:
    """Is refused by the kind of the store's error alone."""
    with pytest.raises(ConfigError, match=f"^{url} is no object store that can be opened: [A-Za-z]+$"):
        connect(url, {})
