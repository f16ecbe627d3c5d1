"""The server's journal of exports."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any

import pytest

from asyncexport.emulator.exports import ExportRecord, Exports, export_id
from asyncexport.emulator.laws import Constant, LogNormal
from asyncexport.emulator.store.objects import ObjectKey, Reckoned, StoredObject
from asyncexport.models import Entity, Filters
from tests.emulator.calls import WORLD

GRANT, OTHER = WORLD.grants


class SlowShelf:
    """A shelf whose objects are finished when the test says so."""

    def __init__(self) -> None:
        self.finished = False

    def order(self, key: ObjectKey) -> None:
        """Take note of nothing."""

    def find(self, key: ObjectKey) -> StoredObject | None:
        """Return an object once the test has said so."""
        del key
        return StoredObject(22, 2, "0" * 32) if self.finished else None


def some_exports(law: Any = None, shelf: Any = None, **options: Any) -> Exports:
    return Exports(law or Constant(10.0), shelf or Reckoned(WORLD), seed=1, **options)


def ask(exports: Exports, entity: Entity = Entity.ADS, now: float = 0.0, grant: Any = GRANT) -> ExportRecord:
    return exports.request(grant, ObjectKey.of(grant.profiles[0].profile_id, entity, Filters()), now)


@pytest.mark.parametrize(
    ("entity", "suffix"),
    [(Entity.CAMPAIGNS, "C"), (Entity.AD_GROUPS, "A"), (Entity.TARGETS, "T"), (Entity.ADS, "R")],
)
def test_an_id_is_base64_of_a_uuid_and_the_types_letter(entity: Entity, suffix: str) -> None:
    """Ids have 51 characters without padding and decode to ``uuid,letter``."""
    found = ask(some_exports(), entity).export_id
    assert len(found) == 51
    assert urlsafe_b64decode(found + "=").decode()[36:] == f",{suffix}"


def test_an_observed_id_is_made_of_its_uuid() -> None:
    """The id in Amazon's own example comes out of its uuid."""
    assert (
        export_id("96e86854-7faf-4ad0-af01-b58414c50aaa", Entity.CAMPAIGNS)
        == "OTZlODY4NTQtN2ZhZi00YWQwLWFmMDEtYjU4NDE0YzUwYWFhLEM"
    )


def test_an_export_is_in_progress_until_it_is_due() -> None:
    """A slot is taken from the request to the due time, per endpoint."""
    exports = some_exports()
    record = ask(exports)
    assert exports.busy(GRANT, Entity.ADS, 9.9) == 1
    assert exports.busy(GRANT, Entity.TARGETS, 0.0) == 0
    assert exports.busy(OTHER, Entity.ADS, 0.0) == 0
    assert not exports.ended(record, 9.9)
    assert exports.busy(GRANT, Entity.ADS, 10.0) == 0
    assert exports.ended(record, 10.0)
    assert record.ended_at == 10.0


def test_an_export_whose_object_is_late_keeps_its_slot() -> None:
    """Due is not enough: the object must be on the shelf, and the export ends when it is."""
    shelf = SlowShelf()
    exports = some_exports(shelf=shelf)
    record = ask(exports)
    assert exports.busy(GRANT, Entity.ADS, 11.0) == 1
    assert not exports.ended(record, 12.0)
    shelf.finished = True
    assert exports.ended(record, 13.0)
    assert record.ended_at == 13.0
    assert exports.busy(GRANT, Entity.ADS, 13.0) == 0


def test_the_peak_is_the_most_at_once() -> None:
    """Three at once and then one more make a peak of three."""
    exports = some_exports()
    for _ in range(3):
        ask(exports)
    ask(exports, now=20.0)
    assert exports.peaks()[GRANT.client_id, GRANT.region, Entity.ADS] == 3


def test_a_failure_gives_the_slot_back_at_once() -> None:
    """An export that fails ends now and no longer counts."""
    exports = some_exports()
    record, other = ask(exports), ask(exports)
    exports.fail(record, "TIMED_OUT", 1.0)
    assert exports.ended(record, 1.0)
    assert (record.failure, record.ended_at) == ("TIMED_OUT", 1.0)
    assert exports.busy(GRANT, Entity.ADS, 1.0) == 1
    assert not exports.ended(other, 1.0)


def test_speed_divides_the_time_an_export_takes() -> None:
    """Ten times the speed makes ten seconds one."""
    assert ask(some_exports(speed=10.0)).due_at == 1.0


def test_durations_do_not_depend_on_the_order_of_asking() -> None:
    """The same question takes the same time, whatever was asked before."""
    one, two = some_exports(LogNormal()), some_exports(LogNormal())
    ads, targets = ask(one, Entity.ADS), ask(one, Entity.TARGETS)
    assert (ask(two, Entity.TARGETS).due_at, ask(two, Entity.ADS).due_at) == (targets.due_at, ads.due_at)
    assert ask(one, Entity.ADS).due_at != ads.due_at


def test_an_object_is_found_by_the_path_in_its_url() -> None:
    """The path names kind and client and leads back to the export; any other leads nowhere."""
    exports = some_exports()
    record = ask(exports)
    assert record.path.startswith(f"/PRODUCT_AD/{GRANT.client_id}/")
    assert exports.at(record.path) is record
    assert exports.at(record.path.replace("PRODUCT_AD", "TARGET")) is None
    assert exports.at(record.path.replace("PRODUCT_AD", "PORTFOLIO")) is None
    assert exports.at(record.path.replace(GRANT.client_id, OTHER.client_id)) is None
    assert exports.at("/") is None


def test_the_journal_keeps_the_order_of_asking() -> None:
    """Records tell who asked for what and when, first come first."""
    exports = some_exports()
    ask(exports, Entity.ADS, 1.0)
    ask(exports, Entity.TARGETS, 2.0, OTHER)
    told = [(each.account, each.key.entity, each.asked_at) for each in exports.records.values()]
    assert told == [(GRANT.account, Entity.ADS, 1.0), (OTHER.account, Entity.TARGETS, 2.0)]


def test_another_shelf_can_be_taken() -> None:
    """Objects come from the shelf that was given last."""
    exports = some_exports()
    exports.use(SlowShelf())
    assert not exports.ended(ask(exports), 10.0)
