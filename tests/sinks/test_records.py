"""The record beside a file: read back as it was written, or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.models import Filters, Receipt
from asyncexport.sinks.records import Record, parse_record, record_text
from tests.sinks.support import order
from tests.support import steady

RECEIPT = Receipt("export-1", 3, 45, "ab" * 32, "path", 99, "gzip", ("an oddity",), "2026-11-23T02:00:00Z")
RECORD = Record.of(order(), RECEIPT, "part-0.jsonl")
TEXT = record_text(RECORD)


def test_what_is_written_is_read() -> None:
    """Nothing of the receipt is lost."""
    assert parse_record(TEXT) == RECORD
    assert RECORD.receipt("path") == RECEIPT


def test_it_spells_out_the_job_for_whoever_reads_it() -> None:
    """Job, filters and file stand in it by name."""
    content = json.loads(TEXT)
    assert content["filters"]["states"] == ["ENABLED", "PAUSED", "ARCHIVED"]
    assert (content["version"], content["account"], content["file"], content["bytes"]) == (
        1,
        "acme",
        "part-0.jsonl",
        45,
    )


@pytest.mark.parametrize("text", ["\ud800", "\0", "x" * 1000, "ü\u202e"])
def test_any_text_can_be_recorded(text: str) -> None:
    """An account may be called anything; a record that cannot be read back is no record, not a crash."""
    record = parse_record(record_text(Record.of(order(account=text), RECEIPT, "part-0.jsonl")))
    assert record is None or record.account == text


def test_it_is_about_the_job_and_answers_its_filters() -> None:
    """Other filters ask for other rows of the same job; everything else makes another job."""
    other_filters = order(filters=Filters(states=("ENABLED",)))
    assert RECORD.is_about(order())
    assert RECORD.answers(order())
    assert RECORD.is_about(other_filters)
    assert not RECORD.answers(other_filters)


@pytest.mark.parametrize("changes", [{"account": "b"}, {"profile_id": "9"}, {"snapshot": "b"}, {"part": 1}])
def test_another_job_is_not_answered(changes: dict[str, Any]) -> None:
    """Account, profile, label and part all count."""
    assert not RECORD.is_about(order(**changes))
    assert not RECORD.answers(order(**changes))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"version":1}',
        b"[" * 100_000,
        TEXT.replace(b'"version": 1', b'"version": 2'),
    ],
)
def test_what_is_no_record_is_none(text: bytes) -> None:
    """Anything else is refused without an exception."""
    assert parse_record(text) is None


@pytest.mark.parametrize("name", list(json.loads(TEXT)))
@pytest.mark.parametrize("value", [None, -1, 1.5, True, [1], {}])
def test_a_field_of_another_kind_is_no_record(name: str, value: object) -> None:
    """Each field is checked, because a record is input."""
    content = json.loads(TEXT)
    content[name] = value
    assert parse_record(json.dumps(content).encode()) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"ad_products": []},
        {"ad_products": [1]},
        {"states": "PAUSED"},
        {"states": ["PAUSED"]},
        {"target_types": None},
        {"negative": ["true"]},
        {"negative": True},
        {"negative": [True]},
    ],
)
def test_filters_that_are_none(changes: dict[str, Any]) -> None:
    """Filters of another shape, or others than the fingerprint says, make no record."""
    content = json.loads(TEXT)
    content["filters"] |= changes
    assert parse_record(json.dumps(content).encode()) is None


@steady
@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=2))
def test_a_damaged_record_is_never_a_crash(at: int, new: bytes) -> None:
    """Any byte may change: the answer is a record or None."""
    record = parse_record(TEXT[:at] + new + TEXT[at + 1 :])
    assert record is None or isinstance(record, Record)
