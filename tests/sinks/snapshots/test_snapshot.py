"""Rows in the shape in which snapshots are compared."""

from __future__ import annotations

from asyncexport.sinks.snapshots.snapshot import extra_fields, plain_row


def test_a_row_of_a_table() -> None:
    """Where it is from does not count; what no column holds stands beside the columns."""
    row = {"account": "acme", "snapshot": "night", "campaignId": "1", "extra": '{"fresh":[1.50]}'}
    assert plain_row(row) == {"campaignId": "1", "fresh": [1.5]}
    assert plain_row({"campaignId": "1", "extra": None}) == {"campaignId": "1"}


def test_numbers_that_no_reader_holds() -> None:
    """They are their spelling."""
    long = "9" * 1_001
    assert extra_fields(f'{{"a":1e400,"b":{long},"c":12345678901234567890}}') == {
        "a": "1e400",
        "b": long,
        "c": 12345678901234567890,
    }
