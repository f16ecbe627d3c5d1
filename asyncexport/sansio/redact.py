"""Text that may hold secrets, made fit for a person, a log or an error.

Two dangers, two functions, and nowhere else are secrets looked for by their shape. :func:`scrub` blanks what grants
access: tokens (``Atza|``, ``Atzr|``, bearer), client secrets, and whatever signs an S3 URL; in any letter case,
percent-encoded once or more, in form bodies, headers, JSON (also JSON within JSON) and XML, since S3 echoes bearer
tokens and session tokens in its error bodies. Of a URL the whole query goes. Patterns are generous: wrongly blanked
text costs a look at the documentation, a leaked token an account. :func:`printable` escapes what a terminal or a log
file would act on: control characters, line breaks and marks that turn the direction of writing. :func:`safe_line`
does both.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

EXCERPT = 500
"""So many characters of a foreign body are kept in an error."""

HIDDEN = "***"
"""What stands where a secret stood."""


def _spelt(words: str) -> str:
    """Return a pattern for any of ``words`` whose characters may be percent-encoded, once or more."""
    return "|".join("".join(map(_any_spelling, word)) for word in words.split())


def _any_spelling(char: str) -> str:
    codes = "|".join(f"{ord(each):02x}" for each in sorted({char.lower(), char.upper()}))
    return f"(?:{re.escape(char)}|%(?:25)*(?:{codes}))"


_URL = re.compile(r"""(https?://[^\s?"'<>]*)(\?[^\s"'<>]+)?""", re.IGNORECASE)
_BARE = r"""[^\s"'<>&,;)\\][^\s"'<>&,;)]*"""


@cache
def _secrets() -> tuple[re.Pattern[str], ...]:
    """Return the patterns, which take 8 ms to compile, and many a process shows no text of others."""
    names = rf"""
        (?: {_spelt("x-amz-signature x-amz-credential x-amz-security-token")}
          | {_spelt("client_secret refresh_token access_token")} | signatureprovided | token-\d )
        (?: \\* ["'] | %(?:25)*22 )? \s* (?: = | : | > | %(?:25)*3[ad] )
    """
    patterns = (
        rf"( {names} \s* ( \\* [\"'] ) ) (?: (?!\2) (?: \\. | . ) )+",
        rf"( {names} \s* ) {_BARE}",
        rf"( atz[ar] (?: \| | %(?:25)*7c | \\+u007c | &\#124; | &\#x7c; ) ) {_BARE}",
        rf"( bearer (?: \s | \+ | %(?:25)*20 )+ ) {_BARE}",
        rf"( amzn1\.oa2-cs\. ) {_BARE}",
    )
    return tuple(re.compile(pattern, re.IGNORECASE | re.VERBOSE | re.DOTALL) for pattern in patterns)


def scrub(text: str, limit: int | None = None) -> str:
    """Return ``text`` with every secret-looking value replaced by ``***``, cut to ``limit`` characters if given.

    >>> scrub("GET https://bucket/key?X-Amz-Signature=ab: Bearer Atza|cd")
    'GET https://bucket/key?<redacted> Bearer ***'
    """
    text = _URL.sub(lambda url: f"{url[1]}?<redacted>" if url[2] else url[1], text)
    for pattern in _secrets():
        text = pattern.sub(rf"\1{HIDDEN}", text)
    if limit is not None and len(text) > limit:
        return text[:limit] + "…"
    return text


def printable(text: str) -> str:
    r"""Return ``text`` with control, format and line-breaking characters escaped (``\x1b``, ``\n``, ``\u202e``)."""
    if text.isprintable():
        return text
    return "".join(_escaped(char) for char in text)


def safe_line(text: str) -> str:
    """Return ``text`` fit for one line of a terminal or a log: scrubbed, then printable."""
    return printable(scrub(text))


def _escaped(char: str) -> str:
    if char == " " or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return char
    return char.encode("unicode_escape").decode("ascii")
