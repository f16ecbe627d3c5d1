"""Two snapshots of the same rows: what was added, changed and removed, and what cannot be said."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asyncexport.sansio.tabular.changes import Change, Comparison, Row, leaves
from tests.support import steady

EVERYTHING: dict[str, tuple[Any, ...]] = {}


def compared(
    old: list[Row], new: list[Row], old_scope: Any = EVERYTHING, new_scope: Any = EVERYTHING
) -> tuple[list[tuple[Any, ...]], int, int]:
    comparison = Comparison("id", old_scope, new_scope)
    found = [(each.kind, each.id, *each.fields) for each in comparison.changes(lambda: iter(old), lambda: iter(new))]
    return found, comparison.same, comparison.unsaid


def test_rows_that_came_went_and_changed() -> None:
    """Each is told by its id; what is the same is counted."""
    old: list[Row] = [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}, {"id": "3"}]
    new: list[Row] = [{"id": "4"}, {"id": "2", "name": "c"}, {"id": "1", "name": "a"}]
    assert compared(old, new) == ([("added", "4"), ("changed", "2", ("name", "b", "c")), ("removed", "3")], 1, 0)


def test_fields_within_fields() -> None:
    """Objects by their path, lists whole; null and left out are the same."""
    old: Row = {"id": "1", "bid": {"bid": 1.0, "currencyCode": "EUR"}, "tags": [{"key": "a"}], "end": None}
    new: Row = {"id": "1", "bid": {"bid": 2.0, "currencyCode": "EUR", "floor": 1}, "tags": []}
    ((_, _, *fields),), _, _ = compared([old], [new])
    assert fields == [("bid.bid", 1.0, 2.0), ("tags", [{"key": "a"}], []), ("bid.floor", None, 1)]
    assert compared([{"id": "1", "end": None}], [{"id": "1"}]) == ([], 1, 0)


def test_another_spelling_is_no_change() -> None:
    """Neither of a number nor of an object within a list; what is true is not one."""
    old: Row = {"id": "1", "bid": 1, "new": [{"a": 100.0, "b": {"c": [2]}}], "flag": 1}
    assert compared([old], [{"id": "1", "flag": 1, "new": [{"b": {"c": [2.0]}, "a": 1e2}], "bid": 1.0}]) == ([], 1, 0)
    assert compared([old], [{**old, "flag": True}])[0] == [("changed", "1", ("flag", 1, True))]


def test_values_of_two_kinds_under_one_path() -> None:
    """A dot in a name makes two leaves of one path, whose values need not have an order."""
    row: Row = {"id": "1", "a.b": 1, "a": {"b": "x"}}
    assert compared([row], [dict(row)]) == ([], 1, 0)


def test_what_the_filters_do_not_allow_to_be_said() -> None:
    """A row that the other snapshot would not have shown is neither added nor removed."""
    scope = {"adProduct": ("SP",)}
    rows: list[Row] = [{"id": "1", "adProduct": "SP"}, {"id": "2", "adProduct": "SB"}, {"id": "3"}]
    assert compared(rows, [], new_scope=scope) == ([("removed", "1")], 0, 2)
    assert compared([], rows, old_scope=scope) == ([("added", "1")], 0, 2)
    assert compared(rows, [], new_scope=None) == ([], 0, 3)


def test_rows_without_an_id() -> None:
    """They are what they hold."""
    assert compared([{"name": "a"}, {"name": "b"}], [{"name": "a"}, {"name": "c"}]) == (
        [("added", None), ("removed", None)],
        1,
        0,
    )


def test_an_id_that_stands_twice() -> None:
    """Its second row is no other one."""
    assert compared([{"id": "1"}], [{"id": "1"}, {"id": "1"}])[0] == []


VALUES = st.integers(0, 2) | st.none() | st.lists(st.integers(0, 1), max_size=1) | st.just({"x": 1})
SNAPSHOTS = st.dictionaries(st.sampled_from("abcde"), st.fixed_dictionaries({"v": VALUES}))


@given(SNAPSHOTS, SNAPSHOTS)
@steady
def test_applied_to_the_old_snapshot_the_changes_give_the_new_one(
    old: dict[str, dict[str, Any]], new: dict[str, dict[str, Any]]
) -> None:
    """Nothing is left out and nothing made up, in whatever order rows come."""
    comparison = Comparison("id", EVERYTHING, EVERYTHING)
    before = [{"id": key, **row} for key, row in old.items()]
    after = [{"id": key, **row} for key, row in reversed(new.items())]
    result = {row["id"]: dict(leaves(row)) for row in before}
    changes: list[Change] = list(comparison.changes(lambda: before, lambda: after))
    for change in changes:
        assert change.id is not None
        if change.kind == "removed":
            del result[change.id]
        elif change.kind == "added":
            result[change.id] = dict(leaves(change.row))
        for path, was, value in change.fields:
            assert result[change.id].get(path) == was
            result[change.id][path] = value
    assert {key: {k: v for k, v in row.items() if v is not None} for key, row in result.items()} == {
        row["id"]: dict(leaves(row)) for row in after
    }
    assert comparison.same == len(new) - sum(each.kind != "removed" for each in changes)
