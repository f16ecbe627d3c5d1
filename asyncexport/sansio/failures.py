"""From an answer that is no success to one typed error.

The API has half a dozen error shapes, some documented and some only observed: ``{"message"}``, ``{"code",
"details"}``, ``{"Message"}``, OAuth's ``{"error", "error_description"}``, arrays of these, S3's XML, and HTML from the
edge. One tolerant reader finds a code and a text in all of them, of a page its title, and falls back to the body's
beginning. What the status means is decided in one table-like function, :func:`failure`; nothing here depends on who
asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import orjson

from asyncexport.errors import (
    ApiError,
    ExportExpired,
    ProfileAccessDenied,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    TokenRejected,
    UrlRefused,
)
from asyncexport.ports import Response
from asyncexport.sansio.redact import EXCERPT, printable, scrub

_CODES = ("code", "errorCode", "error_code", "error", "Code", "__type")
_TEXTS = ("details", "detail", "message", "Message", "error_description", "error_message")
_XML_CODE = re.compile(r"<Code>([^<]{1,100})</Code>")
_XML_TEXT = re.compile(r"<Message>([^<]{1,1000})</Message>")
_HTML = re.compile(r"(?:<!--.{0,1000}?-->|\s)*<(?:!doctype\s+html|html|head|title)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<(title|h1)\b[^>]{0,200}>\s*([^<]{1,200}?)\s*</\1", re.IGNORECASE)
_TAG = re.compile(r"<[^>]{0,1000}>")
_ABOUT_PROFILE = re.compile(r"\b(?:scope|advertiser|profile|vendor|entity)", re.IGNORECASE)
_EXPIRED = re.compile(r"older than 24 hours|exports? is expired|snapshot is expired", re.IGNORECASE)
_WRONG_ROUTE = "Invalid key=value pair"
_SECONDS = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*")
_PASSING = {408, 423}


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error body says: the service's own code and its text, scrubbed and cut."""

    code: str
    text: str


def complaint(body: bytes) -> Complaint:
    """Read an error body of any known shape. Never raises; an empty body gives two empty texts."""
    text = body[:65536].decode("utf-8", "replace").strip()
    document = _json(text)
    if document is not None:
        return Complaint(_clean(_first(document, _CODES)), _clean(_first(document, _TEXTS) or text))
    code, message = _XML_CODE.search(text), _XML_TEXT.search(text)
    if code or message:
        return Complaint(_clean(code[1] if code else ""), _clean(message[1] if message else ""))
    if _HTML.match(text):
        title = _TITLE.search(text)
        return Complaint("", _clean(f"a web page, {_words(title[2] if title else text)!r}"))
    return Complaint("", _clean(text))


def failure(response: Response, what: str) -> ApiError | ExportExpired | UrlRefused:
    """Return the error that ``response``, the answer to ``what``, stands for.

    A redirect is refused, since the next host must not get what this one was sent; another success than the one in the
    contract is a :class:`ProtocolError`.

    401 is about the token unless its text names scope, advertiser or profile; 403 is about the profile unless the
    gateway says that it does not know the route (observed: "Invalid key=value pair").
    """
    if 300 <= response.status < 400:
        return UrlRefused(f"{what}: HTTP {response.status}: redirects are not followed", status=response.status)
    said = complaint(response.body)
    if _EXPIRED.search(said.text):
        return ExportExpired(f"{what}: the API keeps exports for 24 hours, and this one is older")
    request_id = request_id_of(response.headers)
    message = _sentence(what, response.status, said, request_id)
    kind = _kind(response.status, said)
    wait = retry_after(response.headers) if kind in {Throttled, ServerError} else None
    return kind(message, status=response.status, code=said.code, request_id=request_id, retry_after=wait)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the server wants to be left alone; None if it does not say, or says nonsense.

    A date is measured against the answer's own ``Date``, so that a wrong clock here changes nothing.
    """
    value = headers.get("retry-after", "")
    if seconds := _SECONDS.fullmatch(value):
        return float(seconds[1])
    until, now = http_date(value), http_date(headers.get("date", ""))
    if until is None or now is None:
        return None
    wait = (until - now).total_seconds()
    return wait if wait >= 0 else None


def http_date(text: str) -> datetime | None:
    """Read an HTTP date as an aware datetime; None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the id by which Amazon's support finds the call."""
    found = headers.get("x-amz-rid") or headers.get("x-amzn-requestid") or headers.get("x-amz-request-id") or ""
    return printable(found[:100])


def _kind(status: int, said: Complaint) -> type[ApiError]:
    if status == 429:
        return Throttled
    if status < 300:
        return ProtocolError
    if status >= 500 or status in _PASSING:
        return ServerError
    if status == 401:
        return ProfileAccessDenied if _ABOUT_PROFILE.search(said.text) else TokenRejected
    if status == 403 and _WRONG_ROUTE not in said.text:
        return ProfileAccessDenied
    return RequestRejected


def _sentence(what: str, status: int, said: Complaint, request_id: str) -> str:
    words = ": ".join(part for part in (said.code, said.text) if part and part != str(status))
    ending = f" (request id {request_id})" if request_id else ""
    return f"{what}: HTTP {status}{': ' + words if words else ''}{ending}"


def _json(text: str) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, list) and document:
        document = document[0]
    return document if isinstance(document, dict) else None


def _first(document: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = document.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return ""


def _words(html: str) -> str:
    """Return what stands outside of tags, in one line."""
    return " ".join(unescape(_TAG.sub(" ", html)).split())


def _clean(text: str) -> str:
    return printable(scrub(text, EXCERPT))
