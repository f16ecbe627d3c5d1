"""The token host."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from asyncexport.emulator.answers import Refusal
from asyncexport.emulator.tokens import Tokens
from asyncexport.ports import Request
from tests.emulator.calls import WORLD

GRANT, OTHER = WORLD.grants


def form(**changes: str) -> dict[str, str]:
    return {
        "grant_type": "refresh_token",
        "refresh_token": GRANT.refresh_token,
        "client_id": GRANT.client_id,
        "client_secret": GRANT.client_secret,
        **changes,
    }


def call(fields: dict[str, str], *, as_query: bool = False) -> Request:
    text = urlencode(fields)
    return Request(
        "POST", f"https://x/auth/o2/token{'?' + text if as_query else ''}", {}, b"" if as_query else text.encode()
    )


def some_tokens() -> Tokens:
    return Tokens(WORLD, seconds=3_600, seed=1)


@pytest.mark.parametrize("as_query", [True, False])
def test_the_grant_is_found_in_form_or_query(as_query: bool) -> None:
    """Both ways of sending the fields are accepted."""
    assert some_tokens().grant_for(call(form(), as_query=as_query)) is GRANT


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"grant_type": "password"}, "invalid_request"),
        ({"refresh_token": ""}, "invalid_request"),
        ({"client_secret": ""}, "invalid_request"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "amzn1.application-oa2-client.nobody"}, "invalid_client"),
        ({"refresh_token": "Atzr|revoked"}, "invalid_grant"),
        ({"refresh_token": OTHER.refresh_token}, "invalid_grant"),
    ],
)
def test_wrong_credentials_are_told_apart(changes: dict[str, str], code: str) -> None:
    """What is missing, a wrong client and a revoked or foreign grant have different codes."""
    with pytest.raises(Refusal) as caught:
        some_tokens().grant_for(call(form(**changes)))
    assert json.loads(caught.value.body)["error"] == code


def test_a_body_that_is_no_text_is_a_malformed_request() -> None:
    """Bytes that are no UTF-8 are refused like any other nonsense."""
    with pytest.raises(Refusal):
        some_tokens().grant_for(Request("POST", "https://x/auth/o2/token", {}, b"\xff\xfe"))


def test_a_token_is_good_for_its_time() -> None:
    """It opens its grant until its seconds are over."""
    tokens = some_tokens()
    token = tokens.issue(GRANT, 5.0)
    assert token.startswith("Atza|")
    assert tokens.holder(token, 3_604.9) is GRANT
    assert tokens.holder(token, 3_605.0) is None
    assert tokens.holder("Atza|other", 5.0) is None


def test_a_token_can_be_withdrawn() -> None:
    """A withdrawn token opens nothing, and withdrawing it twice changes nothing."""
    tokens = some_tokens()
    token = tokens.issue(GRANT, 0.0)
    tokens.withdraw(token)
    tokens.withdraw(token)
    assert tokens.holder(token, 0.0) is None


def test_a_rotated_grant_has_two_refresh_tokens() -> None:
    """The new one works, and the old one still does."""
    tokens = some_tokens()
    fresh = tokens.rotate(GRANT)
    assert fresh != GRANT.refresh_token
    for refresh in (fresh, GRANT.refresh_token):
        assert tokens.grant_for(call(form(refresh_token=refresh))) is GRANT


def test_tokens_are_counted_by_account() -> None:
    """Every token that was given out is counted, and no two are the same."""
    tokens = some_tokens()
    assert len({tokens.issue(GRANT, 0.0), tokens.issue(GRANT, 0.0), tokens.issue(OTHER, 0.0)}) == 3
    assert tokens.issued == {GRANT.account: 2, OTHER.account: 1}
