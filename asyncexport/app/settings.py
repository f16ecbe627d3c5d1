"""Settings: one TOML file and the environment become frozen dataclasses, or one clear line of refusal.

Contract: ``load`` reads the file that was named, else ``./asyncexport.toml`` when it exists, else nothing; an unknown
key, a wrong type, a missing secret is a :class:`ConfigError` that names the table and the key. Without ``[[accounts]]``
one account comes from ``AMAZON_ADS_CLIENT_ID``, ``_CLIENT_SECRET``, ``_REFRESH_TOKEN`` and ``_REGION``.

Precedence is click's: a flag over ``ASYNCEXPORT_*`` over the file (``Settings.as_defaults`` is click's ``default_map``)
over the defaults here. A relative path in the file is relative to the file's folder, one on the command line or in the
environment to the current directory.

This is the only module of the package that reads ``os.environ``.
"""

from __future__ import annotations

import json as json_text
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.cores import cores
from asyncexport.app.account_settings import FILE_NAME, account_of, accounts_of, hold_secrets
from asyncexport.app.credentials import refuse_readable, secret
from asyncexport.app.store_settings import KEYS, store_options
from asyncexport.app.table import Table, suggestion, toml_type
from asyncexport.engine.runners.choosing import RUNNERS
from asyncexport.errors import ConfigError
from asyncexport.models import AD_PRODUCTS, STATES, Entity, Filters, Limits
from asyncexport.sansio.scheduling.window import OFFICIAL
from asyncexport.sansio.transfers.recovery import EXPORT_KEPT_SECONDS
from asyncexport.sinks.databases import Mode
from asyncexport.sinks.dsn import check_dsn, place_of
from asyncexport.sinks.files.codecs import Compression
from asyncexport.sinks.stores.buckets import is_url

DEFAULT_FILE = Path(FILE_NAME)
SINKS = ("jsonl", "parquet", "duckdb", "postgres")
MODES: tuple[Mode, ...] = get_args(Mode)
COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
MOST_WORKERS = 256
_DATABASES = ("duckdb", "postgres")
_OF_POSTGRES = ("dsn", "schema")
_NO_DATABASE = "must be that of a file; DuckDB writes no file in an object store"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The ``[run]`` table.

    ``state_dir`` is where the journal and the lock are, None for a run that neither remembers nor locks; ``workers``
    is how many processes the transfers of large exports may run in; with the ``runner`` "dask" they are a Dask
    cluster's, whose scheduler is at ``dask``, empty for a cluster of this machine's own. ``deadline`` is in seconds,
    from an export's granted request until it is ready; ``ca_file`` holds certificate authorities to trust besides the
    system's.
    """

    entities: tuple[Entity, ...] = tuple(Entity)
    filters: Filters = field(default_factory=Filters)
    state_dir: Path | None = Path("state")
    workers: int = field(default_factory=cores)
    runner: str = "processes"
    dask: str = ""
    deadline: float = 1800.0
    ca_file: Path | None = None

    @property
    def scheduler(self) -> str | None:
        """Where the Dask cluster is that is to be used, None for no other than this machine's own."""
        return self.dask or None if self.runner == "dask" else None


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """The ``[sink]`` table: where rows go, how files are compressed, and what becomes of older snapshots in a database.

    ``path`` is a folder, or the file of DuckDB; ``url`` takes its place where rows go to an object store, whose
    ``store`` are the options that it needs. ``dsn`` and ``schema`` are PostgreSQL's.
    """

    type: str = "jsonl"
    path: Path = Path("exports")
    compression: Compression = "zstd"
    mode: Mode = "append"
    url: str = ""
    store: Mapping[str, Secret] = field(default_factory=dict)
    dsn: Secret | None = None
    schema: str = "asyncexport"

    def at(self, out: str | os.PathLike[str]) -> SinkSettings:
        """Return the same with another place, as a path or a URL. Raises :class:`ConfigError` where it cannot be."""
        place = os.fspath(out)
        if self.type == "duckdb" and is_url(place):
            raise ConfigError(f"--out {_NO_DATABASE}")
        if self.type == "postgres":
            if place != self.place:
                raise ConfigError(
                    "--out is for files; where PostgreSQL is stands in the configuration, as dsn and schema"
                )
            return self
        return replace(self, url=place) if is_url(place) else replace(self, url="", path=Path(place))

    @property
    def place(self) -> str:
        """The path or the URL; of PostgreSQL the database and the schema, without credentials."""
        if self.dsn is not None:
            return f"{place_of(self.dsn.reveal())}:{self.schema}"
        return self.url or str(self.path)

    @property
    def folder(self) -> Path:
        """Where manifests are kept."""
        return self.path.parent if self.type == "duckdb" else self.path


@dataclass(frozen=True, slots=True)
class Places:
    """Where runs leave their results and what they remember, for commands that only look at both."""

    out: Path = Path("exports")
    state_dir: Path = Path("state")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command needs to know. ``source`` is the file it came from, None when there was none."""

    accounts: tuple[Account, ...]
    run: RunSettings = field(default_factory=RunSettings)
    limits: Limits = field(default_factory=Limits)
    sink: SinkSettings = field(default_factory=SinkSettings)
    source: Path | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may be a mistake: ad products that were not known when this was written."""
        return tuple(
            f"[run]: ad_products: {word!r} is none of {', '.join(AD_PRODUCTS)}{suggestion(word, AD_PRODUCTS)}"
            for word in self.run.filters.ad_products
            if word not in AD_PRODUCTS
        )

    def as_defaults(self) -> dict[str, Any]:
        """Return what the file says about things that are also options, by the options' names."""
        return {
            "entity": [each.value for each in self.run.entities],
            "out": self.sink.place,
            "workers": self.run.workers,
            "runner": self.run.runner,
        }

    def choose(
        self,
        *,
        out: str | os.PathLike[str] | None = None,
        entities: Sequence[str] = (),
        accounts: Sequence[str] = (),
        workers: int | None = None,
        runner: str | None = None,
        dask: str = "",
    ) -> Settings:
        """Return the settings with what the command line chose; empty and None choose nothing.

        Raises :class:`ConfigError` for an account that is not configured, and for the address of a Dask cluster that is
        not to be used.
        """
        run = replace(
            self.run,
            entities=tuple(dict.fromkeys(Entity(each) for each in entities)) or self.run.entities,
            workers=self.run.workers if workers is None else workers,
            runner=runner or self.run.runner,
            dask=dask or self.run.dask,
        )
        if dask and run.runner != "dask":
            raise ConfigError(f"--dask {dask}: it is for --runner dask, and this run uses {run.runner}")
        sink = self.sink if out is None else self.sink.at(out)
        return replace(self, run=run, sink=sink, accounts=self._only(accounts))

    def _only(self, names: Sequence[str]) -> tuple[Account, ...]:
        known = [account.name for account in self.accounts]
        for name in names:
            if name not in known:
                nearest = suggestion(name, known)
                raise ConfigError(f"--account {name!r}: configured are {', '.join(map(repr, known))}{nearest}")
        return tuple(each for each in self.accounts if not names or each.name in names)


def load(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of ``path``, or of ``./asyncexport.toml``, or of the environment alone.

    Raises :class:`ConfigError` with one line that names the table and the key.
    """
    environ = os.environ if environ is None else environ
    source = _source(path)
    if source is None:
        return parse({}, source=None, environ=environ)
    try:
        return parse(_read(source), source=source, environ=environ)
    except ConfigError as error:
        raise _located(error, source) from None


def harmless_environment(
    accounts: Sequence[Account], environ: Mapping[str, str] | None = None, *, dsn: Secret | None = None
) -> dict[str, str]:
    """Return the environment without the variables that hold a secret of ours, for processes started by us."""
    environ = os.environ if environ is None else environ
    sources = [source for account in accounts for source in (account.client_secret, account.refresh_token)]
    secrets = [source.reveal() for source in (*sources, dsn) if isinstance(source, Secret)]
    return {name: text for name, text in environ.items() if not any(secret in text for secret in secrets)}


def load_places(path: str | os.PathLike[str] | None = None) -> Places:
    """Return the folders that the file names, for commands that look at results and need no credentials.

    Raises :class:`ConfigError` as :func:`load` does.
    """
    source = _source(path)
    if source is None:
        return Places()
    try:
        top = Table(_read(source), "top level")
        sink = _sink(top.table("sink"), source.parent, None)
        return Places(sink.folder, _state_dir(top.table("run"), source.parent))
    except ConfigError as error:
        raise _located(error, source) from None


def load_sink(path: str | os.PathLike[str] | None = None) -> SinkSettings:
    """Return what the file says of the sink, for commands that read from it and need no credentials of an account.

    Raises :class:`ConfigError` as :func:`load` does.
    """
    source = _source(path)
    if source is None:
        return SinkSettings()
    try:
        table = Table(_read(source), "top level").table("sink")
        _refuse_readable_secrets(source, has_some=_holds_secret(table))
        return _sink(table, source.parent, os.environ)
    except ConfigError as error:
        raise _located(error, source) from None


def parse(document: Mapping[str, object], *, source: Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings that a TOML document says. Raises :class:`ConfigError`."""
    top = Table(document, "top level")
    run, limits, sink = top.table("run"), top.table("limits"), top.table("sink")
    tables = top.tables("accounts")
    top.close()
    folder = source.parent if source is not None else Path()
    if source is not None:
        _refuse_readable_secrets(source, has_some=hold_secrets(tables) or _holds_secret(sink))
    return Settings(
        run=_run(run, folder),
        limits=_limits(limits),
        sink=_sink(sink, folder, environ),
        accounts=accounts_of(tables, environ, folder) if tables else (account_of(environ),),
        source=source,
    )


def _source(path: str | os.PathLike[str] | None) -> Path | None:
    if path is not None:
        return Path(path)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read(source: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(source.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError("there is no such file") from None
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}") from None


def _located(error: ConfigError, source: Path) -> ConfigError:
    text = str(error)
    return error if text.startswith(f"{source}:") else ConfigError(f"{source}: {text}")


def _run(table: Table, folder: Path) -> RunSettings:
    defaults = RunSettings()
    words = table.words("entities") or tuple(Entity)
    known = [each.value for each in Entity]
    for word in words:
        if word not in known:
            table.refuse(f"entities: {word!r} is none of {', '.join(known)}{suggestion(word, known)}")
    ca_file = table.text("ca_file")
    states = table.words("states") or defaults.filters.states
    for word in states:
        if word not in STATES:
            table.refuse(f"states: {word!r} is none of {', '.join(STATES)}{suggestion(word, STATES)}")
    settings = RunSettings(
        entities=tuple(Entity(word) for word in words),
        filters=Filters(table.words("ad_products") or defaults.filters.ad_products, states),
        state_dir=_state_dir(table, folder),
        workers=table.integer("workers", defaults.workers, within=(0, MOST_WORKERS)),
        runner=table.word("runner", RUNNERS) or defaults.runner,
        dask=table.text("dask") or defaults.dask,
        deadline=table.seconds("deadline", defaults.deadline, hours=EXPORT_KEPT_SECONDS / 3600.0),
        ca_file=None if ca_file is None else folder / Path(ca_file).expanduser(),
    )
    table.close()
    return settings


def _state_dir(table: Table, folder: Path) -> Path:
    return folder / Path(table.text("state_dir") or Places().state_dir).expanduser()


def _limits(table: Table) -> Limits:
    defaults = Limits()
    limits = Limits(
        in_progress=_in_progress(table),
        rate=table.number("rate", defaults.rate, within=(0.01, 1000.0)),
        burst=table.integer("burst", defaults.burst, within=(1, 1000)),
        downloads=table.integer("downloads", defaults.downloads, within=(1, 1000)),
        looks=table.number("looks", defaults.looks, within=(0.1, 1000.0)),
        sink_timeout=table.seconds("sink_timeout", defaults.sink_timeout, hours=24.0),
    )
    table.close()
    return limits


def _in_progress(table: Table) -> int | Literal["auto"]:
    value = table.get("in_progress")
    if value == "auto":
        return "auto"
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        shown = json_text.dumps(value) if isinstance(value, str | float) else toml_type(value)
        table.refuse(f'in_progress must be a whole number or "auto", not {shown}')
    return table.integer("in_progress", OFFICIAL, within=(1, 1000))


def _holds_secret(sink: Table) -> bool:
    return any(isinstance(sink.get(key), str) for key in ("secret_access_key", "dsn"))


def _refuse_readable_secrets(source: Path, *, has_some: bool) -> None:
    if has_some:
        refuse_readable(source, source.stat().st_mode, "the configuration holds secrets as text")


def _sink(table: Table, folder: Path, environ: Mapping[str, str] | None) -> SinkSettings:
    """Return what the table says; without an environment only what needs no credentials."""
    defaults = SinkSettings()
    kind = table.word("type", SINKS, defaults.type) or defaults.type
    path = table.text("path")
    compression = table.word("compression", COMPRESSIONS)
    mode = table.word("mode", MODES)
    for key in (*KEYS, *_OF_POSTGRES):
        table.get(key)
    table.close()
    if kind == "postgres":
        return _postgres(table, mode or defaults.mode, folder, environ)
    for key in _OF_POSTGRES:
        if table.get(key) is not None:
            table.refuse(f"{key} is for PostgreSQL; write type = 'postgres'")
    if kind == "duckdb" and compression:
        table.refuse("compression is for files; DuckDB compresses by itself")
    if kind != "duckdb" and mode:
        table.refuse("mode is for databases; in files every snapshot stands beside the others")
    url = path if path is not None and is_url(path) else ""
    if kind == "duckdb" and url:
        table.refuse(f"path {_NO_DATABASE}")
    usual = Path("ads.duckdb") if kind == "duckdb" else defaults.path
    return SinkSettings(
        type=kind,
        path=usual if path is None or url else folder / Path(path).expanduser(),
        compression=compression or defaults.compression,
        mode=mode or defaults.mode,
        url=url,
        store={} if environ is None else store_options(table, url, environ=environ, folder=folder),
    )


def _postgres(table: Table, mode: Mode, folder: Path, environ: Mapping[str, str] | None) -> SinkSettings:
    for key in ("path", "compression", *KEYS):
        if table.get(key) is not None:
            table.refuse(f"{key} is for files; PostgreSQL takes dsn, schema and mode")
    dsn = None if environ is None else secret(table, "dsn", environ=environ, folder=folder)
    if dsn is not None:
        try:
            check_dsn(dsn.reveal())
        except ConfigError as error:
            table.refuse(str(error))
    return SinkSettings(type="postgres", mode=mode, dsn=dsn, schema=table.text("schema") or SinkSettings().schema)
