"""The last line of defence for text on its way out: whatever looks like a secret is blanked, however it is spelt.

:func:`asyncexport.sansio.redact.scrub` knows the plain spellings. Here the rest is added: the whole query of any URL,
names of signature parameters percent-encoded in part or more than once, and client secrets by their own prefix. Wrongly
blanked text costs a look at the documentation, a leaked one an account, so patterns are generous.
"""

from __future__ import annotations

import re

from asyncexport.sansio.redact import printable, scrub

HIDDEN = "***"


def _spelt(word: str) -> str:
    return "".join(_any_spelling(char) for char in word)


def _any_spelling(char: str) -> str:
    codes = "|".join(f"{ord(each):02x}" for each in {char.lower(), char.upper()})
    return f"(?:{re.escape(char)}|%(?:25)*(?:{codes}))"


_SIGNED = re.compile(
    f"({_spelt('x-amz-')}(?:{'|'.join(map(_spelt, ('signature', 'credential', 'security-token')))})"
    r"""["']?\s*(?:=|:|%(?:25)*3d)\s*["']?)[^\s"'<>&,;)]+""",
    re.IGNORECASE,
)
_QUERY = re.compile(r"""(https?://[^\s?"'<>]+)\?[^\s"'<>]+""", re.IGNORECASE)
_CLIENT_SECRET = re.compile(r"amzn1\.oa2-cs\.[\w.-]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return ``text`` without tokens, secrets, signatures and URL queries, however they are spelt.

    >>> redact("GET https://bucket/key?X-Amz-Signature=ab failed")
    'GET https://bucket/key?<redacted> failed'
    """
    text = _QUERY.sub(r"\1?<redacted>", text)
    text = _SIGNED.sub(rf"\1{HIDDEN}", text)
    return scrub(_CLIENT_SECRET.sub(HIDDEN, text))


def safe_line(text: str) -> str:
    """Return ``text`` fit for one line of a terminal: redacted, control characters escaped."""
    return printable(redact(text))
