"""What the API says."""

from __future__ import annotations

import json
import re

import pytest

from asyncexport.emulator.answers import (
    HTML_BODY,
    Letterhead,
    Refusal,
    by_status,
    gateway,
    no_scope,
    oauth_error,
    too_many,
)

EPOCH = 1_695_742_322.0


def test_every_answer_bears_the_marks_support_asks_for() -> None:
    """Request ids, the date of the server's clock and the other headers that were captured are there."""
    answer = Letterhead(1, EPOCH).answer(3.0, 202, b"{}", "application/vnd.campaignsexport.v1+json")
    assert answer.headers["Date"] == "Tue, 26 Sep 2023 15:32:05 GMT"
    assert answer.headers["Content-Type"] == "application/vnd.campaignsexport.v1+json"
    assert re.fullmatch(r"[0-9A-Z]{20}", answer.headers["x-amz-rid"])
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", answer.headers["x-amzn-RequestId"]
    )
    assert re.fullmatch(r"[\w-]{15}=", answer.headers["x-amz-apigw-id"])
    assert re.fullmatch(r"Root=1-6512f975-[0-9a-f]{24}", answer.headers["X-Amzn-Trace-Id"])
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_no_two_answers_bear_the_same_marks() -> None:
    """Each of the four ids differs from answer to answer and repeats with the seed."""
    one, again = Letterhead(1, EPOCH), Letterhead(1, EPOCH)
    answers = [one.answer(0, 200, b"", "x") for _ in range(50)]
    for mark in ("x-amz-rid", "x-amzn-RequestId", "x-amz-apigw-id", "X-Amzn-Trace-Id"):
        assert len({answer.headers[mark] for answer in answers}) == 50
    assert again.answer(0, 200, b"", "x").headers == answers[0].headers


def test_a_throttle_looks_as_it_was_observed() -> None:
    """429 has the 31-byte body, the odd error type, the mark, and no Retry-After."""
    refusal = too_many()
    assert (refusal.status, refusal.body) == (429, b'{"message":"Too Many Requests"}')
    assert refusal.headers == {
        "x-amzn-ErrorType": "AccessDeniedException",
        "amazon-advertising-api-throttled": "true",
    }


@pytest.mark.parametrize(("seconds", "header"), [(0.01, "1"), (1.0, "1"), (1.2, "2"), (42.0, "42")])
def test_a_throttle_can_name_whole_seconds(seconds: float, header: str) -> None:
    """Retry-After is rounded up to whole seconds, at least one."""
    assert too_many(seconds).headers["Retry-After"] == header


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("invalid_grant", 400),
        ("invalid_client", 401),
        ("unauthorized_client", 400),
        ("invalid_request", 400),
        ("server_error", 500),
        ("temporarily_unavailable", 503),
    ],
)
def test_oauth_errors_have_the_statuses_of_the_token_host(code: str, status: int) -> None:
    """The error stands in ``error``, a text in ``error_description``."""
    refusal = oauth_error(code)
    assert refusal.status == status
    assert json.loads(refusal.body)["error"] == code
    assert json.loads(refusal.body)["error_description"]


@pytest.mark.parametrize("status", [502, 503])
def test_the_edge_answers_in_html(status: int) -> None:
    """Errors of the edge are no JSON and say so."""
    refusal = by_status(status)
    assert refusal.media_type == "text/html"
    assert refusal.body.startswith(b"<html>")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 406, 415, 418, 422, 429, 500, 504])
def test_other_errors_are_json(status: int) -> None:
    """An error of the API is a JSON object under its status."""
    refusal = by_status(status)
    assert refusal.status == status
    assert isinstance(json.loads(refusal.body), dict)


def test_texts_of_the_gateway_and_of_scopes_are_the_observed_ones() -> None:
    """The gateway speaks of signatures and quotes the header; a scope error says what it is about."""
    assert "missing equal-sign" in json.loads(gateway("Bearer x").body)["message"]
    assert "'Bearer x'" in json.loads(gateway("Bearer x").body)["message"]
    assert json.loads(no_scope().body) == {"code": "401", "details": "Not authorized to access scope"}


def test_a_refusal_becomes_an_answer() -> None:
    """Status, body, headers and media type of the refusal are those of the answer."""
    answer = Letterhead(1, EPOCH).refusal(0.0, Refusal(503, HTML_BODY, {"Retry-After": "3"}, media_type="text/html"))
    assert (answer.status, answer.body) == (503, HTML_BODY)
    assert (answer.headers["Retry-After"], answer.headers["Content-Type"]) == ("3", "text/html")
