"""The contract of the API in both directions: tokens and profiles. Exports are in test_wire_exports."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport._version import __version__
from asyncexport.accounts import Account, Region, Secret
from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    UrlRefused,
)
from asyncexport.models import Profile
from asyncexport.ports import Response
from asyncexport.sansio import wire
from asyncexport.testing import json_response
from tests.support import steady

DATE = "Tue, 26 Sep 2023 15:38:44 GMT"
ACCOUNT = Account("acme", region="EU", client_id="c", client_secret="s", refresh_token="r", api_url="https://api.test")
ACCESS = Secret("Atza|access")
GRANT = wire.Grant("amzn1.client", Secret("sec&ret"), Secret("Atzr|old+"))
USER_AGENT = f"asyncexport/{__version__}"


def answer(document: object, status: int = 200, **headers: str) -> Response:
    return json_response(json.dumps(document), status, **({"date": DATE, "x-amz-rid": "RID"} | headers))


def test_the_request_of_a_token() -> None:
    """The refresh token goes out as a form, percent-encoded, to the token host; nothing else goes along."""
    request = wire.token_request("https://token.test/auth/o2/token", GRANT)

    assert (request.method, request.url) == ("POST", "https://token.test/auth/o2/token")
    assert request.body == (
        b"grant_type=refresh_token&refresh_token=Atzr%7Cold%2B&client_id=amzn1.client&client_secret=sec%26ret"
    )
    assert request.headers == {
        "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
    }


def test_a_request_shown() -> None:
    """A request's repr shows neither body nor headers."""
    assert (
        repr(wire.token_request("https://token.test/t", GRANT)) == "Request(method='POST', url='https://token.test/t')"
    )


def test_the_answer_with_a_token() -> None:
    """A token comes with its life in seconds; the same refresh token is used on when none is given."""
    token = wire.read_token(answer({"access_token": "Atza|new", "expires_in": 1800}), GRANT, "acme")

    assert token == wire.Token(Secret("Atza|new"), 1800.0, GRANT.refresh_token)


def test_the_answer_with_another_refresh_token() -> None:
    """A refresh token that comes along is the one to use from now on."""
    token = wire.read_token(answer({"access_token": "a", "refresh_token": "Atzr|new"}), GRANT, "acme")

    assert token.refresh == Secret("Atzr|new")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(3600, 3600), ("1800", 1800), (0, 60), (-5, 60), (10**9, 3600), ("soon", 60), (None, 60), ([], 60), ("nan", 60)],
)
def test_the_life_of_a_token(said: object, seconds: float) -> None:
    """A life that is missing, garbled or out of all proportion is brought between a minute and an hour."""
    assert wire.read_token(answer({"access_token": "a", "expires_in": said}), GRANT, "acme").seconds == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"access_token":""}',
        b'{"access_token":5}',
        b'{"access_token":"a\\r\\nX-Evil: 1"}',
        b'{"access_token":"a"',
    ],
)
def test_a_token_answer_that_cannot_be_used(body: bytes) -> None:
    """A success without a usable token is a broken protocol; a token with a line break is none."""
    with pytest.raises(ProtocolError, match=r"^account 'acme': access token: the answer .*\(request id RID\)$"):
        wire.read_token(json_response(body, x_amz_rid="RID"), GRANT, "acme")


@pytest.mark.parametrize(
    ("status", "code", "fix"),
    [
        (400, "invalid_grant", "let the user give consent again"),
        (401, "invalid_client", "Check client_id and client_secret"),
        (400, "unauthorized_client", "ask for access, or check client_id"),
    ],
)
def test_a_grant_that_is_refused_for_good(status: int, code: str, fix: str) -> None:
    """The three words that are final say what a person has to do."""
    with pytest.raises(AuthError, match=fix) as caught:
        wire.read_token(answer({"error": code, "error_description": "Because Atzr|canary"}, status), GRANT, "acme")

    assert (caught.value.code, caught.value.request_id) == (code, "RID")
    assert str(caught.value).startswith(f"account 'acme': access token: {code}: Because Atzr|***. ")


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (400, {"error": "invalid_request"}, RequestRejected),
        (401, {"message": "?"}, AuthError),
        (401, {"message": "unknown scope"}, AuthError),
        (403, {"message": "blocked"}, RequestRejected),
        (404, {}, RequestRejected),
        (400, {"message": "The exports is expired"}, RequestRejected),
        (408, {}, ServerError),
        (423, {}, ServerError),
        (429, {}, Throttled),
        (500, {"error": "server_error"}, ServerError),
        (503, {"error": "temporarily_unavailable"}, ServerError),
        (302, {}, UrlRefused),
    ],
)
def test_a_token_answer_of_another_kind(status: int, document: object, kind: type[AsyncexportError]) -> None:
    """What passes is what its status says; any other 4xx is final, and never about a profile or an access token."""
    with pytest.raises(AsyncexportError) as caught:
        wire.read_token(answer(document, status), GRANT, "acme")
    assert type(caught.value) is kind


def test_the_request_of_the_profiles() -> None:
    """Profiles are asked for without a scope, and without headers that belong to other APIs."""
    request = wire.profiles_request(ACCOUNT, "client", ACCESS)

    assert (request.method, request.url, request.body) == ("GET", "https://api.test/v2/profiles", b"")
    assert request.headers == {
        "Authorization": "Bearer Atza|access",
        "Amazon-Advertising-API-ClientId": "client",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
    }


def test_the_answer_with_profiles() -> None:
    """A profile has its ids as text and all that the answer says of it."""
    document = [
        {
            "profileId": 777777777,
            "countryCode": "CA",
            "currencyCode": "CAD",
            "timezone": "America/Los_Angeles",
            "accountInfo": {"marketplaceStringId": "A2EUQ1WTGCTBG2", "id": "ENTITY2", "type": "vendor", "name": "N"},
            "unknown": [1],
        }
    ]
    assert wire.read_profiles(answer(document), ACCOUNT) == (
        Profile(
            account="acme",
            region=Region.EU,
            profile_id="777777777",
            name="N",
            type="vendor",
            country_code="CA",
            currency_code="CAD",
            timezone="America/Los_Angeles",
            marketplace_id="A2EUQ1WTGCTBG2",
            account_id="ENTITY2",
        ),
    )


@steady
@given(st.integers(0, 10**40 - 1))
def test_a_profile_id_of_any_size(number: int) -> None:
    """A profile id keeps every digit, beyond 53 and beyond 64 bits too."""
    response = json_response(f'[{{"profileId":{number}}}]')

    assert [each.profile_id for each in wire.read_profiles(response, ACCOUNT)] == [str(number)]


def test_profiles_that_come_twice() -> None:
    """Each profile is kept once, as number or as text, in the order of the answer."""
    response = json_response('[{"profileId":2},{"profileId":"1"},{"profileId":"2"},{"profileId":1}]')

    assert [each.profile_id for each in wire.read_profiles(response, ACCOUNT)] == ["2", "1"]


def test_no_profiles() -> None:
    """An empty list is an answer; that there is nothing to do is for others to say."""
    assert wire.read_profiles(json_response("[]"), ACCOUNT) == ()


def test_a_profile_with_a_hostile_name() -> None:
    """A name is kept as it is, but for what no file takes; nothing else of the profile depends on it."""
    names = ["../x", "a\x00b", "\u202egpj", "🎉" * 300]
    response = json_response(json.dumps([{"profileId": at, "accountInfo": {"name": n}} for at, n in enumerate(names)]))
    lone = json_response(r'[{"profileId":1,"accountInfo":{"name":"a\ud800b"}}]')

    assert [each.name for each in wire.read_profiles(response, ACCOUNT)] == names
    assert wire.read_profiles(lone, ACCOUNT)[0].name == "a?b"


def test_a_profile_with_odd_fields() -> None:
    """What is no text counts as not said."""
    response = json_response('[{"profileId":1,"countryCode":null,"timezone":5,"accountInfo":"x"}]')

    assert wire.read_profiles(response, ACCOUNT) == (Profile("acme", Region.EU, "1"),)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"<html>",
        b'[{"profileId":1}',
        b"[5]",
        b"[{}]",
        b'[{"profileId":true}]',
        b'[{"profileId":1.5}]',
        b'[{"profileId":-1}]',
        b'[{"profileId":""}]',
        b'[{"profileId":"1\\r\\nX: y"}]',
        b'[{"profileId":"../1"}]',
        '[{"profileId":"١"}]'.encode(),
        b'[{"profileId":"' + b"1" * 41 + b'"}]',
        b'[{"profileId":' + b"1" * 5000 + b"}]",
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_a_profile_list_that_cannot_be_used(body: bytes) -> None:
    """A list that is cut, nested without end, or has an entry without a usable id is an error, never "no profiles"."""
    with pytest.raises(ProtocolError, match=r"^account 'acme': profiles: "):
        wire.read_profiles(json_response(body), ACCOUNT)


def test_a_profile_list_that_is_refused() -> None:
    """An answer that is no success is what its status says."""
    with pytest.raises(Throttled):
        wire.read_profiles(json_response("{}", 429), ACCOUNT)


def test_the_form_that_was_sent_can_be_read() -> None:
    """The form holds the credentials exactly."""
    body = wire.token_request("https://t", wire.Grant("c", Secret("ü +&=%"), Secret("Atzr|x"))).body

    assert parse_qs(body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["Atzr|x"],
        "client_id": ["c"],
        "client_secret": ["ü +&=%"],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@steady
@given(JSON)
def test_any_json_as_profiles(document: object) -> None:
    """Whatever the list holds, the answer is profiles or a broken protocol, and nothing else comes out."""
    try:
        profiles = wire.read_profiles(answer(document), ACCOUNT)
    except ProtocolError:
        return
    assert profiles == () == tuple(document)  # type: ignore[arg-type]
