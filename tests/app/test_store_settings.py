"""The keys for object stores: from the table, else what AWS's own tools would take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncexport.app.store_settings import store_options
from asyncexport.app.table import Table
from asyncexport.errors import ConfigError

URL = "s3://bucket/prefix"
AWS = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "key",
    "AWS_SESSION_TOKEN": "token",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
}


def told(values: dict[str, Any], url: str = URL, environ: dict[str, str] | None = None) -> dict[str, str]:
    """Return the options in clear."""
    options = store_options(Table(values, "[sink]"), url, environ=environ or {}, folder=Path())
    return {name: value.reveal() for name, value in options.items()}


def test_what_the_table_says() -> None:
    """Secrets may be in the environment, as those of accounts."""
    table = {"endpoint": "http://e", "region": "r", "access_key_id": "a", "secret_access_key": {"env": "S3_KEY"}}
    assert told(table, environ={"S3_KEY": "s"}) == {
        "endpoint": "http://e",
        "region": "r",
        "access_key_id": "a",
        "secret_access_key": "s",
    }
    with pytest.raises(ConfigError, match="S3_KEY, which is not set"):
        told(table)


def test_what_the_environment_says() -> None:
    """Of S3 only, and its keys only where the table has none."""
    assert told({}, environ=AWS) == {
        "access_key_id": "id",
        "secret_access_key": "key",
        "token": "token",
        "region": "eu-west-1",
        "endpoint": "http://127.0.0.1:1",
    }
    assert told({"access_key_id": "a", "region": "r"}, environ=AWS) == {
        "access_key_id": "a",
        "region": "r",
        "endpoint": "http://127.0.0.1:1",
    }
    assert told({}, "gs://bucket", environ=AWS) == {}


def test_keys_without_a_store() -> None:
    """Are refused, naming the first."""
    with pytest.raises(ConfigError, match="region is for object stores"):
        told({"region": "r"}, "")
    assert told({}, "") == {}
