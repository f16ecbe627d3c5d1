"""From an answer that is no success to one typed error."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport import errors
from asyncexport.errors import AsyncexportError, ExportExpired, ProfileAccessDenied, Throttled
from asyncexport.ports import Response
from asyncexport.sansio.failures import Complaint, complaint, failure, http_date, request_id_of, retry_after
from asyncexport.testing import json_response
from tests.support import steady

DATE = "Mon, 23 Nov 2026 02:00:00 GMT"


def api_error(response: Response) -> errors.ApiError:
    error = failure(response, "what")
    assert isinstance(error, errors.ApiError)
    return error


SHAPES = [
    (b'{"message":"Too Many Requests"}', "", "Too Many Requests"),
    (b'{"Message":"no"}', "", "no"),
    (b'{"code":"401","details":"Authentication failed","requestId":"K1"}', "401", "Authentication failed"),
    (b'{"code":"425","detail":"The Request is a duplicate"}', "425", "The Request is a duplicate"),
    (b'{"code":"INTERNAL_ERROR","message":"Service Error"}', "INTERNAL_ERROR", "Service Error"),
    (b'{"errorCode":"TIMED_OUT","message":"late"}', "TIMED_OUT", "late"),
    (b'{"error_code":"E","error_message":"m"}', "E", "m"),
    (b'{"error":"invalid_grant","error_description":"revoked"}', "invalid_grant", "revoked"),
    (b'{"error":"e","message":"m"}', "e", "m"),
    (b'{"__type":"AccessDenied","Message":"m"}', "AccessDenied", "m"),
    (b'[{"code":"C","details":"d"},{"code":"D"}]', "C", "d"),
    (b'{"code":42,"details":""}', "42", '{"code":42,"details":""}'),
    (b'{"code":true}', "", '{"code":true}'),
    (b"[]", "", "[]"),
    (b'"text"', "", '"text"'),
    (b"<Error><Code>SlowDown</Code><Message>Please reduce</Message></Error>", "SlowDown", "Please reduce"),
    (b"<Error><Code>SlowDown</Code></Error>", "SlowDown", ""),
    (b"<Error><Message>only text</Message></Error>", "", "only text"),
    (b"<html>bad\n<b>gateway</b></html>", "", "a web page, 'bad gateway'"),
    (
        b"\n<!-- edge --><!DOCTYPE html>\n<html><head><title>\n503 Service &amp; more\n</title></head>...</html>",
        "",
        "a web page, '503 Service & more'",
    ),
    (b"", "", ""),
    (b"  \xff\xfe  ", "", "\ufffd\ufffd"),
]


@pytest.mark.parametrize(("body", "code", "text"), SHAPES)
def test_an_error_body(body: bytes, code: str, text: str) -> None:
    """A code and a text are found in every shape that was documented or seen; else the body itself is the text."""
    assert complaint(body) == Complaint(code, text)


@steady
@given(st.binary(max_size=300))
def test_any_error_body(body: bytes) -> None:
    """Reading an error body never fails, and what comes of it is printable and short."""
    said = complaint(body)

    assert len(said.text) <= 10 * 501
    assert all(line == said.text for line in said.text.splitlines())


def test_an_error_body_that_echoes_the_token() -> None:
    """What a body echoes of a token or a session is blanked before anything is kept of it."""
    echoes = (
        b"<Error><Code>InvalidArgument</Code><Message>Bearer Atza|canary</Message></Error>",
        b"<Error><Token-0>canary</Token-0></Error>",
        b'{"message":"Atza|canary","code":"Atzr%7Ccanary"}',
        rb'{"odd":"Atza\u007ccanary"}',
    )
    for body in echoes:
        said = complaint(body)
        assert "canary" not in said.code + said.text


def test_an_error_body_without_end() -> None:
    """Five hundred characters of a body are kept."""
    assert complaint(b"x" * 100_000).text == "x" * 500 + "…"


STATUSES = [
    (400, "bad filter", "RequestRejected"),
    (401, "Authentication failed", "TokenRejected"),
    (401, "HTTP 401 Unauthorized", "TokenRejected"),
    (401, "The identity could not be verified", "TokenRejected"),
    (401, "Not authorized to access scope", "ProfileAccessDenied"),
    (401, "No matching advertiser found for scope", "ProfileAccessDenied"),
    (401, "Scope header is missing", "ProfileAccessDenied"),
    (401, "Vendor not found", "ProfileAccessDenied"),
    (401, "unknown profile", "ProfileAccessDenied"),
    (403, "Forbidden", "ProfileAccessDenied"),
    (403, "Invalid key=value pair (missing equal-sign) in Authorization header", "RequestRejected"),
    (404, "not found", "RequestRejected"),
    (406, "ExportId provided does not match", "RequestRejected"),
    (408, "slow", "ServerError"),
    (415, "Cannot consume content type", "RequestRejected"),
    (422, "invalid", "RequestRejected"),
    (423, "ConcurrentModification", "ServerError"),
    (429, "Too Many Requests", "Throttled"),
    (500, "", "ServerError"),
    (502, "", "ServerError"),
    (503, "", "ServerError"),
    (504, "", "ServerError"),
    (204, "", "ProtocolError"),
    (207, "", "ProtocolError"),
    (301, "", "UrlRefused"),
    (302, "", "UrlRefused"),
    (307, "", "UrlRefused"),
    (308, "", "UrlRefused"),
    (400, "Snapshot requested is older than 24 hours", "ExportExpired"),
    (404, "Exports is expired", "ExportExpired"),
]


@pytest.mark.parametrize(("status", "text", "kind"), STATUSES)
def test_what_a_status_means(status: int, text: str, kind: str) -> None:
    """Each status is exactly one kind of error; a 401 and a 403 are told apart by their text."""
    error = failure(json_response(orjson.dumps({"message": text}), status), "request of X")

    assert type(error).__name__ == kind
    assert str(error).startswith("request of X: ")
    assert isinstance(error, AsyncexportError)


def test_a_redirect() -> None:
    """A redirect is refused in words of our own, and where it points to is not repeated."""
    error = failure(json_response("{}", 302, Location="https://evil.example/?t=canary"), "profiles")

    assert str(error) == "profiles: HTTP 302: redirects are not followed"


def test_the_sentence_of_an_error() -> None:
    """An error says what was asked, the status, the API's own words, and the id that support asks for."""
    error = api_error(json_response('{"code":"E1","details":"no\\nway"}', 422, x_amz_rid="RID\x1b[1m"))

    assert str(error) == r"what: HTTP 422: E1: no\nway (request id RID\x1b[1m)"
    assert (error.status, error.code, error.request_id) == (422, "E1", r"RID\x1b[1m")


def test_a_code_that_only_repeats_the_status() -> None:
    """A code that says the status again is kept as the code but not said twice."""
    error = api_error(json_response('{"code":"415","details":"Cannot consume content type"}', 415))

    assert str(error) == "what: HTTP 415: Cannot consume content type"
    assert error.code == "415"
    assert str(failure(Response(503, {}), "what")) == "what: HTTP 503"


def test_a_retry_after_of_an_error_that_does_not_pass() -> None:
    """Only what passes by itself says for how long to wait."""
    assert api_error(json_response("{}", 429, retry_after="7")).retry_after == 7.0
    assert api_error(json_response("{}", 503, retry_after="7")).retry_after == 7.0
    assert api_error(json_response("{}", 400, retry_after="7")).retry_after is None
    assert isinstance(failure(json_response("{}", 403, retry_after="7"), "w"), ProfileAccessDenied)
    assert isinstance(failure(json_response("{}", 429), "w"), Throttled)
    assert isinstance(failure(json_response('{"message":"older than 24 hours"}', 429), "w"), ExportExpired)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("3", 3.0),
        (" 42 ", 42.0),
        ("1.5", 1.5),
        ("1000000000", 1e9),
        ("Mon, 23 Nov 2026 02:00:30 GMT", 30.0),
        ("Monday, 23-Nov-26 02:01:00 GMT", 60.0),
        ("Mon Nov 23 02:01:00 2026", 60.0),
        (DATE, 0.0),
        ("Mon, 23 Nov 2026 01:59:59 GMT", None),
        ("-1", None),
        ("+1", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
        ("9999999999999", None),
        ("1,5", None),
        ("nan", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """Seconds and HTTP dates are understood; negative, past and garbled values count as not said."""
    assert retry_after({"retry-after": value, "date": DATE}) == seconds


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_a_retry_date_without_the_server_s_own_time(date: str | None) -> None:
    """A date is measured against the answer's own Date and never against a clock of ours."""
    headers = {"retry-after": "Mon, 23 Nov 2026 02:00:30 GMT"} | ({} if date is None else {"date": date})

    assert retry_after(headers) is None


@steady
@given(st.integers(0, 10**12 - 1))
def test_any_number_of_seconds(seconds: int) -> None:
    """Any whole number of seconds is obeyed as it is."""
    assert retry_after({"retry-after": str(seconds)}) == seconds


@steady
@given(st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)), st.integers(0, 10**8))  # noqa: DTZ001  made aware below
def test_any_date(now: datetime, seconds: int) -> None:
    """Any date in the future is exactly so far away, whatever time it is here."""
    now = now.replace(microsecond=0, tzinfo=UTC)
    headers = {
        "date": format_datetime(now, usegmt=True),
        "retry-after": format_datetime(now + timedelta(seconds=seconds), usegmt=True),
    }
    assert retry_after(headers) == seconds


@steady
@given(st.text(), st.text())
def test_any_header_text(value: str, date: str) -> None:
    """Whatever stands in the headers, the answer is a number that is not negative, or that nothing was said."""
    wait = retry_after({"retry-after": value, "date": date})

    assert wait is None or 0 <= wait < float("inf")


@steady
@given(st.from_regex(r"\A[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d{1,3}:\d{1,3} [A-Z+-]{0,3}\d{0,5}\Z"))
def test_what_looks_like_a_date(text: str) -> None:
    """A text that is nearly a date is a date with a zone, or none; it is no error."""
    moment = http_date(text)

    assert moment is None or moment.utcoffset() is not None


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-amz-rid": "A", "x-amzn-requestid": "B"}, "A"),
        ({"x-amzn-requestid": "B", "x-amz-request-id": "C"}, "B"),
        ({"x-amz-request-id": "C"}, "C"),
        ({"x-amz-rid": ""}, ""),
        ({"x-amz-rid": "x" * 300}, "x" * 100),
        ({}, ""),
    ],
)
def test_the_request_id(headers: dict[str, str], found: str) -> None:
    """The id that support asks for is found under any of its names, and is never long."""
    assert request_id_of(headers) == found
