"""AWS's signature of a request: as the documentation's own examples have it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asyncexport.sansio.transfers.aws_signature import Keys, query_text, signed_headers

KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = "examplebucket.s3.amazonaws.com"
THEN = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ({"lifecycle": ""}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ({"max-keys": "2", "prefix": "J"}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_an_example_of_the_documentation(query: dict[str, str], signature: str) -> None:
    """The published input gives the published signature."""
    headers = signed_headers("GET", HOST, "/", query, keys=KEYS, region="us-east-1", now=THEN)

    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
    )
    assert headers["x-amz-date"] == "20130524T000000Z"


def test_keys_that_are_good_for_some_hours() -> None:
    """Their token goes with the request and is signed."""
    keys = Keys("id", "key", "token")
    headers = signed_headers("GET", HOST, "/", {}, keys=keys, region="us-east-1", now=THEN)

    assert headers["x-amz-security-token"] == "token"
    assert "x-amz-date;x-amz-security-token" in headers["authorization"]
    assert repr(keys) == "Keys(access_key_id='id')"


def test_a_query_is_in_order_and_encoded() -> None:
    """As it is signed, so it is sent."""
    assert query_text({"uploads": "", "prefix": "a=b/c d~"}) == "prefix=a%3Db%2Fc%20d~&uploads="
