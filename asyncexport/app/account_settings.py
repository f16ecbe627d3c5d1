"""Accounts, from the tables of the configuration or from the environment.

Contract: an account has what it needs, or one clear line says what is missing, wrong or unknown, as a
:class:`ConfigError`. Secrets come from wherever :mod:`asyncexport.app.credentials` lets them. Credentials go by https
only, but for servers of this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from asyncexport.accounts import Account, Region
from asyncexport.app.credentials import secret
from asyncexport.app.rotation import keeper_of
from asyncexport.app.table import Table
from asyncexport.errors import ConfigError

FILE_NAME: Final = "asyncexport.toml"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FROM_ENVIRONMENT = ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "REGION")


def hold_secrets(tables: Sequence[Mapping[str, object]]) -> bool:
    """Return whether a table holds a secret as text."""
    return any(isinstance(each.get(key), str) for each in tables for key in ("client_secret", "refresh_token"))


def accounts_of(
    tables: Sequence[Mapping[str, object]], environ: Mapping[str, str], folder: Path
) -> tuple[Account, ...]:
    """Return the accounts that the tables say; a relative path in them is relative to ``folder``."""
    accounts: dict[str, Account] = {}
    for at, values in enumerate(tables, start=1):
        name = values.get("name")
        table = Table(values, f"[[accounts]] {name!r}" if isinstance(name, str) else f"[[accounts]] number {at}")
        account = _account(table, environ, folder)
        if account.name in accounts:
            table.refuse("another account has the same name; names must differ")
        accounts[account.name] = account
    return tuple(accounts.values())


def account_of(environ: Mapping[str, str]) -> Account:
    """Return the account that the environment says."""
    names = [f"AMAZON_ADS_{each}" for each in _FROM_ENVIRONMENT]
    missing = [name for name in names if not environ.get(name, "").strip()]
    if len(missing) == len(names):
        raise ConfigError(
            f"no account: write [[accounts]] into {FILE_NAME} (or name a file with -c), or set {', '.join(names)}"
        )
    if missing:
        raise ConfigError(f"environment: {', '.join(missing)} must be set too")
    values = {"name": "default", "region": environ[names[3]].strip()}
    sources = {key.lower(): {"env": f"AMAZON_ADS_{key}"} for key in _FROM_ENVIRONMENT[:3]}
    return _account(Table({**values, **sources}, "environment AMAZON_ADS_*"), environ, Path())


def _account(table: Table, environ: Mapping[str, str], folder: Path) -> Account:
    name = table.text("name") or table.refuse("name is missing")
    # Keys are looked at before any of them is required, so that a misspelt one is named as what it is.
    known = ("region", "client_id", "client_secret", "refresh_token", "profiles", "api_url", "token_url")
    for key in (*known, "download_hosts"):
        table.get(key)
    table.close()
    region = table.word("region", [each.value for each in Region])
    hosts = table.words("download_hosts")
    return Account(
        name,
        region=region or table.refuse("region is missing; it is NA, EU or FE"),
        client_id=secret(table, "client_id", environ=environ, folder=folder).reveal(),
        client_secret=secret(table, "client_secret", environ=environ, folder=folder),
        refresh_token=secret(table, "refresh_token", environ=environ, folder=folder),
        profiles=_profile_ids(table),
        api_url=_url(table, "api_url"),
        token_url=_url(table, "token_url"),
        on_new_refresh_token=keeper_of(table.get("refresh_token"), folder),
        **({} if hosts is None else {"download_hosts": hosts}),
    )


def _profile_ids(table: Table) -> tuple[str, ...] | None:
    value = table.get("profiles")
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        table.refuse("profiles must be an array of profile ids; leave the key out for all of them")
    for each in value:
        if isinstance(each, bool) or not isinstance(each, str | int) or not _is_profile_id(str(each)):
            table.refuse(f"profiles: {each!r} is no profile id; they are whole numbers")
    return tuple(dict.fromkeys(str(each) for each in value))


def _is_profile_id(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _url(table: Table, key: str) -> str | None:
    text = table.text(key)
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        table.refuse(f"{key} is no URL")
    if parts.scheme not in ("https", "http") or not host or parts.username is not None:
        table.refuse(f"{key} must be an https URL such as https://advertising-api.amazon.com")
    if parts.scheme == "http" and host not in _LOOPBACK:
        table.refuse(f"{key} must use https: credentials go there; plain http is for this machine only")
    return text
