"""What sinks that are databases have in common: how tables are named, what the modes are, what a ledger's records say.

The ledger holds the record of each committed export (:mod:`asyncexport.sinks.records`); a job may be answered by the
record of the whole, or by those of parts that are disjoint and total.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeAlias

from asyncexport.errors import SinkRejected
from asyncexport.models import Entity, Filters, Job, Receipt, TransferOrder
from asyncexport.sansio.scheduling.splitting import leading_whole
from asyncexport.sinks.records import Record, parse_record

Mode: TypeAlias = Literal["append", "latest", "history"]

TABLES: Final = {
    Entity.CAMPAIGNS: "campaigns",
    Entity.AD_GROUPS: "ad_groups",
    Entity.TARGETS: "targets",
    Entity.ADS: "ads",
}
"""The names of tables and views; SQL does not tell capitals apart."""


def job_key(order: TransferOrder) -> list[str]:
    """Return entity, snapshot, account, region and profile of an order's job."""
    snapshot, account, region, profile_id, entity, _ = order.job.key
    return [entity, snapshot, account, region, profile_id]


def wholeness(records: Sequence[Record], job: Job) -> int | None:
    """Return how many of the first records, which are in the order of parts, are together the job; None if none are."""
    return leading_whole(job.filters, job.entity, _leading_filters(records))


def receipt_of(records: Sequence[Record], location: str) -> Receipt:
    """Return the receipt of a job that was committed in one or in parts."""
    receipts = [record.receipt(location) for record in records]
    return Receipt.of_parts(receipts) if len(receipts) > 1 else receipts[0]


def whole_jobs(jobs: Iterable[Job], lines: Iterable[str]) -> frozenset[Job]:
    """Return which of ``jobs`` are in their place by the records in the lines of a ledger, in the order of parts."""
    records: dict[tuple[str, ...], list[Record]] = {}
    for line in lines:
        record = parse_record(line.encode())
        if record is not None:
            key = (record.snapshot, record.account, record.region, record.profile_id, record.entity)
            records.setdefault(key, []).append(record)
    return frozenset(job for job in jobs if wholeness(records.get(job.key[:5], []), job) is not None)


def older_than(newer: str, job: Job, what: str) -> SinkRejected:
    """Return the refusal of a snapshot where a ``newer`` label stands and ``what``, a database, keeps one only."""
    return SinkRejected(
        f"{job}: a newer snapshot, {newer!r}, stands already; only {what} of the mode 'append' takes "
        "an older one after it"
    )


def _leading_filters(records: Iterable[Record]) -> list[Filters]:
    return [record.filters for number, record in enumerate(records) if record.part == number]
