"""Text that may hold secrets: nothing planted comes out, and nothing that a terminal would act on."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncexport.sansio.redact import printable, safe_line, scrub
from tests.support import steady

TOKEN_TEXT = st.text(
    alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=8, max_size=60
)
CANARY = TOKEN_TEXT.map("cAnArY".__add__)

CARRIERS: dict[str, Callable[[str], str]] = {
    "access token": lambda secret: f"Atza|{secret}",
    "refresh token": lambda secret: f"Atzr|{secret}",
    "token in a header": lambda secret: f"Authorization: Bearer Atza|{secret}",
    "opaque bearer": lambda secret: f"authorization: bearer {secret}",
    "bearer with encoded blank": lambda secret: f"BEARER%20{secret}",
    "token, encoded": lambda secret: quote(f"Atzr|{secret}"),
    "token, encoded twice": lambda secret: quote(quote(f"Atzr|{secret}")),
    "token, other case": lambda secret: f"ATZA%7c{secret}",
    "token with an escaped bar": lambda secret: rf"Atza\u007c{secret}",
    "token with a bar for XML": lambda secret: f"Atza&#124;{secret}",
    "form body": lambda secret: urlencode({"grant_type": "refresh_token", "client_secret": secret, "x": "1"}),
    "form body, encoded": lambda secret: quote(urlencode({"refresh_token": secret, "x": "1"})),
    "form body with encoded name": lambda secret: f"client%5Fsecret={secret}",
    "JSON": lambda secret: json.dumps({"access_token": secret, "expires_in": 3600}),
    "JSON with what JSON allows": lambda secret: json.dumps({"client_secret": f'a, b;"{secret}" \\ c'}),
    "compact JSON": lambda secret: json.dumps({"refresh_token": secret}, separators=(",", ":")),
    "JSON in JSON": lambda secret: json.dumps({"text": json.dumps({"client_secret": f"a,{secret}"})}),
    "JSON in JSON in JSON": lambda secret: json.dumps(json.dumps({"t": json.dumps({"client_secret": secret})})),
    "JSON, encoded": lambda secret: quote(json.dumps({"client_secret": secret}, separators=(",", ":"))),
    "repr of a dict": lambda secret: repr({"client_secret": secret, "b": 1}),
    "signed URL": lambda secret: f"GET https://b.s3.amazonaws.com/k?X-Amz-Expires=1&X-Amz-Signature={secret} failed",
    "signed URL with encoded names": lambda secret: f"https://b.example/k?%58%2DAmz%2DSignatur%65={secret}",
    "signed URL, encoded": lambda secret: quote(f"https://b.example/k?X-Amz-Signature={secret}&x=1", safe=""),
    "name encoded in part and twice": lambda secret: f"X%252DAmz-Signature%253D{secret}",
    "repr of a header": lambda secret: repr({"X-Amz-Security-Token": secret}),
    "repr of raw headers": lambda secret: repr(((b"Authorization", f"Bearer {secret}".encode()),)),
    "any URL's query": lambda secret: f"<https://b.example/k?whatever={secret}>",
    "URL in a query": lambda secret: f"to={quote(f'https://b.example/k?X-Amz-Credential={secret}&x=1', safe='')}",
    "signature": lambda secret: f"X-AMZ-SIGNATURE={secret}&X-Amz-Date=1",
    "credential": lambda secret: f"x-amz-credential={secret}%2F20240214%2Fus-east-1%2Fs3",
    "session token": lambda secret: f"X-Amz-Security-Token: {secret}",
    "session token, encoded": lambda secret: f"X%2DAmz%2DSecurity%2DToken%3D{secret}",
    "session token as JSON": lambda secret: json.dumps({"X-Amz-Security-Token": secret}),
    "S3 echoing a header": lambda secret: f"<ArgumentValue>Bearer {secret}</ArgumentValue>",
    "S3 echoing a session token": lambda secret: f"<Code>ExpiredToken</Code><Token-0>{secret}</Token-0>",
    "S3 echoing a signature": lambda secret: f"<SignatureProvided>{secret}</SignatureProvided>",
    "S3 echoing the query": lambda secret: f"<CanonicalRequest>GET\n/k\nX-Amz-Security-Token={secret}\nhost:b\n",
    "client secret by its prefix": lambda secret: f"amzn1.oa2-cs.v1.{secret}",
}


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
@settings(steady, max_examples=20)
@given(secret=CANARY, before=st.text(max_size=20), after=st.text(alphabet=" \n,;&<\"')", max_size=5))
def test_a_planted_secret(carrier: Callable[[str], str], secret: str, before: str, after: str) -> None:
    """Whatever carries it and whatever stands around it, a secret does not come out."""
    shown = scrub(f"{before} {carrier(secret)}{after}")

    assert secret not in shown
    assert "***" in shown or "<redacted>" in shown


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
@settings(steady, max_examples=20)
@given(secret=CANARY)
def test_text_that_was_scrubbed_before(carrier: Callable[[str], str], secret: str) -> None:
    """Scrubbing is done after one time."""
    once = scrub(carrier(secret))

    assert scrub(once) == once


@steady
@given(CANARY, st.integers(0, 80))
def test_a_secret_at_the_place_of_the_cut(secret: str, limit: int) -> None:
    """Text is scrubbed before it is cut, so that no cut can hide what a secret begins with."""
    shown = scrub(f"{'x' * 30} Atza|{secret}", limit)

    assert len(shown) <= limit + 1
    assert secret[:8] not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Bearer Atza|abc and more", "Bearer *** and more"),
        ('{"client_secret": "a,b", "x": 1}', '{"client_secret": "***", "x": 1}'),
        (r"{\"client_secret\":\"abc\",\"k\":1}", r"{\"client_secret\":\"***\",\"k\":1}"),
        ("client_secret=abc&grant_type=x", "client_secret=***&grant_type=x"),
        ("<Token-0>abc</Token-0><RequestId>R</RequestId>", "<Token-0>***</Token-0><RequestId>R</RequestId>"),
        ("at https://h.example/p?a=b, then", "at https://h.example/p?<redacted> then"),
    ],
)
def test_what_stands_around_a_secret(text: str, shown: str) -> None:
    """What stands before and after a secret stays readable."""
    assert scrub(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "targets of acme/EU/1234567890: HTTP 429: Too Many Requests (request id K144VZX9J0CCDG4229C5)",
        '{"token_type":"bearer","expires_in":3600}',
        "client_secret must be a string, not an integer",
        "amzn1.application-oa2-client.0123456789abcdef",
        "https://b.s3.us-east-1.amazonaws.com/CAMPAIGN/key",
        "100 %, what?",
        "the refresh_token was revoked",
    ],
)
def test_text_without_secrets(text: str) -> None:
    """What is no secret stays as it is; a client id is none."""
    assert scrub(text) == text


def test_a_text_within_the_limit() -> None:
    """A text is cut only when it is longer than the limit, and then it says so."""
    assert scrub("abcde", 5) == "abcde"
    assert scrub("abcdef", 5) == "abcde…"


HOSTILE = [
    "https://",
    "client_secret=",
    'client_secret:"',
    "x-amz-",
    "atza|",
    "bearer ",
    "%25",
    "bearer%25",
    "token-1>",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_beginnings_of_secrets_without_end(piece: str) -> None:
    """A body made of nothing but beginnings is scrubbed in one go: the whole of it is looked at once a pattern."""
    assert len(scrub(piece * 5_000)) <= 6 * len(piece * 5_000)


@steady
@given(st.text())
def test_any_text_for_a_terminal(text: str) -> None:
    """What is printable stays so when it is made printable again, and holds nothing a terminal or a log acts on."""
    once = printable(text)

    assert printable(once) == once
    assert not {unicodedata.category(char) for char in once} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(once.splitlines()) <= 1
    assert once.encode("utf-8").decode("utf-8") == once


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – 文字 🎉", "plain – 文字 🎉"),
        ("a\x1b[31m", r"a\x1b[31m"),
        ("a\r\nb\x85\u2028", r"a\r\nb\x85\u2028"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\x00\x7f\ud800", r"\x00\x7f\ud800"),
        ("no\u00a0break space", "no\u00a0break space"),
    ],
)
def test_what_a_terminal_would_act_on(text: str, shown: str) -> None:
    """Control characters, line breaks, and marks that turn the writing are escaped; other text is left alone."""
    assert printable(text) == shown


def test_a_line_for_people() -> None:
    """What a terminal would act on is escaped and secrets are blanked in the same step."""
    assert safe_line("a\x1b[31m\nb\u202e Atza|x") == "a\\x1b[31m\\nb\\u202e Atza|***"
