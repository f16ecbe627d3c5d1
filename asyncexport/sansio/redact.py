"""Text that may hold secrets, made fit for a person, a log or an error.

Two dangers, two functions. :func:`scrub` blanks what grants access: tokens (``Atza|``, ``Atzr|``, bearer), the signed
part of S3 URLs and client secrets, also percent-encoded and in any letter case, since S3 echoes a bearer token in its
error body. :func:`printable` escapes what a terminal or a log file would act on: control characters,
line breaks and marks that turn the direction of writing.
"""

from __future__ import annotations

import re
import unicodedata

EXCERPT = 500
"""So many characters of a foreign body are kept in an error."""

_SECRETS = re.compile(
    r"""(?ix)
    ( atz[ar] (?: \| | %7c ) )                                                  [^\s"'<>&,;)]+
    | ( \bbearer \s+ )                                                          [^\s"'<>,;)]+
    | ( x-amz-(?: signature | credential | security-token ) \s* (?: = | %3d | :\s* ) )  [^\s"'<>&,;)]+
    | ( \b(?: client_secret | refresh_token | access_token ) ["']? \s* (?: = | %3d | :\s*["']? ) )  [^\s"'<>&,;)]+
    """
)


def scrub(text: str, limit: int | None = None) -> str:
    """Return ``text`` with every secret-looking value replaced by ``***``, cut to ``limit`` characters if given."""
    clean = _SECRETS.sub(lambda match: next(group for group in match.groups() if group is not None) + "***", text)
    if limit is not None and len(clean) > limit:
        return clean[:limit] + "…"
    return clean


def printable(text: str) -> str:
    r"""Return ``text`` with control, format and line-breaking characters escaped (``\x1b``, ``\n``, ``\u202e``)."""
    if text.isprintable():
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char == " " or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return char
    return char.encode("unicode_escape").decode("ascii")
