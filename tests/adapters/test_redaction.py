"""Whatever looks like a secret is blanked, however it is spelt."""

from __future__ import annotations

import pytest

from asyncexport.adapters.redaction import redact, safe_line

SIGNATURE = "deadbeefcafe"


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://s3.example/k?X-Amz-Signature={SIGNATURE}&x=1 failed",
        f"x-amz-signature={SIGNATURE}",
        f"X-AMZ-CREDENTIAL={SIGNATURE}",
        f"X-Amz-Security-Token: {SIGNATURE}",
        f'{{"X-Amz-Security-Token": "{SIGNATURE}"}}',
        f"X%2DAmz%2dSignature%3D{SIGNATURE}",
        f"%58-Amz-Signatur%65={SIGNATURE}",
        f"X%252DAmz-Signature%253D{SIGNATURE}",
        f"https%3A%2F%2Fs3.example%2Fk%3FX-Amz-Signature%3D{SIGNATURE}%26x%3D1",
        f"Authorization: Bearer {SIGNATURE}",
        f"bearer   Atza|{SIGNATURE}",
        f"Atza|{SIGNATURE}",
        f"ATZR%7C{SIGNATURE}",
        f"client_secret={SIGNATURE}",
        f"'client_secret': '{SIGNATURE}'",
        f"refresh_token={SIGNATURE}&grant_type=refresh_token",
        f"amzn1.oa2-cs.v1.{SIGNATURE}",
    ],
)
def test_a_secret_in_any_spelling(text: str) -> None:
    """Tokens, signatures and client secrets are gone in any letter case and percent-encoding."""
    assert SIGNATURE not in redact(text)


def test_a_url() -> None:
    """A URL keeps scheme, host and path; its whole query goes, signed or not."""
    assert redact("at https://h/p?a=b, then") == "at https://h/p?<redacted> then"


@pytest.mark.parametrize("text", ["targets of acme/EU/123", "100 %", "amzn1.application-oa2-client.ab", ""])
def test_ordinary_text(text: str) -> None:
    """What is no secret stays as it is; a client id is none."""
    assert redact(text) == text


def test_a_line_for_a_terminal() -> None:
    """What a terminal would act on is escaped, and secrets are blanked in the same step."""
    assert safe_line("a\x1b[31m\nb\u202e Atza|x") == "a\\x1b[31m\\nb\\u202e Atza|***"
