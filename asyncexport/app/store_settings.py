"""The keys of the ``[sink]`` table that say how an object store is reached.

Contract: ``endpoint`` and ``region`` are texts, ``access_key_id``, ``secret_access_key`` and ``token`` secrets as those
of accounts are. Of S3 what the table leaves out is taken from the environment's ``AWS_...``, because only what is known
here can sign the requests that look for what a killed run left; for the rest, and for other stores, obstore looks where
its users expect it to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from asyncexport.accounts import Secret
from asyncexport.app.credentials import secret
from asyncexport.app.table import Table

SECRETS: Final = ("access_key_id", "secret_access_key", "token")
KEYS: Final = ("endpoint", "region", *SECRETS)

_AWS: Final = {
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "token": ("AWS_SESSION_TOKEN",),
}


def store_options(table: Table, url: str, *, environ: Mapping[str, str], folder: Path) -> dict[str, Secret]:
    """Return the options of the store at ``url``; none, and no key either, where it is empty.

    Raises :class:`ConfigError` as :func:`asyncexport.app.credentials.secret` does.
    """
    given: dict[str, Secret] = {}
    for key in KEYS:
        if table.get(key) is None:
            continue
        if not url:
            table.refuse(f"{key} is for object stores; path is none, such as s3://bucket/prefix")
        if key in SECRETS:
            given[key] = secret(table, key, environ=environ, folder=folder)
        else:
            given[key] = Secret(table.text(key) or table.refuse(f"{key} is empty"))
    return _from_environment(given, environ) | given if url.startswith("s3://") else given


def _from_environment(given: Mapping[str, Secret], environ: Mapping[str, str]) -> dict[str, Secret]:
    """Return what AWS's own tools would take, keys only all together and none beside those that are given."""
    has_keys = any(name in given for name in SECRETS)
    return {
        name: Secret(environ[found])
        for name, variables in _AWS.items()
        if not (has_keys and name in SECRETS)
        and (found := next((each for each in variables if environ.get(each)), None)) is not None
    }
