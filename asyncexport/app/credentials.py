"""Where secrets come from: a text in the file, ``{ env = NAME }`` or ``{ file = PATH }``. Never the command line.

Contract: what comes back is a :class:`Secret`; no message ever holds any of its text, nor its length. A file that holds
secrets, and be it the configuration itself, is refused when its group or others may read it, because whoever reads a
refresh token reads every profile behind it; the message says which ``chmod`` mends it. No message has a colon right
after a key or a path: redaction takes what follows ``client_secret:`` for the secret. A relative path is relative to
the configuration's folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from asyncexport.accounts import Secret
from asyncexport.app.table import Table, toml_type
from asyncexport.errors import ConfigError

_LARGEST = 64 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


def secret(table: Table, key: str, *, environ: Mapping[str, str], folder: Path) -> Secret:
    """Return the secret that ``key`` of an account's table holds or points to.

    Raises :class:`ConfigError` when it is missing, empty, of the wrong type or in a file that others may read.
    """
    value = table.get(key)
    if value is None:
        table.refuse(f'{key} is missing; give a string, {{ env = "NAME" }} or {{ file = "PATH" }}')
    if isinstance(value, str):
        return Secret(_whole(table, key, value))
    if not isinstance(value, dict) or len(value) != 1:
        table.refuse(f'{key} must be a string, {{ env = "NAME" }} or {{ file = "PATH" }}, not {toml_type(value)}')
    ((source, name),) = value.items()
    if source not in ("env", "file") or not isinstance(name, str) or not name:
        table.refuse(f'{key} must be a string, {{ env = "NAME" }} or {{ file = "PATH" }}')
    if source == "env":
        return Secret(_from_environment(table, key, name, environ))
    return Secret(_whole(table, key, _from_file(table, key, folder / Path(name).expanduser())))


def refuse_readable(path: Path, mode: int, why: str) -> None:
    """Raise :class:`ConfigError` when ``mode`` lets group or others read ``path``; ``why`` says what it holds."""
    if mode & _READABLE_BY_OTHERS:
        raise ConfigError(f"{why}, and other users may read {path}; run: chmod 600 {path}")


def _from_environment(table: Table, key: str, name: str, environ: Mapping[str, str]) -> str:
    if not environ.get(name, "").strip():
        table.refuse(f"{key} is in the environment variable {name}, which is not set")
    return _whole(table, key, environ[name])


def _from_file(table: Table, key: str, path: Path) -> str:
    try:
        if not path.is_file():
            table.refuse(f"{key} (there is no file {path})")
        with path.open("rb") as file:
            refuse_readable(path, os.fstat(file.fileno()).st_mode, f"{table.where} {key} is in a file")
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        table.refuse(f"{key} cannot be read from {path} ({error.strerror})")
    if len(raw) > _LARGEST:
        table.refuse(f"{key} (the file {path} is larger than {_LARGEST} bytes and therefore no secret)")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        table.refuse(f"{key} (the file {path} is not UTF-8 text)")


def _whole(table: Table, key: str, text: str) -> str:
    text = text.strip()
    if not text:
        table.refuse(f"{key} is empty")
    if not text.isascii() or not text.isprintable() or " " in text:
        table.refuse(f"{key} holds white space or characters that no credential has; was it pasted whole?")
    return text
