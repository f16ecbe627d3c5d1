"""Which signed URLs may be connected to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from asyncexport.errors import UrlRefused
from asyncexport.models import SignedUrl
from asyncexport.sansio.transfers.urls import check_download_url, is_loopback
from tests.support import steady

API = "https://advertising-api.amazon.com"
EMULATOR = "http://127.0.0.1:8080"
ALLOWED = (".amazonaws.com", "files.example")


def admitted(url: str, api_url: str = API) -> bool:
    try:
        check_download_url(SignedUrl(url), allowed=ALLOWED, api_url=api_url)
    except UrlRefused:
        return False
    return True


@pytest.mark.parametrize(
    "url",
    [
        "https://snapshots-prod-us-east-1.s3.us-east-1.amazonaws.com/CAMPAIGN/amzn1.x?X-Amz-Security-Token=a%2Bb%2Fc%3D",
        "https://b.amazonaws.com:443/k",
        "https://B.AmazonAWS.com/k",
        "HTTPS://b.amazonaws.com/k",
        "https://files.example/k",
        "https://b.amazonaws.com",
        "https://b.amazonaws.com:/k",
        "https://b.amazonaws.com/k?at=a@b:c/d?e",
        "https://b.amazonaws.com/" + "k" * 8000,
    ],
)
def test_a_url_of_the_object_store(url: str) -> None:
    """A URL over https, on its default port, to a host that is allowed or below an allowed suffix is followed."""
    assert admitted(url)


REFUSED = {
    "plain http": "http://b.amazonaws.com/k",
    "another scheme": "ftp://b.amazonaws.com/k",
    "a file": "file:///etc/passwd",
    "data": "data:text/plain,x",
    "no scheme": "//b.amazonaws.com/k",
    "no slashes": "https:b.amazonaws.com/k",
    "no host": "https:///b.amazonaws.com/k",
    "only a port": "https://:443/k",
    "another port": "https://b.amazonaws.com:8443/k",
    "port 0": "https://b.amazonaws.com:0/k",
    "port 80": "https://b.amazonaws.com:80/k",
    "a port out of range": "https://b.amazonaws.com:65979/k",
    "two ports": "https://b.amazonaws.com:443:80/k",
    "a word for a port": "https://b.amazonaws.com:https/k",
    "another host": "https://evil.example/k",
    "the suffix without its dot": "https://evilamazonaws.com/k",
    "the suffix alone": "https://.amazonaws.com/k",
    "the bare domain": "https://amazonaws.com/k",
    "the suffix in front": "https://amazonaws.com.evil.example/k",
    "a host below an exact one": "https://a.files.example/k",
    "a trailing dot": "https://b.amazonaws.com./k",
    "two dots": "https://b..amazonaws.com/k",
    "a user": "https://b.amazonaws.com@evil.example/k",
    "a user before us": "https://evil.example@b.amazonaws.com/k",
    "a user and a password": "https://u:p@b.amazonaws.com/k",
    "an empty user": "https://@b.amazonaws.com/k",
    "a fragment before the host's end": "https://evil.example#.amazonaws.com/k",
    "a fragment": "https://b.amazonaws.com/k#f",
    "an empty fragment": "https://b.amazonaws.com/k#",
    "a query before the host's end": "https://evil.example?.amazonaws.com/k",
    "a semicolon": "https://evil.example;.amazonaws.com/k",
    "a backslash": "https://evil.example\\.amazonaws.com/k",
    "a backslash for a slash": "https:\\\\evil.example\\b.amazonaws.com",
    "a backslash after the host": "https://b.amazonaws.com\\@evil.example/k",
    "a percent-encoded dot": "https://evil.example%2eamazonaws.com/k",
    "a percent-encoded slash": "https://evil.example%2f.amazonaws.com/k",
    "a percent-encoded letter": "https://b.%61mazonaws.com/k",
    "a percent-encoded NUL": "https://evil.example%00.amazonaws.com/k",
    "an underscore": "https://a_b.amazonaws.com/k",
    "a leading hyphen": "https://-b.amazonaws.com/k",
    "a trailing hyphen": "https://b-.amazonaws.com/k",
    "an endless label": f"https://{'b' * 64}.amazonaws.com/k",
    "a wildcard": "https://*.amazonaws.com/k",
    "letters that look alike": "https://b.amazοnaws.com/k",
    "a full stop of another script": "https://b。amazonaws。com/k",
    "full-width letters": "https://ｂ.amazonaws.com/k",
    "a soft hyphen": "https://b.amazon\u00adaws.com/k",
    "a carriage return": "https://b.amazonaws.com/k\r\nHost: evil.example",
    "a line feed in the scheme": "ht\ntps://b.amazonaws.com/k",
    "a tab in the host": "https://b.amazon\taws.com/k",
    "a NUL": "https://b.amazonaws.com/\x00k",
    "a blank": "https://b.amazonaws.com/k ?a=b",
    "a blank in front": " https://b.amazonaws.com/k",
    "a control character in front": "\x01https://b.amazonaws.com/k",
    "a quote": 'https://b.amazonaws.com/k"',
    "a bracket": "https://b.amazonaws.com/<k>",
    "a bare bracket": "https://[b.amazonaws.com/k",
    "an address": "https://203.0.113.7/k",
    "loopback": "https://127.0.0.1/k",
    "loopback by another API": "http://127.0.0.1/k",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata over https": "https://169.254.169.254/latest/meta-data/",
    "a decimal address": "https://2130706433/k",
    "an octal address": "https://0177.0.0.1/k",
    "a hexadecimal address": "https://0x7f.0.0.1/k",
    "a hexadecimal number": "https://0x7f000001/k",
    "a short address": "https://127.1/k",
    "zero": "https://0/k",
    "an address with a suffix": "https://127.0.0.1.evil.example/k",
    "IPv6": "https://[::1]/k",
    "IPv6-mapped": "https://[::ffff:127.0.0.1]/k",
    "IPv6 in hexadecimal": "https://[::ffff:7f00:1]/k",
    "IPv6 with a zone": "https://[fe80::1%25eth0]/k",
    "IPv6 without brackets": "https://::1/k",
    "localhost": "https://localhost/k",
    "a host of the network": "https://intranet/k",
    "an endless URL": "https://b.amazonaws.com/" + "k" * 8200,
    "nothing": "",
}


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_a_url_that_is_not_followed(url: str) -> None:
    """Whatever parsers might take for another place, or for another way there, is refused."""
    assert not admitted(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://b.amazonaws.com/k?canary", "'http://b.amazonaws.com/k?<redacted>' is not followed: only https"),
        ("https://b.amazonaws.com:1/k", "only port 443"),
        ("https://10.0.0.1/k", "the host is no plain host name"),
        ("https://evil.example/k", "the host is not among download_hosts (.amazonaws.com, files.example)"),
        ("https://b.amazonaws.com/k\r\ncanary", "it holds characters that no URL holds"),
        ("https://b.amazonaws.com:canary/k", "it cannot be read"),
        ("https://canary@b.amazonaws.com/k", "it cannot be read in one way only"),
    ],
)
def test_why_a_url_is_not_followed(url: str, why: str) -> None:
    """The refusal says why, and shows of the URL what may be shown."""
    with pytest.raises(UrlRefused) as caught:
        check_download_url(SignedUrl(url), allowed=ALLOWED, api_url=API)

    assert why in str(caught.value)
    assert str(caught.value).isprintable()
    assert "?canary" not in str(caught.value)
    assert "canary@" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "api_url", "is_admitted"),
    [
        ("http://127.0.0.1:9000/k?a=%2B", EMULATOR, True),
        ("http://127.0.0.1/k", EMULATOR, True),
        ("http://localhost:9000/k", "http://localhost:8080", True),
        ("http://[::1]:9000/k", "http://[::1]:8080", True),
        ("https://127.0.0.1:9000/k", EMULATOR, False),
        ("http://127.0.0.2:9000/k", EMULATOR, False),
        ("http://localhost:9000/k", EMULATOR, False),
        ("http://10.0.0.1:9000/k", EMULATOR, False),
        ("http://u@127.0.0.1:9000/k", EMULATOR, False),
        ("http://advertising-api.amazon.com/k", API, False),
        ("http://10.0.0.1/k", "http://10.0.0.1", False),
        ("http:///k", "http://", False),
        ("https://b.amazonaws.com/k", EMULATOR, True),
    ],
)
def test_a_url_of_the_emulator(url: str, api_url: str, is_admitted: bool) -> None:
    """Plain http is followed only to the very loopback address that the API itself has, on any port."""
    assert admitted(url, api_url) is is_admitted


HOST_CHARS = st.text(alphabet="ab.-:@/\\?#%[]1é\t\n_;&=", max_size=25)


@steady
@given(HOST_CHARS, HOST_CHARS)
def test_another_reader_of_the_url(before: str, after: str) -> None:
    """What is admitted is read in the same way by the library that connects: same host, same bytes."""
    text = f"https://{before}.amazonaws.com{after}"
    if admitted(text):
        read = URL(text, encoded=True)
        assert read.scheme == "https"
        assert (read.host or "").endswith(".amazonaws.com")
        assert (read.user, read.password, read.fragment, read.port) == (None, None, "", 443)
        assert text.endswith(read.raw_path_qs.removeprefix("/"))


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]/", True),
        ("http://localhost", True),
        ("http://LOCALHOST/", True),
        ("http://localhost.evil.example", False),
        ("http://0.0.0.0", False),
        ("http://10.0.0.1", False),
        ("https://advertising-api.amazon.com", False),
        ("http://[::1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback(url: str, is_one: bool) -> None:
    """Loopback is an address of this machine or the name localhost; what cannot be read is not."""
    assert is_loopback(url) is is_one
