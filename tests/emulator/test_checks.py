"""What the API looks at before it acts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asyncexport.accounts import Region
from asyncexport.emulator import checks
from asyncexport.emulator.answers import Refusal
from asyncexport.models import Entity, Filters
from asyncexport.ports import Request
from tests.emulator.calls import WORLD

GRANT, OTHER = WORLD.grants
CAMPAIGNS = "application/vnd.campaignsexport.v1+json"
AD_GROUPS = "application/vnd.adgroupsexport.v1+json"


def message(caught: pytest.ExceptionInfo[Refusal]) -> str:
    body: dict[str, Any] = json.loads(caught.value.body)
    return str(body.get("message") or body.get("details"))


def scoped(profile_id: str, region: Region | None) -> checks.Heard:
    return checks.Heard(checks.Route("poll"), region, {"amazon-advertising-api-scope": profile_id}, "", b"")


@pytest.mark.parametrize(
    ("method", "path", "stage", "entity", "name"),
    [
        ("POST", "/auth/o2/token", "token", None, ""),
        ("GET", "/v2/profiles?x=1", "profiles", None, ""),
        ("GET", "/v2/profiles/77", "profiles", None, "77"),
        ("POST", "/campaigns/export", "request", Entity.CAMPAIGNS, ""),
        ("POST", "/adGroups/export", "request", Entity.AD_GROUPS, ""),
        ("POST", "/targets/export", "request", Entity.TARGETS, ""),
        ("POST", "/ads/export", "request", Entity.ADS, ""),
        ("GET", "/exports/a%2Fb", "poll", None, "a/b"),
    ],
)
def test_the_routes_are_those_of_the_contract(
    method: str, path: str, stage: str, entity: Entity | None, name: str
) -> None:
    """Method and path together name the stage, at whichever region's host."""
    for prefix, region in (("", None), ("/na", Region.NA), ("/eu", Region.EU), ("/fe", Region.FE)):
        heard = checks.hear(Request(method, f"https://api{prefix}{path}", {"Accept": "x"}))
        assert (heard.route, heard.region) == (checks.Route(stage, entity, name), region)
        assert heard.headers == {"accept": "x"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/negativeTargets/export"),
        ("POST", "/adgroups/export"),
        ("GET", "/campaigns/export"),
        ("DELETE", "/exports/x"),
        ("GET", "/"),
        ("GET", "/na"),
        ("GET", "/na/eu/v2/profiles"),
    ],
)
def test_an_unknown_route_is_refused_by_the_gateway(method: str, path: str) -> None:
    """403 with the text about signatures, whatever the path is."""
    with pytest.raises(Refusal) as caught:
        checks.hear(Request(method, f"https://api{path}", {"authorization": "Bearer Atza|x"}))
    assert caught.value.status == 403
    assert "Invalid key=value pair" in message(caught)


@pytest.mark.parametrize(
    ("authorization", "status"), [(None, 401), ("Atza|x", 403), ("Basic eA==", 403), ("Bearer ", 403)]
)
def test_a_malformed_authorization_is_refused(authorization: str | None, status: int) -> None:
    """Without the header 401; with one that is not a bearer's, the gateway's 403."""
    with pytest.raises(Refusal) as caught:
        checks.bearer({} if authorization is None else {"authorization": authorization})
    assert caught.value.status == status


def test_the_client_must_be_the_one_the_token_is_for() -> None:
    """A dead token, a missing and a foreign client id are each 401."""
    named = {"amazon-advertising-api-clientid": GRANT.client_id}
    assert checks.client(named, GRANT) is GRANT
    for headers, grant in ((named, None), ({}, GRANT), (named, OTHER)):
        with pytest.raises(Refusal) as caught:
            checks.client(headers, grant)
        assert caught.value.status == 401


def test_the_scope_must_be_a_profile_the_grant_opens() -> None:
    """Missing, unknown, foreign and agency scopes are 401, each with its own text."""
    agency = next(profile for profile in GRANT.profiles if profile.type == "agency")
    own = GRANT.profiles[0]
    for at in (None, GRANT.region):
        assert checks.scope(scoped(own.profile_id, at), GRANT, WORLD) is own
    for scope, text in (
        ("", "Scope header is missing"),
        ("123", "No matching advertiser found for scope"),
        (agency.profile_id, "No matching advertiser found for scope"),
        (OTHER.profiles[0].profile_id, "Not authorized to access scope"),
    ):
        with pytest.raises(Refusal) as caught:
            checks.scope(scoped(scope, None), GRANT, WORLD)
        assert (caught.value.status, message(caught)) == (401, text)


def test_the_scope_must_be_of_the_hosts_region() -> None:
    """A profile that the grant opens at home is 401 at the other regions' hosts."""
    for elsewhere in set(Region) - {GRANT.region}:
        with pytest.raises(Refusal) as caught:
            checks.scope(scoped(GRANT.profiles[0].profile_id, elsewhere), GRANT, WORLD)
        assert (caught.value.status, message(caught)) == (401, "Not authorized to access scope")


@pytest.mark.parametrize("content_type", ["", "application/json", "*/*", AD_GROUPS, f"{CAMPAIGNS}; charset=utf-8"])
def test_another_content_type_cannot_be_consumed(content_type: str) -> None:
    """415 with the observed body unless the media type is exactly the entity's."""
    with pytest.raises(Refusal) as caught:
        checks.media_type({"content-type": content_type, "accept": CAMPAIGNS}, Entity.CAMPAIGNS)
    assert caught.value.status == 415
    assert caught.value.body == b'{"code":"415","details":"Cannot consume content type"}'


@pytest.mark.parametrize(
    ("accept", "status"),
    [("", 415), ("*/*", 415), ("application/json", 406), (AD_GROUPS, 406), ("application/vnd.export.v1+json", 406)],
)
def test_an_accept_of_another_type_is_not_acceptable(accept: str, status: int) -> None:
    """406 that lists the four types; what accepts anything gets 415."""
    with pytest.raises(Refusal) as caught:
        checks.media_type({"content-type": CAMPAIGNS, "accept": accept}, Entity.CAMPAIGNS)
    assert caught.value.status == status
    if status == 406:
        assert all(known in message(caught) for known in checks.MEDIA_TYPES.values())


def test_the_entitys_own_media_type_is_consumed() -> None:
    """The same vendor type in both headers passes, alone or in a list."""
    assert checks.media_type({"content-type": AD_GROUPS, "accept": AD_GROUPS}, Entity.AD_GROUPS) == AD_GROUPS
    assert checks.media_type({"content-type": AD_GROUPS, "accept": f"text/html, {AD_GROUPS};q=1"}, Entity.AD_GROUPS)


@pytest.mark.parametrize(
    "headers", [{}, {"accept": "*/*"}, {"accept": AD_GROUPS}, {"accept": CAMPAIGNS, "content-type": AD_GROUPS}]
)
def test_a_look_must_name_the_type_of_its_creation(headers: dict[str, str]) -> None:
    """406 with the exact text that was seen."""
    with pytest.raises(Refusal) as caught:
        checks.same_type(headers, Entity.CAMPAIGNS)
    assert caught.value.status == 406
    given = headers.get("content-type", headers.get("accept", ""))
    assert message(caught) == (
        f"ExportId provided does not match Content-Type '{given}'. Content-Type available: '{CAMPAIGNS}'"
    )


def test_a_look_needs_no_content_type() -> None:
    """Accept alone is enough, both are fine."""
    assert checks.same_type({"accept": CAMPAIGNS}, Entity.CAMPAIGNS) == CAMPAIGNS
    assert checks.same_type({"accept": CAMPAIGNS, "content-type": CAMPAIGNS}, Entity.CAMPAIGNS) == CAMPAIGNS


def test_absent_filters_have_the_apis_own_defaults() -> None:
    """All ad products, and no archived rows."""
    assert checks.filters(Entity.TARGETS, b"{}") == Filters(states=("ENABLED", "PAUSED"))


def test_filters_are_read() -> None:
    """Every filter of the contract arrives in its field."""
    body = {
        "adProductFilter": ["SPONSORED_BRANDS"],
        "stateFilter": ["ARCHIVED"],
        "targetTypeFilter": ["KEYWORD", "AUTO"],
        "targetLevelFilter": ["CAMPAIGN"],
        "negativeFilter": [True],
    }
    assert checks.filters(Entity.TARGETS, json.dumps(body).encode()) == Filters(
        ("SPONSORED_BRANDS",),
        ("ARCHIVED",),
        target_types=("KEYWORD", "AUTO"),
        target_levels=("CAMPAIGN",),
        negative=(True,),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"stateFilter":"ENABLED,PAUSED"}',
        b'{"stateFilter":[]}',
        b'{"stateFilter":["ENABLED","PAUSED","ARCHIVED","ENABLED"]}',
        b'{"stateFilter":["enabled"]}',
        b'{"stateFilter":[true]}',
        b'{"adProductFilter":["SPONSORED_TELEVISION"]}',
        b'{"targetTypeFilter":["KEYWORD"]}',
        b'{"colour":["red"]}',
    ],
)
def test_a_body_the_contract_does_not_know_is_refused(body: bytes) -> None:
    """400 for what is not JSON, not an object, not an array of known words, or not this entity's."""
    with pytest.raises(Refusal) as caught:
        checks.filters(Entity.CAMPAIGNS, body)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "body", [b'{"negativeFilter":["true"]}', b'{"negativeFilter":[1]}', b'{"targetLevelFilter":["X"]}']
)
def test_target_filters_take_their_own_values_only(body: bytes) -> None:
    """A negative filter holds booleans, not their spellings."""
    with pytest.raises(Refusal) as caught:
        checks.filters(Entity.TARGETS, body)
    assert caught.value.status == 400
