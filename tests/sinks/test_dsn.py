"""Dsns: what may be shown of one, and that one which is wrong is refused before anybody connects, unread aloud."""

from __future__ import annotations

import pytest

from asyncexport.errors import ConfigError
from asyncexport.sinks.dsn import check_dsn, files_of, place_of

SECRET = "canary-postgres-password"


@pytest.mark.parametrize(
    ("dsn", "saying"),
    [
        (f"mysql://u:{SECRET}@h/d", "is no URL such as"),
        (f"postgresql://u:a/{SECRET}@h/d", "written as %40"),
        (f"postgresql://u:a@{SECRET}@h/d", "written as %40"),
        (f"postgresql://u:a@{SECRET}:1@h:5432/d", "written as %40"),
        (f"//[{SECRET}", "is no URL such as"),
        (f"postgresql://h:{SECRET}/d", "a port in the dsn"),
        (f"postgresql://u:{SECRET}@h:99999/d", "from 1 to 65535"),
        (f"postgresql://u:{SECRET}@h:0/d", "from 1 to 65535"),
        (f"postgresql://u:{SECRET}@h:123456789012/d", "from 1 to 65535"),
        (f"postgresql://a:1,h:{SECRET}/d", "a port in the dsn"),
        (f"postgresql:///d?host=h&port={SECRET}", "a port in the dsn"),
        (f"postgresql:///d?host=h:{SECRET}", "a port in the dsn"),
        (f"postgresql://u:{SECRET}@a,,b/d", "a host in the dsn is none"),
        (f"postgresql:///d?host=[{SECRET}", "a host in the dsn is none"),
        (f"postgresql://h/d?sslmode={SECRET}", "sslmode in the dsn is none of disable, allow, "),
        (f"postgresql://h/d?target_session_attrs={SECRET}", "target_session_attrs in the dsn is none of any, "),
        (f"postgresql://h/d?{SECRET}", "no list such as sslmode=require"),
        (f"postgresql://h/d?connect_timeout={SECRET}&channel_binding=require", "out: channel_binding, connect_timeout"),
    ],
)
def test_a_dsn_that_is_none(dsn: str, saying: str) -> None:
    """What is wrong is named, and nothing of it is shown, for it may be of a password."""
    with pytest.raises(ConfigError, match=saying) as failure:
        check_dsn(dsn)
    assert "canary" not in str(failure.value)
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


@pytest.mark.parametrize(
    ("dsn", "place"),
    [
        (f"postgres://ads:{SECRET}@db.example:5433/ads?sslmode=require", "postgresql://db.example:5433/ads"),
        (f"postgresql://a:5432,b:5433/ads?user=ads&password={SECRET}", "postgresql://a:5432,b:5433/ads"),
        (f"postgresql://ads:%40{SECRET}@[::1]:5432/ads", "postgresql://[::1]:5432/ads"),
        ("postgresql:///ads?host=/run/postgresql,b&port=5432,5433", "postgresql:///ads"),
        ("postgresql://h/ads?work_mem=64MB&application_name=&target_session_attrs=read-write", "postgresql://h/ads"),
        ("postgresql://", "postgresql://"),
    ],
)
def test_a_dsn_as_libpq_takes_it(dsn: str, place: str) -> None:
    """It is taken, and shown without user, password and parameters."""
    check_dsn(dsn)
    assert place_of(dsn) == place


def test_files_that_a_dsn_names() -> None:
    """Those for TLS, which have to be there before anybody connects."""
    assert files_of(f"postgresql://h/ads?sslmode=verify-full&sslrootcert=/a.crt&password={SECRET}&sslkey=%2Fb") == {
        "sslrootcert": "/a.crt",
        "sslkey": "/b",
    }
    assert files_of("postgresql://h/ads") == {}
