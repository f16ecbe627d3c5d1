"""Where a PostgreSQL database is, as libpq spells it: ``postgresql://user:password@host:5432/database?sslmode=require``.

Contract: what is shown of a dsn holds neither user nor password nor parameters. What is wrong with one is said before
anybody connects, by the name of what is wrong and by nothing else of it: whatever is misread may be of a password.

Source: PostgreSQL's documentation of libpq, "Connection URIs" and "Parameter Key Words"; asyncpg's of ``connect``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from asyncexport.errors import ConfigError

_SCHEMES: Final = ("postgresql", "postgres")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "primary", "standby", "prefer-standby", "read-write", "read-only"),
}
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
_OF_LIBPQ_ALONE: Final = frozenset(
    [
        "channel_binding",
        "connect_timeout",
        "fallback_application_name",
        "gssdelegation",
        "gssencmode",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "max_protocol_version",
        "min_protocol_version",
        "replication",
        "require_auth",
        "requirepeer",
        "requiressl",
        "sslcertmode",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    ]
)
"""Parameters that libpq has and asyncpg has not, which would hand them to the server."""

_HOST: Final = re.compile(r"(?P<host>\[[^\]]+\]|[^:\[\]]*)(?::(?P<port>.*))?")
_LAST_PORT: Final = 65_535
_DIGITS: Final = 5


def place_of(dsn: str) -> str:
    """Return the part of a dsn that may be shown. Raises :class:`ConfigError`, which shows nothing of it."""
    parts = _parts(dsn)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


def check_dsn(dsn: str) -> None:
    """Raise :class:`ConfigError` for what nobody could connect by."""
    parts = _parts(dsn)
    parameters = _parameters(parts)
    if foreign := sorted(_OF_LIBPQ_ALONE.intersection(parameters)):
        raise ConfigError(f"the dsn has parameters that are not supported, leave them out: {', '.join(foreign)}")
    for name, words in _WORDS.items():
        if parameters.get(name, words[0]) not in words:
            raise ConfigError(f"{name} in the dsn is none of {', '.join(words)}")
    for hosts in (parts.netloc.rpartition("@")[2], parameters.get("host", "")):
        _check_hosts(hosts)
    for port in parameters.get("port", "").split(","):
        _check_port(port)


def files_of(dsn: str) -> dict[str, str]:
    """Return the files that a dsn names for TLS, by the names of the parameters."""
    return {name: file for name, file in _parameters(_parts(dsn)).items() if name in _FILES}


def _parts(dsn: str) -> SplitResult:
    try:
        parts = urlsplit(dsn)
    except ValueError:
        raise ConfigError("the dsn is no URL such as postgresql://user:password@host/database") from None
    elsewhere = parts.netloc.rpartition("@")[0] + parts.path + parts.query + parts.fragment
    if parts.scheme not in _SCHEMES or "@" in elsewhere:
        raise ConfigError(
            "the dsn is no URL such as postgresql://user:password@host/database; "
            "letters like @ / ? # in a password are written as %40 %2F %3F %23"
        )
    return parts


def _parameters(parts: SplitResult) -> dict[str, str]:
    try:
        return dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ConfigError("what follows the ? of the dsn is no list such as sslmode=require&user=ads") from None


def _check_hosts(hosts: str) -> None:
    every = hosts.split(",")
    for each in every:
        if each.startswith("/"):
            continue
        found = _HOST.fullmatch(each)
        if found is None or (len(every) > 1 and not found["host"]):
            raise ConfigError("a host in the dsn is none; several are written as host:port,host:port")
        _check_port(unquote(found["port"] or ""))


def _check_port(port: str) -> None:
    if port and not (port.isascii() and port.isdigit() and len(port) <= _DIGITS and 0 < int(port) <= _LAST_PORT):
        raise ConfigError("a port in the dsn is no number from 1 to 65535; a colon in a password is written as %3A")
