"""What the API says: statuses, bodies and headers as captured and documented, with the marks support asks for.

An ``Answer`` is a whole response plus what happens to it on its way (``Damage``), so that the pure server can plan what
only a socket can do. A ``Refusal`` is an error answer, raised wherever a check fails and caught in one place.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

import orjson

from asyncexport.emulator.records.moments import http_date
from asyncexport.emulator.store.damage import Damage

JSON = "application/json"
HTML_BODY = (
    b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n"
    b"<body>Server is busy. Try again later</body>\r\n</html>"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response and its fate. Header names stand as on the wire; ``Content-Length`` is the sender's matter."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    damage: Damage = field(default_factory=Damage)


Json: TypeAlias = dict[str, Any] | list[Any]


class Refusal(Exception):
    """An answer that is an error: status, the JSON value of its body (or raw bytes), and further headers."""

    def __init__(
        self, status: int, body: Json | bytes, headers: Mapping[str, str] | None = None, *, media_type: str = JSON
    ) -> None:
        super().__init__(status)
        self.status = status
        self.body: bytes = body if isinstance(body, bytes) else orjson.dumps(body)
        self.headers = dict(headers or {})
        self.media_type = media_type


class Letterhead:
    """The headers that every answer of the API bears. ``epoch``: seconds since 1970 when the server's clock shows 0."""

    def __init__(self, seed: int, epoch: float) -> None:
        self._rng = Random(f"letterhead/{seed}")
        self._epoch = epoch

    def answer(
        self, now: float, status: int, body: bytes, media_type: str, more: Mapping[str, str] | None = None
    ) -> Answer:
        """Make an answer of the server's time ``now``."""
        bits = self._rng.getrandbits(224)
        request = f"{bits >> 96:032x}"
        headers = {
            "Server": "Server",
            "Date": http_date(self._epoch + now),
            "Content-Type": media_type,
            "x-amz-rid": f"{bits & 2**80 - 1:020X}",
            "x-amzn-RequestId": f"{request[:8]}-{request[8:12]}-4{request[13:16]}-a{request[17:20]}-{request[20:]}",
            "x-amz-apigw-id": urlsafe_b64encode(self._rng.randbytes(11)).decode(),
            "X-Amzn-Trace-Id": f"Root=1-{int(self._epoch + now):08x}-{self._rng.getrandbits(96):024x}",
            "Vary": "Content-Type,Accept-Encoding,User-Agent",
            "Strict-Transport-Security": "max-age=47474747; includeSubDomains; preload",
        }
        return Answer(status, headers | dict(more or {}), body)

    def refusal(self, now: float, refusal: Refusal) -> Answer:
        """Make the answer that a refusal stands for."""
        return self.answer(now, refusal.status, refusal.body, refusal.media_type, refusal.headers)


def too_many(retry_after: float | None = None) -> Refusal:
    """429 as observed: no ``Retry-After`` unless one is given, an odd error type, and the mark of the throttle."""
    headers = {"x-amzn-ErrorType": "AccessDeniedException", "amazon-advertising-api-throttled": "true"}
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, -int(-retry_after // 1)))
    return Refusal(429, {"message": "Too Many Requests"}, headers)


def by_status(status: int) -> Refusal:
    """Return a plausible error of the API for a status, HTML where the edge would have answered."""
    if status == 429:
        return too_many()
    body = _BODIES.get(status, {"message": f"HTTP {status}"})
    return Refusal(status, body, media_type="text/html" if isinstance(body, bytes) else JSON)


def oauth_error(code: str) -> Refusal:
    """Return the token host's answer for an OAuth error code."""
    status = {"invalid_client": 401, "server_error": 500, "temporarily_unavailable": 503}.get(code, 400)
    return Refusal(status, {"error_description": _DESCRIPTIONS.get(code, "Malformed request"), "error": code})


def no_scope(details: str = "Not authorized to access scope") -> Refusal:
    """401 about the profile."""
    return Refusal(401, {"code": "401", "details": details})


def gateway(authorization: str) -> Refusal:
    """403 of the gateway, which takes whatever it does not know for a request signed by AWS's rules."""
    text = (
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{authorization}'."
    )
    return Refusal(403, {"message": text}, {"x-amzn-ErrorType": "IncompleteSignatureException"})


_BODIES: dict[int, Any] = {
    400: {"message": "Invalid request"},
    401: {"code": "UNAUTHORIZED", "details": "HTTP 401 Unauthorized"},
    403: {"message": "Forbidden"},
    404: {"message": "Could not find the export"},
    406: {"message": "Not acceptable"},
    415: {"code": "415", "details": "Cannot consume content type"},
    422: {"code": "422", "details": "Invalid parameter"},
    500: {"code": "INTERNAL_ERROR", "message": "Service Error"},
    502: HTML_BODY.replace(b"503 Service Temporarily Unavailable", b"502 Bad Gateway"),
    503: HTML_BODY,
    504: {"message": "Endpoint request timed out"},
}
_DESCRIPTIONS = {
    "invalid_grant": "The request has an invalid grant parameter : refresh_token. "
    "User may have revoked or didn't grant the permission.",
    "invalid_client": "Client authentication failed",
    "unauthorized_client": "Not authorized for requested operation",
}
