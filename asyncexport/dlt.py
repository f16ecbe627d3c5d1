"""Exports as a source for dlt: ``pipeline.run(asyncexport.dlt.source([account]))``. Needs the extra ``dlt``.

Contract: four resources, ``campaigns``, ``ad_groups``, ``targets`` and ``ads``, each a table. A row has the API's
fields, the columns that say where it is from, and ``row_id``. Ids are text; objects become columns, as dlt has it, and
lists of the known models JSON columns, unless ``child_tables``; what is unknown goes where dlt's schema evolution puts
it. The exports of all resources share one exporter, in a thread of its own (:mod:`asyncexport.engine.aside`): slots,
rates and tokens are kept as in any run.

Plan: an export goes to a file first and is handed to dlt when it is committed, so that rows of a download that broke
never reach dlt, and memory holds a page of rows. Files are in a temporary folder, or in ``folder``: then a load that
failed goes on where it stopped. Exports do not wait for dlt, which may be slower: the place must have room for all.

A snapshot is complete, so what is missing from it is gone; a merge says so by its merge key
(:mod:`asyncexport.sansio.tabular.merging`), never for what the filters would hide. With ``delete-insert`` every export
brings tombstones, which dlt takes for deletions and never inserts: so rows are gone even if an export has none of their
kind. They come only while dlt loads into a destination that merges so; who reads a source has the API's rows alone.

Worst case: ``scd2`` knows no tombstones, so that versions of a profile's ad product of which a snapshot has no row at
all stay valid until it has one again.

Source: dlt's documentation of merge strategies (``delete-insert``, ``scd2``) and of hints (``hard_delete``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from asyncexport.accounts import Account
from asyncexport.engine.aside import Aside, Session
from asyncexport.engine.exporter import Exporter
from asyncexport.errors import AsyncexportError, ConfigError, DecodeError, IncompleteRun, SinkError
from asyncexport.models import Entity, Exported, Failed, Filters, Profile
from asyncexport.sansio.scheduling.planning import plan
from asyncexport.sansio.tabular.columns import MODELS, PROVENANCE, Column, Fields, Many, Scalar
from asyncexport.sansio.tabular.merging import (
    PRIMARY_KEY,
    ROW_ID,
    ROW_VERSION,
    SNAPSHOT_KEY,
    TOMBSTONE,
    keyed,
    merge_key,
    tombstones,
    where_from,
)
from asyncexport.sansio.tabular.scope import scope
from asyncexport.sinks.extras import require
from asyncexport.sinks.files.stored import batches
from asyncexport.sinks.jsonl import JsonLines

require("dlt", extra="dlt")

import dlt  # noqa: E402 - whose absence is told above
from dlt.common import logger  # noqa: E402
from dlt.common.configuration.specs import CredentialsConfiguration, configspec  # noqa: E402
from dlt.common.data_types import TDataType  # noqa: E402
from dlt.common.destination.utils import resolve_merge_strategy  # noqa: E402
from dlt.common.schema.typing import TColumnSchema  # noqa: E402
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable  # noqa: E402
from dlt.common.typing import TSecretStrValue  # noqa: E402
from dlt.extract import DltResource  # noqa: E402

Mode: TypeAlias = Literal["latest", "append", "history"]
OnFailure: TypeAlias = Literal["raise", "continue"]
Page: TypeAlias = list[dict[str, Any]]

NAMES: Final[Mapping[Entity, str]] = {
    Entity.CAMPAIGNS: "campaigns",
    Entity.AD_GROUPS: "ad_groups",
    Entity.TARGETS: "targets",
    Entity.ADS: "ads",
}
"""The resources and their tables."""

_MOST_TOLD: Final = 5

_TYPES: Final[Mapping[Scalar, TDataType]] = {
    Scalar.TEXT: "text",
    Scalar.NUMBER: "double",
    Scalar.INTEGER: "bigint",
    Scalar.BOOLEAN: "bool",
    Scalar.MOMENT: "timestamp",
    Scalar.DATE: "date",
}

_DISPOSITIONS: Final[Mapping[Mode, Any]] = {
    "append": {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True},
    "latest": {"disposition": "merge", "strategy": "delete-insert"},
    "history": {"disposition": "merge", "strategy": "scd2", "row_version_column_name": ROW_VERSION},
}


@configspec
class AdsCredentials(CredentialsConfiguration):
    """One account, as dlt finds it in its secrets: ``[sources.amazon_ads.credentials]``; fields as in ``Account``."""

    region: str = None  # type: ignore[assignment]
    client_id: str = None  # type: ignore[assignment]
    client_secret: TSecretStrValue = None  # type: ignore[assignment]
    refresh_token: TSecretStrValue = None  # type: ignore[assignment]
    name: str = "amazon_ads"
    api_url: str | None = None
    token_url: str | None = None
    download_hosts: list[str] | None = None

    def account(self) -> Account:
        """Return the account. Raises :class:`ConfigError`."""
        hosts: dict[str, Any] = {} if self.download_hosts is None else {"download_hosts": self.download_hosts}
        return Account(
            self.name,
            region=self.region,
            client_id=self.client_id,
            client_secret=str(self.client_secret),
            refresh_token=str(self.refresh_token),
            api_url=self.api_url,
            token_url=self.token_url,
            **hosts,
        )


@dlt.source(name="amazon_ads", section="amazon_ads")
def source(
    accounts: Sequence[Account] | None = None,
    *,
    snapshot: str | None = None,
    profiles: Sequence[str] | None = None,
    entities: Iterable[Entity | str] = Entity,
    filters: Filters | None = None,
    mode: Mode = "latest",
    on_failure: OnFailure = "raise",
    folder: str | None = None,
    child_tables: bool = False,
    options: Mapping[str, Any] | None = None,
    credentials: AdsCredentials | None = None,
) -> Iterable[DltResource]:
    """Return a dlt source of the exports of ``accounts``; without any, of the one whose ``credentials`` dlt has.

    ``snapshot`` labels the rows (default: today's date in UTC); ``profiles`` are ids (default: all there are).
    ``mode``: ``"latest"`` replaces the rows of each profile by its newest snapshot, ``"append"`` keeps every snapshot,
    one of each label (both ``merge``, ``delete-insert``), ``"history"`` each version of a row (``merge``, ``scd2``); or
    give dlt a ``write_disposition`` of your own. ``on_failure``: ``"raise"`` loads all or nothing: when every export
    has come to its end, :class:`IncompleteRun` tells which failed, and dlt gives the load up; ``"continue"`` loads what
    there is and warns in dlt's log. ``folder`` keeps the exports as files: what is there under the label is not pulled
    again; a temporary folder takes as much room, at worst every export at once. ``child_tables`` leaves lists to dlt,
    which makes tables of them. ``options`` are those of :class:`asyncexport.Exporter`. Who reads the source itself,
    without a pipeline, should read it to its end: dlt does not close what a broken loop leaves, so that the exports go
    on until the process ends.

    Raises :class:`ConfigError` for words that mean nothing here, and without accounts; ``ValueError`` for a word that
    is no entity.
    """
    for name, word, words in (("mode", mode, get_args(Mode)), ("on_failure", on_failure, get_args(OnFailure))):
        if word not in words:
            raise ConfigError(f"{name} = {word!r} is none of {', '.join(words)}")
    own = [credentials.account()] if accounts is None and credentials is not None else list(accounts or ())
    if not own:
        raise ConfigError("give accounts, or put one into dlt's secrets: [sources.amazon_ads.credentials]")
    chosen = dict.fromkeys(map(Entity, entities))
    night = _Night(
        aside=Aside(lambda: Exporter(own, **(options or {}))),
        snapshot=snapshot or datetime.now(UTC).date().isoformat(),
        profiles=None if profiles is None else tuple(map(str, profiles)),
        filters=filters or Filters(),
        folder=folder,
        mode=mode,
        is_strict=on_failure == "raise",
    )
    return [_resource(night, entity, mode, child_tables=child_tables) for entity in chosen]


def _resource(night: _Night, entity: Entity, mode: Mode, *, child_tables: bool) -> DltResource:
    def pages() -> Iterator[Page | None]:
        yield from night.pages(entity)

    return dlt.resource(
        pages,
        name=NAMES[entity],
        write_disposition=_DISPOSITIONS[mode],
        primary_key=(*SNAPSHOT_KEY, ROW_ID) if mode == "append" else PRIMARY_KEY,
        merge_key=SNAPSHOT_KEY if mode == "append" else merge_key(night.filters.of(entity), entity),
        columns=_columns(entity, mode, child_tables=child_tables),
    )


def _columns(entity: Entity, mode: Mode, *, child_tables: bool) -> dict[str, TColumnSchema]:
    """Return dlt's hints for every column that is known, in order; all but the primary key may be null."""
    columns: dict[str, TColumnSchema] = dict(_typed(PROVENANCE))
    columns[ROW_ID] = {"data_type": "text"}
    if mode == "history":
        columns[ROW_VERSION] = {"data_type": "text"}
    if mode == "latest":
        columns["generated_at"]["dedup_sort"] = "desc"
    if mode != "history":
        columns[TOMBSTONE] = {"data_type": "bool", "hard_delete": True}
    columns |= {
        name: hint for name, hint in _typed(MODELS[entity]) if not (child_tables and hint["data_type"] == "json")
    }
    for name in columns.keys() - set(PRIMARY_KEY) - {ROW_VERSION}:
        columns[name]["nullable"] = True
    return columns


def _typed(fields: Fields, prefix: str = "") -> Iterator[tuple[str, TColumnSchema]]:
    column: Column
    for name, column in fields.items():
        if isinstance(column, Scalar):
            yield f"{prefix}{name}", {"data_type": _TYPES[column]}
        elif isinstance(column, Many):
            yield f"{prefix}{name}", {"data_type": "json"}
        else:
            yield from _typed(column, f"{prefix}{name}__")


@dataclass(frozen=True)
class _Night:
    """What the resources of one source have in common."""

    aside: Aside
    snapshot: str
    profiles: tuple[str, ...] | None
    filters: Filters
    folder: str | None
    mode: Mode
    is_strict: bool

    def pages(self, entity: Entity) -> Iterator[Page | None]:
        """Yield rows of every profile, whole exports only, and None, for dlt to look after others, while it waits."""
        with self.aside.joined() as session, self._place() as (folder, keep):
            jobs = plan(self._chosen(session), entities=[entity], filters=self.filters, snapshot=self.snapshot)
            for outcome in session.outcomes(jobs, JsonLines(folder)):
                if isinstance(outcome, Exported) and (self.is_strict or _is_legible(outcome, session.failed)):
                    yield from self._rows(outcome, keep=keep)
                else:
                    yield None
            if self.is_strict:
                while session.is_busy:
                    yield None
            self._look_at_failures(session, entity)

    @contextmanager
    def _place(self) -> Iterator[tuple[str, bool]]:
        """Give the folder for the exports, and whether they stay there."""
        if self.folder is not None:
            yield self.folder, True
        else:
            with tempfile.TemporaryDirectory(prefix="asyncexport-") as folder:
                yield folder, False

    def _chosen(self, session: Session) -> list[Profile]:
        found = session.discovery.profiles
        if self.profiles is None:
            return list(found)
        unknown = set(self.profiles) - {each.profile_id for each in found}
        if unknown and not session.discovery.refused:
            raise ConfigError(f"profiles: no account manages {', '.join(sorted(unknown))}")
        return [each for each in found if each.profile_id in self.profiles]

    def _rows(self, outcome: Exported, *, keep: bool) -> Iterator[Page]:
        job, receipt = outcome.job, outcome.receipt
        for part in receipt.parts or (receipt,):
            origin, path = where_from(job, part), Path(part.location)
            try:
                for batch in batches(path):
                    yield list(keyed(batch.rows(), job.entity, origin, versions=self.mode == "history"))
            except (DecodeError, SinkError) as error:
                raise IncompleteRun(f"nothing is loaded, for {_told(str(job), error)}", errors=(error,)) from error
            if not keep:
                path.unlink()
        words = {} if self.mode == "append" else scope(job.filters, job.entity)
        gone = list(tombstones(words, where_from(job, receipt)))
        if gone and _are_loaded_by_key(gone[0]):
            yield gone

    def _look_at_failures(self, session: Session, entity: Entity) -> None:
        """Raise :class:`IncompleteRun` for whatever has failed; if that is not wanted, warn of what is the entity's."""
        refused = [(f"account {each.account}/{each.region}", each.error) for each in session.discovery.refused]
        failed = [(str(each.job), each.error) for each in session.failed if self.is_strict or each.job.entity is entity]
        lost = [*refused, *failed]
        if self.is_strict and lost:
            told = "; ".join(_told(what, error) for what, error in lost[:_MOST_TOLD])
            more = f"; and {len(lost) - _MOST_TOLD} more" if len(lost) > _MOST_TOLD else ""
            raise IncompleteRun(f"nothing is loaded, for {told}{more}", errors=tuple(error for _, error in lost))
        for what, error in lost:
            logger.warning(f"{NAMES[entity]} are loaded without {_told(what, error)}")


def _is_legible(outcome: Exported, failed: list[Failed]) -> bool:
    """Whether all rows of an export can be built, which no row is taken of before that is known; else it has failed."""
    try:
        for part in outcome.receipt.parts or (outcome.receipt,):
            for batch in batches(Path(part.location)):
                batch.rows()
    except (DecodeError, SinkError) as error:
        failed.append(Failed(outcome.job, error))
        return False
    return True


def _are_loaded_by_key(row: dict[str, Any]) -> bool:
    """Whether dlt is about to load the rows of the current resource, by ``delete-insert``; ``row`` is one of them."""
    try:
        dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        return False
    pipeline: Any = dlt.current.pipeline()
    if pipeline.destination is None:
        return False
    resource: Any = dlt.current.source().resources[dlt.current.resource_name()]
    table = resource.compute_table_schema(row)
    strategy = resolve_merge_strategy({table["name"]: table}, table, pipeline.destination.capabilities())
    return strategy == "delete-insert"


def _told(what: str, error: AsyncexportError) -> str:
    text = str(error)
    return text if text.startswith(what) else f"{what}: {text}"
