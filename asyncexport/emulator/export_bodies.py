"""The JSON of an export's answers: running, completed, failed, and what the weather makes of it."""

from __future__ import annotations

from typing import Any

from asyncexport.emulator.exports import ExportRecord
from asyncexport.emulator.records.moments import instant
from asyncexport.emulator.records.words import Met

_MESSAGES = {
    "TIMED_OUT": "The export request has timed out.",
    "INTERNAL_ERROR": "The export failed internally. Contact support if this persists.",
}


def requested(record: ExportRecord, word: str, met: Met) -> dict[str, Any]:
    """Return the body of the 202: two keys."""
    body: dict[str, Any] = {"exportId": record.export_id, "status": status_word(word, met)}
    if "id" in met:
        body["exportId"] = met["id"][0]
    if "no-id" in met:
        del body["exportId"]
    return body


def running(record: ExportRecord, word: str, met: Met) -> dict[str, Any]:
    """Return the body of a look at an export that is not finished."""
    return {"exportId": record.export_id, "status": status_word(word, met)}


def failed(record: ExportRecord, epoch: float) -> dict[str, Any]:
    """Return the body of a look at an export that failed."""
    return {
        "exportId": record.export_id,
        "status": "FAILED",
        "createdAt": instant(epoch + record.asked_at),
        "error": {"errorCode": record.failure, "message": _MESSAGES.get(record.failure, "The export failed.")},
    }


def completed(record: ExportRecord, url: str, size: int, times: tuple[float, float, float], met: Met) -> dict[str, Any]:
    """Return the body of a look at a finished export; ``times`` (1970 seconds): URL's end, generated, created."""
    body: dict[str, Any] = {"exportId": record.export_id, "status": "COMPLETED", "url": url, "fileSize": size}
    body |= dict(zip(("urlExpiresAt", "generatedAt", "createdAt"), map(instant, times), strict=True))
    if "no-url" in met:
        del body["url"]
    if "evil-url" in met:
        body["url"] = met["evil-url"][0]
    for word, field in (("file-size", "fileSize"), ("expires-at", "urlExpiresAt")):
        if word in met:
            _replace(body, field, met[word][0])
    return body


def status_word(word: str, met: Met) -> str | None:
    """Return the status word: the usual one, or the weather's (``null`` for JSON's null)."""
    chosen = met["word"][0] if "word" in met else word
    return None if chosen == "null" else chosen


def _replace(body: dict[str, Any], field: str, text: str) -> None:
    if text == "none":
        del body[field]
    else:
        body[field] = int(text) if text.lstrip("-").isdecimal() else text
