"""Signed URLs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from asyncexport.accounts import Region
from asyncexport.emulator.store.store_errors import StoreRefusal
from asyncexport.emulator.store.urls import BUCKETS, Signer

PATH = "/TARGET/amzn1.application-oa2-client.0123456789abcdef0123456789abcdef/0123.json.gz"


def some_signer(**options: Any) -> Signer:
    return Signer(**{"seed": 1, "epoch": 1.7e9, "url_seconds": 3_600.0, "credentials_seconds": 3_600.0, **options})


def minted(signer: Signer, now: float = 0.0, **options: Any) -> str:
    parts = urlsplit(signer.mint(BUCKETS[Region.EU], PATH, Region.EU, now, **options))
    return f"{parts.path}?{parts.query}"


def code(signer: Signer, target: str, now: float = 0.0, method: str = "GET") -> tuple[int, str]:
    with pytest.raises(StoreRefusal) as caught:
        signer.check(method, target, now)
    return caught.value.status, caught.value.code


def test_a_url_looks_like_the_real_ones() -> None:
    """It is about 1,400 characters long, has the parameters of SigV4, and escapes in its token."""
    url = some_signer().mint(BUCKETS[Region.NA], PATH, Region.NA, 0.0)
    query = parse_qs(urlsplit(url).query)
    assert url.startswith("https://snapshots-prod-us-east-1.s3.us-east-1.amazonaws.com/TARGET/amzn1.")
    assert 1_300 < len(url) < 1_500
    assert query["X-Amz-Expires"] == ["3600"]
    assert "/us-east-1/s3/aws4_request" in query["X-Amz-Credential"][0]
    assert all(escape in url for escape in ("%2B", "%2F", "%3D"))


def test_every_look_mints_another_url() -> None:
    """No two URLs are the same, and each of them works."""
    signer = some_signer()
    one, two = minted(signer), minted(signer)
    assert one != two
    signer.check("GET", one, 0.0)
    signer.check("GET", two, 0.0)


@pytest.mark.parametrize(
    "change",
    [
        unquote,
        lambda target: quote(target, safe="/?&=-._~"),
        lambda target: target.replace("%2F", "%2f", 1),
        lambda target: target.replace("%2B", "+", 1),
        lambda target: target.replace("TARGET", "CAMPAIGN"),
        lambda target: target + "&x=1",
        lambda target: target + "\udcff",
        lambda target: target.replace("TARGET", "T\u00e9\udcff"),
        lambda target: target.replace("&X-Amz-Signature=", "&X-Amz-Signature=0"),
        lambda target: target.replace("&X-Amz-Signature=", "&a=1&X-Amz-Signature="),
    ],
    ids=[
        "decoded",
        "quoted twice",
        "lower case",
        "plus",
        "other path",
        "added",
        "no text",
        "no text before",
        "other signature",
        "inserted",
    ],
)
def test_whoever_changes_a_byte_is_refused(change: Any) -> None:
    """The signature is over the exact bytes, so re-quoting is a mismatch."""
    signer = some_signer()
    assert code(signer, change(minted(signer))) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_the_signature_covers_the_method(method: str) -> None:
    """A URL for GET is good for GET alone."""
    signer = some_signer()
    assert code(signer, minted(signer), method=method) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("target", [PATH, "/"])
def test_without_a_signature_access_is_denied(target: str) -> None:
    """An unsigned path is refused without a word about signatures."""
    assert code(some_signer(), target) == (403, "AccessDenied")


def test_a_signature_is_good_for_its_time() -> None:
    """After its seconds the URL is refused with 403 and the times: its end, and when that was found."""
    signer = some_signer(credentials_seconds=1e9)
    target = minted(signer, 5.0)
    signer.check("GET", target, 3_604.9)
    assert code(signer, target, 3_605.0) == (403, "AccessDenied")
    with pytest.raises(StoreRefusal, match="403") as caught:
        signer.check("GET", target, 3_615.0)
    assert (caught.value.code, caught.value.message) == ("AccessDenied", "Request has expired")
    assert caught.value.more == {
        "X-Amz-Expires": "3600",
        "Expires": "2023-11-14T23:13:25Z",
        "ServerTime": "2023-11-14T23:13:35Z",
    }
    assert "X-Amz-Date=20231114T221325Z" in target


def test_a_signature_that_is_refused_early_has_its_own_end() -> None:
    """Expires is when the URL would end, and the store's time is never before it."""
    signer = some_signer()
    more = signer.too_old(minted(signer, 5.0), 60.0).more
    assert more["Expires"] == more["ServerTime"] == "2023-11-14T23:13:25Z"


def test_a_signature_can_be_too_old_when_it_is_minted() -> None:
    """Such a URL was signed an hour ago, so that what it says and what the refusal says agree."""
    signer = some_signer()
    target = minted(signer, 5.0, dead="signature")
    assert "X-Amz-Date=20231114T211325Z" in target
    with pytest.raises(StoreRefusal) as caught:
        signer.check("GET", target, 5.0)
    assert caught.value.more["Expires"] == caught.value.more["ServerTime"] == "2023-11-14T22:13:25Z"


def test_credentials_die_first_as_a_rule() -> None:
    """With equal lives, and with shorter ones, the answer is 400 ExpiredToken."""
    signer = some_signer(credentials_seconds=60.0)
    target = minted(signer)
    signer.check("GET", target, 59.0)
    assert code(signer, target, 60.0) == (400, "ExpiredToken")
    equal = some_signer()
    assert code(equal, minted(equal), 3_600.0) == (400, "ExpiredToken")


def test_urls_of_an_earlier_server_are_dead() -> None:
    """A URL that outlived its server is expired, not an accident."""
    assert code(some_signer(), minted(some_signer())) == (400, "ExpiredToken")


@pytest.mark.parametrize(("dead", "expected"), [("token", (400, "ExpiredToken")), ("signature", (403, "AccessDenied"))])
def test_a_url_can_be_dead_when_it_is_minted(dead: str, expected: tuple[int, str]) -> None:
    """The weather hands out URLs that never work."""
    signer = some_signer()
    assert code(signer, minted(signer, dead=dead)) == expected
