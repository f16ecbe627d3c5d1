"""Where a PostgreSQL database is, as libpq spells it: ``postgresql://user:password@host:5432/database?sslmode=require``.

Contract: what is shown of a dsn holds neither user nor password nor parameters, and an error about it nothing at all.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from asyncexport.errors import ConfigError

_SCHEMES: Final = ("postgresql", "postgres")


def place_of(dsn: str) -> str:
    """Return the part of a dsn that may be shown. Raises :class:`ConfigError`, which shows nothing of it."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        raise ConfigError("the dsn is no URL such as postgresql://user:password@host/database") from None
    if parts.scheme not in _SCHEMES or "@" in parts.path + parts.query + parts.fragment:
        raise ConfigError(
            "the dsn is no URL such as postgresql://user:password@host/database; "
            "letters like @ / ? # in a password are written as %40 %2F %3F %23"
        )
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
