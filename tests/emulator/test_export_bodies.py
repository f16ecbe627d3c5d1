"""The JSON of an export's answers."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Region
from asyncexport.emulator import export_bodies
from asyncexport.emulator.exports import ExportRecord
from asyncexport.emulator.records.words import Met
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.models import Entity, Filters

RECORD = ExportRecord(
    export_id="abc",
    account="a",
    client_id="c",
    region=Region.NA,
    key=ObjectKey.of("7", Entity.ADS, Filters()),
    path="/PRODUCT_AD/c/x.json.gz",
    asked_at=1.5,
    due_at=2.0,
)
TIMES = (3_600.0, 2.0, 1.5)


def completed(met: Met) -> dict[str, object]:
    return export_bodies.completed(RECORD, "https://s3/x?y", 22, TIMES, met)


def test_a_running_export_has_two_keys() -> None:
    """The answer to the POST and to a look while it runs is id and status."""
    expected = {"exportId": "abc", "status": "PROCESSING"}
    assert export_bodies.requested(RECORD, "PROCESSING", {}) == expected
    assert export_bodies.running(RECORD, "PROCESSING", {}) == expected


def test_a_completed_export_has_the_keys_of_the_captures_in_their_order() -> None:
    """Seven keys, moments as Java writes them."""
    body = completed({})
    assert list(body) == ["exportId", "status", "url", "fileSize", "urlExpiresAt", "generatedAt", "createdAt"]
    assert (body["fileSize"], body["urlExpiresAt"], body["createdAt"]) == (
        22,
        "1970-01-01T01:00:00Z",
        "1970-01-01T00:00:01.500Z",
    )


@pytest.mark.parametrize("code", ["TIMED_OUT", "INTERNAL_ERROR", "SOMETHING_NEW"])
def test_a_failed_export_says_why(code: str) -> None:
    """The error object holds code and message."""
    RECORD.failure = code
    body = export_bodies.failed(RECORD, 0.0)
    assert (body["status"], body["error"]["errorCode"]) == ("FAILED", code)
    assert body["error"]["message"]


@pytest.mark.parametrize(
    ("met", "key", "value"),
    [
        ({"no-url": ()}, "url", None),
        ({"evil-url": ("http://10.0.0.1/",)}, "url", "http://10.0.0.1/"),
        ({"file-size": ("7",)}, "fileSize", 7),
        ({"file-size": ("none",)}, "fileSize", None),
        ({"file-size": ("many",)}, "fileSize", "many"),
        ({"expires-at": ("none",)}, "urlExpiresAt", None),
        ({"expires-at": ("9999-12-31T23:59:59Z",)}, "urlExpiresAt", "9999-12-31T23:59:59Z"),
    ],
)
def test_the_weather_changes_one_field(met: Met, key: str, value: object) -> None:
    """Each word changes its field and leaves the others."""
    assert completed(met).get(key) == value
    assert {name for name, each in completed(met).items() if each != completed({})[name]} <= {key}


@pytest.mark.parametrize(("word", "status"), [("QUEUED", "QUEUED"), ("null", None), ("", "")])
def test_the_status_word_can_be_any(word: str, status: str | None) -> None:
    """``null`` stands for JSON's null."""
    assert export_bodies.running(RECORD, "PROCESSING", {"word": (word,)})["status"] == status


def test_the_id_can_be_another_or_missing() -> None:
    """The answer to the POST may be unusable."""
    assert export_bodies.requested(RECORD, "PROCESSING", {"id": ("../x",)})["exportId"] == "../x"
    assert "exportId" not in export_bodies.requested(RECORD, "PROCESSING", {"no-id": ()})
