"""``asyncexport changes``: what was added, changed and removed between two snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from asyncexport.app import options
from asyncexport.app.context import CONTEXT
from asyncexport.app.exits import Exit, say
from asyncexport.app.report import line
from asyncexport.app.settings import SinkSettings
from asyncexport.errors import ConfigError
from asyncexport.models import Entity
from asyncexport.sansio.redact import safe_line
from asyncexport.sansio.tabular.changes import Change, Comparison
from asyncexport.sansio.tabular.columns import MODELS
from asyncexport.sansio.tabular.scope import scope
from asyncexport.sinks import ObjectStore, check_label
from asyncexport.sinks.snapshots.snapshot import Look, Snapshot
from asyncexport.sinks.snapshots.standing import standing
from asyncexport.sinks.stores.buckets import is_url


def _label(_ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    return check_label(value, what=parameter.opts[0])


@click.command("changes", context_settings=CONTEXT)
@options.sink_config
@options.out
@options.entity
@options.profile
@click.option("--from", "before", metavar="LABEL", required=True, callback=_label, help="The older snapshot.")
@click.option("--to", "after", metavar="LABEL", required=True, callback=_label, help="The newer snapshot.")
@options.json_lines
@options.logs
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    out: str,
    entity: tuple[str, ...],
    profile: tuple[str, ...],
    before: str,
    after: str,
    json: bool,
    settings: SinkSettings,
    **_logs: object,
) -> None:
    """Tell what was added, changed and removed between snapshots.

    They stand in a folder or an object store, as JSON Lines or Parquet, also one of each, or in a DuckDB file. A row
    that is in one snapshot only was added or removed where the filters of the other let that be said: all three states
    asked for, and the row's ad product. Profiles that are in one snapshot only are named on stderr and not compared.
    """
    if settings.type == "postgres" and out == settings.place:
        raise ConfigError("changes reads files, objects and DuckDB files; this configuration puts rows into PostgreSQL")
    files = ObjectStore(**settings.store) if is_url(out) else None
    with standing(out, files) as look:
        found = Difference(look, out, before, after, profile)
        for facts in found.events([Entity(each) for each in entity] or list(Entity)):
            click.echo(line(facts) if json else safe_line(_as_text(facts)))
    ctx.exit(Exit.OK)


class Difference:
    """Two labels in one place. ``profiles`` are ids, empty for all."""

    def __init__(self, look: Look, place: str, before: str, after: str, profiles: tuple[str, ...] = ()) -> None:
        self._look = look
        self._place = place
        self._labels = (before, after)
        self._profiles = profiles
        self._counts: Counter[str] = Counter()

    def events(self, entities: list[Entity]) -> Iterator[dict[str, Any]]:
        """Yield the facts of every change, and last the totals.

        Raises :class:`ConfigError` if nothing stands under one of the labels, :class:`SinkError` for a damaged file.
        """
        standing = [
            {each.subject: each for entity in entities for each in self._look(label, entity)} for label in self._labels
        ]
        for label, there in zip(self._labels, standing, strict=True):
            if not there:
                raise ConfigError(f"there is no snapshot {label!r} in {self._place}")
        old, new = standing
        for subject in sorted({**old, **new}):
            if self._profiles and subject[3] not in self._profiles:
                continue
            if subject in old and subject in new:
                yield from self._of(old[subject], new[subject])
            else:
                self._alone(subject, self._labels[subject in new])
        yield {"event": "changes", **{name: self._counts[name] for name in _COUNTED}}

    def _of(self, old: Snapshot, new: Snapshot) -> Iterator[dict[str, Any]]:
        if old.digests == new.digests:
            self._counts["same"] += sum(record.rows for record in new.records)
            return
        compared = Comparison(next(iter(MODELS[new.entity])), _scope(old), _scope(new))
        entity, account, region, profile_id = new.subject
        where = {"account": account, "region": region, "profile_id": profile_id, "entity": entity}
        for change in compared.changes(old.rows, new.rows):
            self._counts[change.kind] += 1
            yield from _facts(change, where)
        self._counts["same"] += compared.same
        self._counts["unsaid"] += compared.unsaid

    def _alone(self, subject: tuple[str, str, str, str], label: str) -> None:
        entity, account, region, profile_id = subject
        say(f"only in {label}, not compared: {entity} of {account}/{region}/{profile_id}")
        self._counts["alone"] += 1


_COUNTED = ("added", "changed", "removed", "same", "unsaid", "alone")


def _scope(snapshot: Snapshot) -> dict[str, tuple[Any, ...]] | None:
    filters = snapshot.filters
    return None if filters is None else scope(filters, snapshot.entity)


def _facts(change: Change, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
    subject = {"event": change.kind, **where, "id": change.id, "name": change.row.get("name")}
    if change.kind != "changed":
        yield subject
    for path, old, new in change.fields:
        yield {**subject, "field": path, "old": _plain(old), "new": _plain(new)}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value of a column
    return value.isoformat() if hasattr(value, "isoformat") else value


def _as_text(facts: dict[str, Any]) -> str:
    if facts["event"] == "changes":
        return ", ".join(f"{facts[name]:,} {name}" for name in _COUNTED)
    where = f"{facts['entity']} of {facts['account']}/{facts['region']}/{facts['profile_id']}"
    name = "" if facts["name"] is None else f" {facts['name']!r}"
    what = f"{facts['event']} {where}: {facts['id']}{name}"
    return f"{what}, {facts['field']}: {facts['old']!r} -> {facts['new']!r}" if "field" in facts else what
