"""Weather on answers of the API."""

from __future__ import annotations

import json

import pytest

from asyncexport.emulator.answers import Answer
from asyncexport.emulator.store.damage import RESET, Amount
from asyncexport.emulator.store.spoil import instead, retry_after, spoil

ANSWER = Answer(200, {"Content-Type": "application/json", "Retry-After": "9"}, b'{"a":"1234"}')
WALL = 1_695_742_322.0


@pytest.mark.parametrize(
    ("met", "status", "text"),
    [
        ({"return": ("504",)}, 504, "timed out"),
        ({"redirect": ("https://evil/",)}, 307, ""),
        ({"deny": ("invalid_grant",)}, 400, "invalid_grant"),
        ({"reset": ()}, 503, ""),
        ({"revoke-token": ()}, 401, "UNAUTHORIZED"),
        ({"deny-scope": ()}, 401, "Not authorized to access scope"),
        ({"not-found": ()}, 404, "Could not find"),
        ({"too-old": ()}, 400, "older than 24 hours"),
    ],
)
def test_some_words_keep_the_server_from_acting(met: dict[str, tuple[str, ...]], status: int, text: str) -> None:
    """The caller gets the word's own answer."""
    refusal = instead(met)
    assert refusal is not None
    assert refusal.status == status
    assert text in refusal.body.decode()


@pytest.mark.parametrize("met", [{}, {"lost-answer": ()}, {"no-url": ()}, {"garbage-body": ()}])
def test_other_words_let_the_server_act(met: dict[str, tuple[str, ...]]) -> None:
    """What only spoils the answer comes after the deed."""
    assert instead(met) is None


def test_fair_weather_leaves_the_answer_alone() -> None:
    """Without words it is the same answer."""
    assert spoil(ANSWER, {}, WALL) is ANSWER


def test_status_and_media_type_can_be_others() -> None:
    """The true body under another status and type."""
    spoilt = spoil(ANSWER, {"status": ("201",), "media-type": ("text/plain",)}, WALL)
    assert (spoilt.status, spoilt.headers["Content-Type"], spoilt.body) == (201, "text/plain", ANSWER.body)


@pytest.mark.parametrize("word", ["garbage-body", "truncated-body", "empty-body", "html-body"])
def test_a_spoilt_body_is_no_json(word: str) -> None:
    """None of these bodies can be read."""
    with pytest.raises(ValueError, match=r"Expecting|decode|Unterminated|codec"):
        json.loads(spoil(ANSWER, {word: ()}, WALL).body)


def test_html_is_called_html() -> None:
    """A page of the edge has its own media type."""
    assert spoil(ANSWER, {"html-body": ()}, WALL).headers["Content-Type"] == "text/html"


def test_a_huge_body_is_still_json() -> None:
    """Two megabytes of blanks follow a good answer."""
    body = spoil(ANSWER, {"huge-body": ()}, WALL).body
    assert len(body) > 2 * 1024 * 1024
    assert json.loads(body) == {"a": "1234"}


@pytest.mark.parametrize(
    ("met", "header"),
    [
        ({"retry-after": ("soon",)}, "soon"),
        ({"retry-after-date": ("60",)}, "Tue, 26 Sep 2023 15:33:02 GMT"),
        ({"no-retry-after": ()}, None),
        ({}, "9"),
    ],
)
def test_the_words_decide_when_to_come_back(met: dict[str, tuple[str, ...]], header: str | None) -> None:
    """Retry-After is a text, a date from the server's clock, absent, or left as it was."""
    assert retry_after(dict(ANSWER.headers), met, WALL).get("Retry-After") == header


def test_damage_goes_along() -> None:
    """What only a socket can do is told to whoever has one."""
    damage = spoil(ANSWER, {"broken-after": ("3",)}, WALL).damage
    assert (damage.cut, damage.cut_after) == (RESET, Amount(3))
