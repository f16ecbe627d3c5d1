"""The contract of the API in both directions: exports. Tokens and profiles are in test_wire."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport._version import __version__
from asyncexport.accounts import Account, Region, Secret
from asyncexport.errors import (
    AsyncexportError,
    ExportExpired,
    ProfileAccessDenied,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    UrlRefused,
)
from asyncexport.models import Entity, Export, ExportStatus, Filters, Job, Profile, SignedUrl
from asyncexport.ports import Request, Response
from asyncexport.sansio import wire
from asyncexport.testing import json_response
from tests.support import steady

DATE = "Tue, 26 Sep 2023 15:38:44 GMT"
ACCOUNT = Account("acme", region="EU", client_id="c", client_secret="s", refresh_token="r", api_url="https://api.test")
ACCESS = Secret("Atza|access")
PROFILE = Profile("acme", Region.EU, "1234567890")
EXPORT_ID = "OTZlODY4NTQtN2ZhZi00YWQwLWFmMDEtYjU4NDE0YzUwYWFhLEM"
MEDIA = {
    Entity.CAMPAIGNS: "application/vnd.campaignsexport.v1+json",
    Entity.AD_GROUPS: "application/vnd.adgroupsexport.v1+json",
    Entity.TARGETS: "application/vnd.targetsexport.v1+json",
    Entity.ADS: "application/vnd.adsexport.v1+json",
}
USER_AGENT = f"asyncexport/{__version__}"


def answer(document: object, status: int = 200, **headers: str) -> Response:
    return json_response(json.dumps(document), status, **({"date": DATE, "x-amz-rid": "RID"} | headers))


def completed(**changes: Any) -> Response:
    """The official capture of a completed campaign export, changed."""
    document = {
        "exportId": EXPORT_ID,
        "status": "COMPLETED",
        "url": "https://b.s3.us-east-1.amazonaws.com/CAMPAIGN/x?X-Amz-Security-Token=a%2Bb",
        "fileSize": 782,
        "urlExpiresAt": "2023-09-26T16:38:44.604Z",
        "generatedAt": "2023-09-26T15:38:16.609Z",
        "createdAt": "2023-09-26T15:38:15.938Z",
    }
    return answer(document | changes)


@pytest.mark.parametrize("entity", Entity)
def test_the_request_of_an_export(entity: Entity) -> None:
    """Each entity has its path and its media type, as both Content-Type and Accept; the scope is the profile."""
    request = wire.export_request(ACCOUNT, "client", ACCESS, Job(PROFILE, entity))

    assert (request.method, request.url) == ("POST", f"https://api.test/{entity.value}/export")
    assert request.headers == {
        "Authorization": "Bearer Atza|access",
        "Amazon-Advertising-API-ClientId": "client",
        "Amazon-Advertising-API-Scope": "1234567890",
        "Content-Type": MEDIA[entity],
        "Accept": MEDIA[entity],
        "User-Agent": USER_AGENT,
    }
    assert orjson.loads(request.body) == {
        "adProductFilter": ["SPONSORED_PRODUCTS", "SPONSORED_BRANDS", "SPONSORED_DISPLAY"],
        "stateFilter": ["ENABLED", "PAUSED", "ARCHIVED"],
    }


def test_the_request_of_filtered_targets() -> None:
    """Filters are arrays, the negative one of booleans, and only targets have all five."""
    filters = Filters(
        ("SPONSORED_BRANDS",),
        ("PAUSED",),
        target_types=("AUTO", "THEME"),
        target_levels=("CAMPAIGN",),
        negative=(True,),
    )

    targets = wire.export_request(ACCOUNT, "client", ACCESS, Job(PROFILE, Entity.TARGETS, filters))
    ads = wire.export_request(ACCOUNT, "client", ACCESS, Job(PROFILE, Entity.ADS, filters))

    assert orjson.loads(targets.body) == {
        "adProductFilter": ["SPONSORED_BRANDS"],
        "stateFilter": ["PAUSED"],
        "targetTypeFilter": ["AUTO", "THEME"],
        "targetLevelFilter": ["CAMPAIGN"],
        "negativeFilter": [True],
    }
    assert orjson.loads(ads.body) == {"adProductFilter": ["SPONSORED_BRANDS"], "stateFilter": ["PAUSED"]}


@pytest.mark.parametrize("entity", Entity)
def test_the_request_of_a_status(entity: Entity) -> None:
    """A look has the headers of the request, Content-Type too, and no body."""
    job = Job(PROFILE, entity)
    request = wire.status_request(ACCOUNT, "client", ACCESS, job, EXPORT_ID)

    assert (request.method, request.url, request.body) == ("GET", f"https://api.test/exports/{EXPORT_ID}", b"")
    assert request.headers == wire.export_request(ACCOUNT, "client", ACCESS, job).headers


@steady
@given(st.text(min_size=1).filter(lambda text: text.isprintable() and text.strip(".")))
def test_any_export_id_in_a_path(export_id: str) -> None:
    """Whatever the id, the path has two segments, and the second one is the id."""
    request = wire.status_request(ACCOUNT, "client", ACCESS, Job(PROFILE, Entity.ADS), export_id)
    path = urlsplit(request.url).path

    assert path.count("/") == 2
    assert request.url == f"https://api.test{path}"
    assert unquote(path.rpartition("/")[2]) == export_id


def test_the_answer_to_a_request() -> None:
    """The captured 202 has two keys and nothing else."""
    response = json_response(f'{{"exportId":"{EXPORT_ID}","status":"IN_PROGRESS"}}', 202)
    export = wire.read_export(response, "what")

    assert len(response.body) == 89
    assert (export.export_id, export.status, export.word) == (EXPORT_ID, ExportStatus.RUNNING, "IN_PROGRESS")
    assert (export.url, export.file_size, export.url_seconds, export.error_code) == (None, None, None, "")


def test_the_answer_of_a_completed_export() -> None:
    """The captured answer: the URL as it is, the size, and the URL's life by the server's own clock."""
    export = wire.read_export(completed(), "what")

    assert export.status is ExportStatus.COMPLETED
    assert export.url == SignedUrl("https://b.s3.us-east-1.amazonaws.com/CAMPAIGN/x?X-Amz-Security-Token=a%2Bb")
    assert export.file_size == 782
    assert export.url_seconds == pytest.approx(3600.604)
    assert export.generated_at == "2023-09-26T15:38:16.609Z"
    assert export.created_at == "2023-09-26T15:38:15.938Z"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PROCESSING", ExportStatus.RUNNING),
        ("IN_PROGRESS", ExportStatus.RUNNING),
        ("COMPLETED", ExportStatus.COMPLETED),
        ("SUCCESS", ExportStatus.COMPLETED),
        ("FAILED", ExportStatus.FAILED),
        ("FAILURE", ExportStatus.FAILED),
        ("CANCELLED", ExportStatus.FAILED),
        ("completed", ExportStatus.COMPLETED),
        ("Failed", ExportStatus.FAILED),
    ],
)
def test_a_known_status_word(word: str, status: ExportStatus) -> None:
    """The words of the contract and those that were observed are known in any letter case."""
    assert wire.read_export(completed(status=word), "what").status is status
    assert wire.is_known_word(word)


@pytest.mark.parametrize("word", ["", "ENQUEUED", "Fertig", None, 5, ["COMPLETED"]])
def test_an_unknown_status_word(word: object) -> None:
    """Any other word, or none, means "still running" and is noticed as unknown."""
    export = wire.read_export(completed(status=word), "what")

    assert export.status is ExportStatus.RUNNING
    assert not wire.is_known_word(export.word)


def test_a_hostile_status_word() -> None:
    """A status word is short and printable before anybody is told of it."""
    assert wire.read_export(completed(status="\x1b[2J" + "x" * 10_000), "what").word == r"\x1b[2J" + "x" * 96


@pytest.mark.parametrize("url", [None, "", 5, {}, []])
def test_a_completed_export_without_a_url(url: object) -> None:
    """A URL that is missing, empty or no text is none."""
    assert wire.read_export(completed(url=url), "what").url is None


@pytest.mark.parametrize(
    ("size", "read"),
    [(0, 0), (22, 22), (1e3, 1000), (2**63 - 1, 2**63 - 1), (-1, None), ("22", None), (True, None), (1e300, None)],
)
def test_the_size_of_the_file(size: object, read: int | None) -> None:
    """A size is a number of bytes; what cannot be one counts as not said."""
    assert wire.read_export(completed(fileSize=size), "what").file_size == read


@pytest.mark.parametrize(
    "moment",
    [
        None,
        "",
        5,
        "tomorrow",
        "2023-09-26T16:38:44.604",
        "2023-09-26T15:38:44Z",
        "2023-09-26T15:00:00Z",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "2023-13-01T00:00:00Z",
    ],
)
def test_an_expiry_that_says_nothing(moment: object) -> None:
    """An expiry that is missing, garbled, past, absurdly far or without a zone counts as not said."""
    assert wire.read_export(completed(urlExpiresAt=moment), "what").url_seconds is None


@pytest.mark.parametrize(
    "moment",
    ["2023-09-26T15:39:44Z", "2023-09-26T15:39:44.000Z", "2023-09-26T17:39:44+02:00", "2023-09-26T15:39:44+00:00"],
)
def test_an_expiry(moment: str) -> None:
    """Times with and without a fraction and in any zone are understood."""
    assert wire.read_export(completed(urlExpiresAt=moment), "what").url_seconds == 60.0


def test_an_expiry_without_the_server_s_own_time() -> None:
    """Without a Date there is nothing to measure against: our own clock is not asked."""
    response = completed()
    response = Response(200, {"content-type": "application/json"}, response.body)

    assert wire.read_export(response, "what").url_seconds is None


def test_the_answer_of_a_failed_export() -> None:
    """A failed export says why in a code and a text that are fit to be shown."""
    error = {"errorCode": "TIMED_OUT", "message": "late\x1b[2J Atza|canary " + "x" * 1000}
    export = wire.read_export(completed(status="FAILED", error=error), "what")

    assert (export.status, export.error_code) == (ExportStatus.FAILED, "TIMED_OUT")
    assert export.error_message.startswith(r"late\x1b[2J Atza|*** xxx")
    assert len(export.error_message) < 520


@pytest.mark.parametrize("error", [None, "text", [], {}, {"errorCode": 5, "message": None}])
def test_a_failed_export_that_does_not_say_why(error: object) -> None:
    """An error without a usable code or text gives empty ones."""
    export = wire.read_export(completed(status="FAILED", error=error), "what")

    assert (export.error_code, export.error_message) == ("", "")


@pytest.mark.parametrize(
    "export_id",
    [None, "", 5, "x" * 257, "x" * 10_000, "a/b", "..", ".", "...", "../x", "a\\b", "a\r\nX: y", "a\x00b", "a\u202eb"],
)
def test_an_export_id_that_cannot_be_used(export_id: object) -> None:
    """An id that is missing, endless, unprintable, or that would leave its place in a path is refused."""
    with pytest.raises(ProtocolError, match=r"^what: the answer holds no usable exportId"):
        wire.read_export(completed(exportId=export_id), "what")


@pytest.mark.parametrize("export_id", ["a", "x" * 256, "a..b", "%0d%0a", "é"])
def test_an_export_id_of_another_form(export_id: str) -> None:
    """Ids are opaque: any other one is taken as it is."""
    assert wire.read_export(completed(exportId=export_id), "what").export_id == export_id


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"<html>", b'{"exportId":"a",}', b'{"exportId":', b"[" * 100_000]
)
def test_an_export_answer_that_cannot_be_used(body: bytes) -> None:
    """A success that is not the JSON object of the contract is a broken protocol."""
    with pytest.raises(ProtocolError, match=r"^what: the answer is"):
        wire.read_export(json_response(body, 202), "what")


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (204, "", ProtocolError),
        (307, "", UrlRefused),
        (400, "Snapshot requested is older than 24 hours", ExportExpired),
        (401, "Not authorized to access scope", ProfileAccessDenied),
        (404, "no such export", RequestRejected),
        (429, "Too Many Requests", Throttled),
        (502, "", ServerError),
    ],
)
def test_an_export_answer_of_another_kind(status: int, message: str, kind: type[AsyncexportError]) -> None:
    """What is no success is what its status says."""
    with pytest.raises(AsyncexportError) as caught:
        wire.read_export(answer({"message": message}, status), "what")
    assert type(caught.value) is kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("exportId", "status", "url", "fileSize", "urlExpiresAt", "generatedAt", "createdAt", "error")


@steady
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_as_an_export(document: dict[str, object]) -> None:
    """Whatever the fields hold, the answer is an export or a broken protocol, and nothing else comes out."""
    try:
        export = wire.read_export(answer(document), "what")
    except ProtocolError:
        return
    assert export.export_id == document["exportId"]


def test_headers_of_other_apis() -> None:
    """The account headers of the newer API are not sent."""
    sent: list[Request] = [
        wire.profiles_request(ACCOUNT, "client", ACCESS),
        wire.export_request(ACCOUNT, "client", ACCESS, Job(PROFILE, Entity.ADS)),
        wire.status_request(ACCOUNT, "client", ACCESS, Job(PROFILE, Entity.ADS), "e"),
    ]
    names = {name.lower() for request in sent for name in request.headers}

    assert not names & {"amazon-ads-accountid", "amazon-ads-clientid", "cookie"}


@pytest.mark.parametrize(
    ("created_at", "generated_at", "seconds"),
    [
        ("2023-09-26T15:38:15.938Z", "2023-09-26T15:38:16.609Z", 0.671),
        ("2023-09-26T15:38:15Z", "2023-09-26T17:38:45+02:00", 30.0),
        ("2023-09-26T15:38:16Z", "2023-09-26T15:38:16Z", None),
        ("2023-09-26T15:38:17Z", "2023-09-26T15:38:16Z", None),
        ("2023-09-24T15:38:17Z", "2023-09-26T15:38:16Z", None),
        ("2023-09-26T15:38:15", "2023-09-26T15:38:16Z", None),
        ("yesterday", "2023-09-26T15:38:16Z", None),
        ("", "", None),
    ],
)
def test_how_long_the_server_took(created_at: str, generated_at: str, seconds: float | None) -> None:
    """The distance of the server's own two times; nothing if one is missing or garbled, or if no export takes that."""
    export = Export("export-1", ExportStatus.COMPLETED, created_at=created_at, generated_at=generated_at)

    assert wire.generation_seconds(export) == pytest.approx(seconds)
