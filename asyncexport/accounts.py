"""Who asks: regions, secrets that are never shown, and accounts, one Login-with-Amazon client and one grant each.

A credential is a :class:`Secret` from the moment it comes in until it goes onto the wire, so that no log, traceback or
pickle on the way can show it. Where a credential is kept is the caller's business: a text, or a function that asks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn, TypeAlias
from urllib.parse import urlsplit

from asyncexport.errors import ConfigError


class Region(StrEnum):
    """The three places the API lives in. An account's grant, its profiles and its slots belong to one of them."""

    NA = "NA"
    EU = "EU"
    FE = "FE"

    @property
    def api_url(self) -> str:
        """Origin of the API (official)."""
        return _HOSTS[self][0]

    @property
    def token_url(self) -> str:
        """Where refresh tokens become access tokens (official)."""
        return _HOSTS[self][1]


_HOSTS = {
    Region.NA: ("https://advertising-api.amazon.com", "https://api.amazon.com/auth/o2/token"),
    Region.EU: ("https://advertising-api-eu.amazon.com", "https://api.amazon.co.uk/auth/o2/token"),
    Region.FE: ("https://advertising-api-fe.amazon.com", "https://api.amazon.co.jp/auth/o2/token"),
}


class Secret:
    """Text that must not be seen: constant ``repr`` and ``str``, refuses to be pickled.

    >>> Secret("Atzr|...")
    Secret(***)
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: called only where it goes onto the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never pickled; pass where to find it instead")


SecretText: TypeAlias = str | Secret

SecretSource: TypeAlias = (
    SecretText | Awaitable[SecretText] | Callable[[], SecretText] | Callable[[], Awaitable[SecretText]]
)
"""A text, or something that fetches it once when the exporter is entered (a vault)."""

SecretKeeper: TypeAlias = Callable[["Secret"], Awaitable[None] | None]
"""Stores a secret where the next run will find it; returns when it is safe there, raises when it could not be."""


@dataclass(frozen=True, slots=True, init=False)
class Account:
    """One Login-with-Amazon client and one grant, in one region.

    ``profiles`` restricts discovery to these ids (None: every seller and vendor profile of the region). ``api_url`` and
    ``token_url`` replace the region's own (emulator, tests, proxies). ``download_hosts`` lists the host suffixes that
    signed URLs may point to; plain http is admitted only towards a loopback ``api_url``'s own host.
    ``on_new_refresh_token`` is given the refresh token that replaces this one, should the token host ever send one,
    before it is used.

    Raises :class:`ConfigError` for an empty name, a region that does not exist, a URL that cannot be connected to, or a
    single text where several are meant.
    """

    name: str
    region: Region
    client_id: SecretSource = field(repr=False)
    client_secret: SecretSource = field(repr=False)
    refresh_token: SecretSource = field(repr=False)
    profiles: tuple[str, ...] | None
    api_url: str
    token_url: str
    download_hosts: tuple[str, ...]
    on_new_refresh_token: SecretKeeper | None = field(repr=False)

    def __init__(
        self,
        name: str,
        *,
        region: Region | str,
        client_id: SecretSource,
        client_secret: SecretSource,
        refresh_token: SecretSource,
        profiles: Sequence[str | int] | None = None,
        api_url: str | None = None,
        token_url: str | None = None,
        download_hosts: Sequence[str] = (".amazonaws.com",),
        on_new_refresh_token: SecretKeeper | None = None,
    ) -> None:
        if not name:
            raise ConfigError("an account needs a name")
        try:
            where = Region(region)
        except ValueError:
            raise ConfigError(f"account {name!r}: region {region!r} is none of NA, EU, FE") from None
        for key, texts in (("profiles", profiles), ("download_hosts", download_hosts)):
            if isinstance(texts, str):
                raise ConfigError(f"account {name!r}: {key} is a sequence of texts, not one text: [{texts!r}]")
        for key, value in {
            "name": name,
            "region": where,
            "client_id": client_id,
            "client_secret": _hidden(client_secret),
            "refresh_token": _hidden(refresh_token),
            "profiles": None if profiles is None else tuple(str(each) for each in profiles),
            "api_url": _checked_url(name, "api_url", api_url or where.api_url).rstrip("/"),
            "token_url": _checked_url(name, "token_url", token_url or where.token_url),
            "download_hosts": tuple(download_hosts),
            "on_new_refresh_token": on_new_refresh_token,
        }.items():
            object.__setattr__(self, key, value)


def _checked_url(account: str, key: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError(f"account {account!r}: {key} is no URL of the form https://host/path")
    return url


def _hidden(source: SecretSource) -> SecretSource:
    return Secret(source) if isinstance(source, str) else source
