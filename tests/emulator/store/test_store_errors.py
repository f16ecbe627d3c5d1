"""The object store's errors."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from asyncexport.emulator.store.store_errors import access_denied, by_store_status, expired_token, two_mechanisms


def test_an_error_is_xml_with_the_ids_support_asks_for() -> None:
    """Code, message and both ids are elements of one Error."""
    root = ElementTree.fromstring(expired_token().body("REQ", "HOST"))  # noqa: S314
    assert root.tag == "Error"
    found = {element.tag: element.text for element in root}
    assert found["Code"] == "ExpiredToken"
    assert found["Message"] == "The provided token has expired."
    assert (found["RequestId"], found["HostId"]) == ("REQ", "HOST")
    assert "Token-0" in found


def test_a_second_mechanism_is_refused_and_echoed() -> None:
    """The Authorization header comes back in the body, escaped, which is why bodies must be scrubbed."""
    refusal = two_mechanisms("Bearer Atza|<x>")
    root = ElementTree.fromstring(refusal.body("", ""))  # noqa: S314
    assert refusal.status == 400
    assert root.findtext("Code") == "InvalidArgument"
    assert root.findtext("ArgumentValue") == "Bearer Atza|<x>"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidRequest"),
        (404, "NoSuchKey"),
        (412, "PreconditionFailed"),
        (416, "InvalidRange"),
        (503, "SlowDown"),
        (500, "InternalError"),
        (599, "InternalError"),
    ],
)
def test_every_status_has_a_plausible_code(status: int, code: str) -> None:
    """The codes are S3's own."""
    refusal = by_store_status(status)
    assert (refusal.status, refusal.code) == (status, code)


def test_access_can_be_denied_with_reasons() -> None:
    """Further elements stand beside code and message."""
    assert b"<Expires>then</Expires>" in access_denied("Request has expired", {"Expires": "then"}).body("", "")
