"""The pure server: whole conversations, with the time passed in."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from asyncexport.emulator.laws import Constant, LogNormal
from asyncexport.emulator.state import EPOCH, KEPT, AdsState
from asyncexport.emulator.store.objects import ObjectKey, Reckoned
from asyncexport.emulator.world import World
from asyncexport.errors import ConnectionLost
from asyncexport.models import AD_PRODUCTS, Entity, Filters
from asyncexport.ports import Request
from tests.emulator.calls import GENERATION, WORLD, Caller, a_state, load

BODY = json.dumps({"adProductFilter": list(AD_PRODUCTS)}).encode()


def test_a_whole_conversation() -> None:
    """Token, profiles, request, look, look again, download: each answers as the contract says."""
    caller = Caller(a_state())
    assert caller.ask_token().status == 200
    assert len(load(caller.get("/v2/profiles"))) == len(caller.grant.profiles)
    asked = caller.request(Entity.TARGETS, BODY)
    assert asked.status == 202
    assert asked.headers["content-type"] == "application/vnd.targetsexport.v1+json"
    assert asked.headers["content-length"] == str(len(asked.body)) == "88"
    export_id = load(asked)["exportId"]
    assert load(caller.look(export_id, Entity.TARGETS)) == {"exportId": export_id, "status": "PROCESSING"}
    caller.now = GENERATION
    done = load(caller.look(export_id, Entity.TARGETS))
    assert (done["status"], done["urlExpiresAt"]) == ("COMPLETED", "2026-11-23T01:00:10Z")
    assert (done["createdAt"], done["generatedAt"]) == ("2026-11-23T00:00:00Z", "2026-11-23T00:00:10Z")
    got = caller.download(done["url"])
    assert (got.status, got.size) == (200, done["fileSize"])
    assert got.key == caller.state.journal[export_id].key


def test_the_token_is_told_as_the_token_host_tells_it() -> None:
    """The same refresh token comes back, for an hour, not to be cached."""
    caller = Caller(a_state())
    answer = caller.ask_token()
    body = load(answer)
    assert body["access_token"].startswith("Atza|")
    assert (body["refresh_token"], body["token_type"], body["expires_in"]) == (
        caller.grant.refresh_token,
        "bearer",
        3_600,
    )
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    assert answer.headers["content-type"] == "application/json;charset=UTF-8"


def test_a_token_dies_of_age() -> None:
    """After its seconds every call is 401 until another one is fetched."""
    caller = Caller(a_state(token_seconds=60.0))
    assert caller.get("/v2/profiles").status == 200
    caller.now = 60.0
    assert caller.get("/v2/profiles").status == 401
    caller.token = ""
    assert caller.get("/v2/profiles").status == 200
    assert caller.state.tokens.issued == {caller.grant.account: 2}


def test_one_profile_can_be_asked_for() -> None:
    """Its own object, and 404 for one the grant does not see."""
    caller = Caller(a_state())
    assert load(caller.get(f"/v2/profiles/{caller.profile.profile_id}"))["profileId"] == int(caller.profile.profile_id)
    assert caller.get(f"/v2/profiles/{WORLD.grants[1].profiles[0].profile_id}").status == 404


def test_a_host_lists_the_profiles_of_its_region() -> None:
    """The grant's own region lists them all; any other lists none, and knows none by its id."""
    state = a_state()
    for region, count in (("/na", len(WORLD.grants[0].profiles)), ("/eu", 0), ("/fe", 0)):
        caller = Caller(state, host=region)
        assert len(load(caller.get("/v2/profiles"))) == count
        assert caller.get(f"/v2/profiles/{caller.profile.profile_id}").status == (200 if count else 404)


def test_an_export_lives_at_the_host_of_its_region() -> None:
    """It is asked for and looked at there; another region's host refuses both with the text about the scope."""
    state = a_state()
    home, abroad = Caller(state, host="/na"), Caller(state, host="/eu")
    export_id = load(home.request())["exportId"]
    assert home.look(export_id).status == 200
    for refused in (abroad.request(), abroad.look(export_id)):
        assert refused.status == 401
        assert load(refused) == {"code": "401", "details": "Not authorized to access scope"}
    assert list(state.journal) == [export_id]


def test_a_token_is_good_at_every_host() -> None:
    """Tokens are global, whichever host gave them out."""
    state = a_state()
    first = Caller(state, host="/eu")
    assert first.get("/v2/profiles").status == 200
    assert load(Caller(state, host="/na", token=first.token).get("/v2/profiles")) != []


def test_the_status_word_of_the_old_documents_can_be_chosen() -> None:
    """The 89 bytes of the official capture come with IN_PROGRESS."""
    asked = Caller(a_state(running_word="IN_PROGRESS")).request()
    assert load(asked)["status"] == "IN_PROGRESS"
    assert len(asked.body) == 89


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda caller: caller.get("/v3/profiles"), 403),
        (lambda caller: caller.get("/v2/profiles", Authorization="Atza|x"), 403),
        (lambda caller: caller.get("/v2/profiles", Authorization=None), 401),
        (lambda caller: caller.get("/v2/profiles", Authorization="Bearer Atza|x"), 401),
        (lambda caller: caller.request(profile_id=None), 401),
        (lambda caller: caller.request(profile_id=WORLD.grants[1].profiles[0].profile_id), 401),
        (lambda caller: caller.request(body=b"["), 400),
        (lambda caller: caller.look("nonsense"), 404),
    ],
    ids=["route", "scheme", "no token", "other token", "no scope", "foreign scope", "body", "export"],
)
def test_errors_have_their_statuses(call: Any, status: int) -> None:
    """Each wrong call is refused with its own status, and takes no slot."""
    caller = Caller(a_state())
    assert call(caller).status == status
    assert caller.state.journal == {}


def test_a_look_needs_the_type_of_the_creation() -> None:
    """406 for another entity's media type."""
    caller = Caller(a_state())
    export_id = load(caller.request(Entity.CAMPAIGNS))["exportId"]
    refused = caller.look(export_id, Entity.AD_GROUPS)
    assert refused.status == 406
    assert "does not match Content-Type 'application/vnd.adgroupsexport.v1+json'" in load(refused)["message"]


def test_an_export_is_seen_by_its_own_client_and_profile_only() -> None:
    """404 for another client, and for another profile of the same one."""
    state = a_state()
    ours, theirs = Caller(state), Caller(state, WORLD.grants[1])
    export_id = load(ours.request())["exportId"]
    assert theirs.look(export_id).status == 404
    assert ours.look(export_id, profile_id=ours.grant.profiles[1].profile_id).status == 404
    assert ours.look(export_id).status == 200


def test_the_sixth_export_at_an_endpoint_is_too_many() -> None:
    """Five may be in progress per client, region and endpoint, over all its profiles; one that ends makes room."""
    caller = Caller(a_state())
    other = caller.grant.profiles[1].profile_id
    assert [caller.request(profile_id=other).status for _ in range(6)] == [202] * 5 + [429]
    assert caller.request(Entity.ADS).status == 202
    assert Caller(caller.state, WORLD.grants[1]).request().status == 202
    assert caller.state.counters.throttled == {"cap": 1}
    caller.now = GENERATION
    assert caller.request().status == 202
    assert caller.state.peaks[caller.grant.client_id, caller.grant.region, Entity.CAMPAIGNS] == 5


def test_without_a_cap_any_number_may_be_in_progress() -> None:
    """None stands for no cap."""
    caller = Caller(a_state(cap=None))
    assert {caller.request().status for _ in range(50)} == {202}


def test_a_cap_that_moves() -> None:
    """Given as a function of time the cap is what it is at the moment of the POST; what runs goes on."""
    caller = Caller(a_state(cap=lambda now: 3 if now < 1.0 else None if now > 2.0 else 1))
    assert [caller.request().status for _ in range(4)] == [202] * 3 + [429]
    caller.now = 1.5
    assert caller.request().status == 429
    caller.now = 2.5
    assert {caller.request().status for _ in range(20)} == {202}
    assert caller.state.counters.throttled == {"cap": 2}


@pytest.mark.parametrize(("names", "header"), [(False, None), (True, "1")])
def test_a_profile_that_calls_too_often_is_throttled(names: bool, header: str | None) -> None:
    """429 beyond burst and rate, per profile; it names the seconds only if told to."""
    caller = Caller(a_state(rate=1.0, burst=2, retry_after=names))
    answers = [caller.request(entity) for entity in (Entity.ADS, Entity.TARGETS, Entity.CAMPAIGNS)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[2].headers.get("retry-after") == header
    assert answers[2].headers["amazon-advertising-api-throttled"] == "true"
    assert caller.request(profile_id=caller.grant.profiles[1].profile_id).status == 202
    assert caller.state.counters.throttled == {"rate": 1}


def test_every_look_has_a_fresh_url_of_the_same_object() -> None:
    """URLs differ, ETags agree."""
    caller = Caller(a_state())
    one = caller.finished()
    two = load(caller.look(one["exportId"]))
    assert one["url"] != two["url"]
    assert caller.download(one["url"]).headers["ETag"] == caller.download(two["url"]).headers["ETag"]


def test_urls_lead_to_the_buckets_of_their_region_unless_told_otherwise() -> None:
    """Each region has its own host; a server with a store of its own names that."""
    caller = Caller(a_state())
    assert caller.finished()["url"].startswith("https://snapshots-prod-us-east-1.s3.us-east-1.amazonaws.com/CAMPAIGN/")
    european = Caller(caller.state, WORLD.grants[1])
    assert ".eu-west-1." in european.finished()["url"]
    own = Caller(a_state(store_url="http://127.0.0.1:9"))
    assert own.finished()["url"].startswith("http://127.0.0.1:9/CAMPAIGN/")


def test_an_export_is_kept_for_a_day() -> None:
    """After 24 hours the answer is 400 with the text that was seen."""
    caller = Caller(a_state(token_seconds=1e9))
    export_id = caller.finished()["exportId"]
    caller.now += KEPT
    assert caller.look(export_id).status == 200
    caller.now += 1
    refused = caller.look(export_id)
    assert (refused.status, load(refused)) == (400, {"message": "Snapshot requested is older than 24 hours"})


def test_the_same_question_again_is_another_export() -> None:
    """A second POST has a new id and takes another slot."""
    caller = Caller(a_state())
    assert load(caller.request())["exportId"] != load(caller.request())["exportId"]


def test_filters_decide_the_object() -> None:
    """The journal holds what was asked for, in whatever order it was written."""
    caller = Caller(a_state())
    caller.request(body=b'{"stateFilter":["PAUSED","ARCHIVED"]}')
    record = next(iter(caller.state.journal.values()))
    assert set(record.key.filters.states) == {"PAUSED", "ARCHIVED"}
    assert record.key.filters.fingerprint == Filters(AD_PRODUCTS, ("ARCHIVED", "PAUSED")).fingerprint


def test_answers_are_compressed_for_who_asks() -> None:
    """A large answer comes as gzip if Accept-Encoding names it, a small one never does."""
    caller = Caller(a_state(), extra={"Accept-Encoding": "gzip, deflate"})
    large = caller.finished()
    answer = caller.look(large["exportId"])
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.body))["status"] == "COMPLETED"
    assert "content-encoding" not in caller.request().headers
    assert "content-encoding" not in Caller(a_state()).look("x").headers


def test_two_mechanisms_are_refused_by_the_store() -> None:
    """An Authorization header beside the signature is 400, and is echoed."""
    caller = Caller(a_state())
    refused = caller.download(caller.finished()["url"], Authorization="Bearer Atza|secret")
    assert refused.status == 400
    assert b"Only one auth mechanism allowed" in refused.body
    assert b"Atza|secret" in refused.body


def test_the_store_knows_signed_paths_only() -> None:
    """No signature 403; HEAD 403 without a body; a signed path without an export 404."""
    caller = Caller(a_state())
    url = caller.finished()["url"]
    assert caller.download(url.partition("?")[0]).status == 403
    head = caller.download(url, "HEAD")
    assert (head.status, head.body) == (403, b"")
    caller.state.exports.records.clear()
    assert caller.download(url).status == 404


def test_urls_die_after_their_hour() -> None:
    """400 ExpiredToken as a rule, 403 if the credentials live longer."""
    caller = Caller(a_state())
    url = caller.finished()["url"]
    caller.now += 3_600
    assert b"<Code>ExpiredToken</Code>" in caller.download(url).body
    lasting = Caller(a_state(credentials_seconds=1e9))
    url = lasting.finished()["url"]
    lasting.now += 3_600
    refused = lasting.download(url)
    assert refused.status == 403
    assert b"<Message>Request has expired</Message>" in refused.body


def test_ranges_and_expectations_are_honoured() -> None:
    """206 for a piece of the expected object, 412 for another one, 416 beyond the end."""
    caller = Caller(a_state())
    done = caller.finished()
    etag = caller.download(done["url"]).headers["ETag"]
    piece = caller.download(done["url"], Range="bytes=5-", If_Match=etag)
    assert (piece.status, piece.start, piece.stop) == (206, 5, done["fileSize"])
    assert caller.download(done["url"], If_Match='"x"').status == 412
    assert caller.download(done["url"], Range="bytes=99999999-").status == 416


def test_everything_is_counted() -> None:
    """Requests by endpoint, statuses, tokens by account, looks by export."""
    caller = Caller(a_state())
    done = caller.finished(Entity.ADS)
    caller.download(done["url"])
    caller.get("/nowhere")
    counters = caller.state.counters
    assert counters.requests == {"token": 1, "ads": 1, "exports": 1, "store": 1, "unknown": 1}
    assert counters.statuses["ads", 202] == counters.statuses["store", 200] == counters.statuses["unknown", 403] == 1
    assert caller.state.tokens.issued == {caller.grant.account: 1}
    assert caller.state.journal[done["exportId"]].looks == 1


def test_bodies_and_headers_show_the_servers_clock() -> None:
    """The epoch is where the clock begins, and a Date moves with the time passed in."""
    caller = Caller(a_state(), now=61.0)
    assert caller.ask_token().headers["date"] == "Mon, 23 Nov 2026 00:01:01 GMT"
    assert EPOCH == 1_795_392_000.0
    earlier = Caller(a_state(epoch=0.0))
    assert earlier.ask_token().headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_two_servers_with_the_same_seed_say_the_same() -> None:
    """Every byte of a conversation repeats."""
    one, two = (Caller(a_state(generation=LogNormal(median=5.0))) for _ in range(2))
    assert one.request().body == two.request().body
    assert one.request(Entity.ADS) == two.request(Entity.ADS)


def test_generation_times_follow_the_law_and_the_speed() -> None:
    """The journal shows what the law said, divided by the speed."""
    caller = Caller(AdsState(WORLD, generation=Constant(10.0), speed=5.0))
    caller.request()
    assert next(iter(caller.state.journal.values())).due_at == 2.0


# --- weather ---


def test_only_calls_that_would_succeed_meet_the_weather() -> None:
    """A call that is refused anyway leaves the fault for the next."""
    caller = Caller(a_state("request: return-503"))
    assert caller.request(body=b"[").status == 400
    assert len(caller.state.weather.unmet()) == 1
    assert caller.request().status == 503
    assert caller.state.weather.unmet() == ()
    assert caller.request().status == 202


@pytest.mark.parametrize(("word", "acted"), [("reset", 0), ("lost-answer", 1), ("broken-after-10", 1)])
def test_a_cut_connection_is_an_error_of_the_transport(word: str, acted: int) -> None:
    """A reset comes before the server acts, a lost answer after it."""
    caller = Caller(a_state(f"request: {word}"))
    with pytest.raises(ConnectionLost):
        caller.request()
    assert len(caller.state.journal) == acted


def test_the_weather_can_take_the_token() -> None:
    """The token in use dies, and stays dead."""
    caller = Caller(a_state("poll: revoke-token"))
    export_id = load(caller.request())["exportId"]
    assert caller.look(export_id).status == 401
    assert caller.look(export_id).status == 401
    caller.token = ""
    assert caller.look(export_id).status == 200


def test_the_weather_spoils_token_answers() -> None:
    """Odd lifetimes, no token, a rotated refresh token, a refused grant."""
    caller = Caller(
        a_state(
            """token: deny-invalid_grant
               token: expires-in--1
               token: expires-in-soon
               token: no-access-token
               token: rotate-token"""
        )
    )
    assert load(caller.ask_token())["error"] == "invalid_grant"
    assert load(caller.ask_token())["expires_in"] == -1
    assert load(caller.ask_token())["expires_in"] == "soon"
    assert "access_token" not in load(caller.ask_token())
    rotated = load(caller.ask_token())["refresh_token"]
    assert rotated != caller.grant.refresh_token
    assert caller.ask_token(refresh_token=rotated).status == 200


def test_the_weather_spoils_the_list_of_profiles() -> None:
    """The words of the stage reach the list."""
    caller = Caller(a_state("profiles: empty-list"))
    assert load(caller.get("/v2/profiles")) == []
    assert load(caller.get("/v2/profiles")) != []


def test_words_about_urls_wait_for_a_completed_export() -> None:
    """A look at a running export does not use them up."""
    caller = Caller(a_state("poll: no-url; poll: evil-url-http://10.0.0.1/"))
    export_id = load(caller.request())["exportId"]
    assert load(caller.look(export_id))["status"] == "PROCESSING"
    caller.now = GENERATION
    assert "url" not in load(caller.look(export_id))
    assert load(caller.look(export_id))["url"] == "http://10.0.0.1/"
    assert "amazonaws" in load(caller.look(export_id))["url"]


@pytest.mark.parametrize(("word", "status"), [("expire-url", 400), ("expire-url-403", 403)])
def test_a_url_can_be_dead_at_once(word: str, status: int) -> None:
    """The next look gives one that works."""
    caller = Caller(a_state(f"poll: {word}"))
    done = caller.finished()
    assert caller.download(done["url"]).status == status
    assert caller.download(load(caller.look(done["exportId"]))["url"]).status == 200


def test_an_export_can_fail_when_it_is_due() -> None:
    """A failure that was planned at the request shows at the look, for good."""
    caller = Caller(a_state("request: fail-INTERNAL_ERROR"))
    export_id = load(caller.request())["exportId"]
    assert load(caller.look(export_id))["status"] == "PROCESSING"
    caller.now = GENERATION
    for _ in range(2):
        assert load(caller.look(export_id))["error"]["errorCode"] == "INTERNAL_ERROR"


def test_an_export_can_fail_at_a_look() -> None:
    """It fails there and then, and its slot is free."""
    caller = Caller(a_state("poll: fail-TIMED_OUT", cap=1))
    export_id = load(caller.request())["exportId"]
    failed = load(caller.look(export_id))
    assert (failed["status"], failed["error"]["errorCode"]) == ("FAILED", "TIMED_OUT")
    assert caller.request().status == 202


class Ordering(Reckoned):
    """A shelf that remembers what was asked of it."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.ordered: list[ObjectKey] = []

    def order(self, key: ObjectKey) -> None:
        self.ordered.append(key)


def test_an_export_of_too_many_rows_times_out() -> None:
    """It takes its time, fails and gives its slot back; asked for with filters it is made. Nothing is made in vain."""
    shelf = Ordering(WORLD)
    caller = Caller(a_state(times_out_above=3, cap=1, shelf=shelf), grant=WORLD.grants[1])
    too_large = load(caller.request(Entity.TARGETS, BODY))["exportId"]
    assert load(caller.look(too_large, Entity.TARGETS))["status"] == "PROCESSING"
    caller.now = GENERATION
    assert load(caller.look(too_large, Entity.TARGETS))["error"]["errorCode"] == "TIMED_OUT"
    assert shelf.ordered == []
    filters = {"adProductFilter": ["SPONSORED_DISPLAY"], "targetTypeFilter": ["THEME"]}
    small = load(caller.request(Entity.TARGETS, json.dumps(filters).encode()))["exportId"]
    caller.now += GENERATION
    assert load(caller.look(small, Entity.TARGETS))["status"] == "COMPLETED"
    assert [key.filters.ad_products for key in shelf.ordered] == [("SPONSORED_DISPLAY",)]


def test_the_status_can_flap() -> None:
    """A completed export may say once more that it is being made."""
    caller = Caller(a_state("poll nth=2: word-PROCESSING"))
    done = caller.finished()
    assert load(caller.look(done["exportId"])) == {"exportId": done["exportId"], "status": "PROCESSING"}
    assert load(caller.look(done["exportId"]))["status"] == "COMPLETED"


def test_faults_can_be_aimed_at_a_profile_and_an_entity() -> None:
    """Others are left alone."""
    profile = WORLD.grants[0].profiles[1].profile_id
    caller = Caller(a_state(f"request profile={profile} entity=ads: return-500"))
    assert caller.request(Entity.ADS).status == 202
    assert caller.request(Entity.TARGETS, profile_id=profile).status == 202
    assert caller.request(Entity.ADS, profile_id=profile).status == 500


def test_the_weather_can_clear_up_with_the_time() -> None:
    """A profile that is throttled for ten minutes is served in the eleventh."""
    caller = Caller(a_state("request every=1 until=600: return-429"))
    assert [caller.request().status for _ in range(3)] == [429] * 3
    caller.now = 600.0
    assert caller.request().status == 202


def test_the_store_meets_the_weather() -> None:
    """Errors, lies about ETags and damage reach the download they are aimed at."""
    caller = Caller(a_state("download: slow-down; download: weak-etag; download: flip-bit-5; download: change-etag"))
    url = caller.finished()["url"]
    assert caller.download(url).status == 503
    assert caller.download(url).headers["ETag"].startswith('W/"')
    assert caller.download(url).damage.flip is not None
    assert caller.download(url, If_Match='"any"').status == 412
    assert caller.download(url).status == 200


def test_a_redirect_of_the_store_names_its_place() -> None:
    """307 with Location."""
    caller = Caller(a_state("download: redirect-https://evil.example/x"))
    refused = caller.download(caller.finished()["url"])
    assert (refused.status, refused.headers["Location"]) == (307, "https://evil.example/x")


def test_ids_in_answers_are_those_of_the_contract() -> None:
    """Every export id is 51 characters of base64url."""
    caller = Caller(a_state(cap=None))
    assert all(re.fullmatch(r"[\w-]{51}", load(caller.request(entity))["exportId"]) for entity in Entity)


def test_a_large_night_costs_no_more_a_call_than_a_small_one() -> None:
    """What a call touches does not grow: the line of exports in progress holds the running ones alone."""
    world = World.generate(accounts=1, profiles=50, rows=50)
    caller = Caller(a_state(world=world, cap=5, generation=Constant(1.0)), world.grants[0])
    for _ in range(2_000):
        assert caller.request().status == 202
        caller.now += 0.25
    line = caller.state.exports._lines[caller.grant.client_id, caller.grant.region, Entity.CAMPAIGNS]
    assert len(caller.state.journal) == 2_000
    assert len(line.due) + len(line.late) <= 5


def test_requests_are_read_whatever_the_case_of_their_headers() -> None:
    """Header names have no case."""
    caller = Caller(a_state())
    headers = {name.upper(): value for name, value in caller.headers().items()}
    assert caller.state.api(Request("GET", "http://api/v2/profiles", headers), 0.0).status == 200
