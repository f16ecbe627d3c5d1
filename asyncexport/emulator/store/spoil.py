"""Weather on an answer of the API: what comes instead of it, and what is wrong with it once it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from asyncexport.emulator.answers import HTML_BODY, Answer, Refusal, by_status, no_scope, oauth_error
from asyncexport.emulator.records.moments import http_date
from asyncexport.emulator.records.words import Met
from asyncexport.emulator.store.damage import damage_of

_HUGE = 2 * 1024 * 1024


def instead(met: Met) -> Refusal | None:
    """Return what the caller gets without the server acting at all, None if the server is to act."""
    if "return" in met:
        return by_status(int(met["return"][0]))
    if "redirect" in met:
        return Refusal(307, b"", {"Location": met["redirect"][0]})
    if "deny" in met:
        return oauth_error(met["deny"][0])
    for word, refusal in _REFUSALS.items():
        if word in met:
            return refusal()
    return None


def spoil(answer: Answer, met: Met, wall: float) -> Answer:
    """Return the answer as the weather leaves it. ``wall``: the server's time in seconds since 1970."""
    if not met:
        return answer
    headers = dict(answer.headers)
    if "media-type" in met:
        headers["Content-Type"] = met["media-type"][0]
    if "html-body" in met:
        headers["Content-Type"] = "text/html"
    status = int(met["status"][0]) if "status" in met else answer.status
    return replace(
        answer,
        status=status,
        headers=retry_after(headers, met, wall),
        body=_body(answer.body, met),
        damage=damage_of(met),
    )


def retry_after(headers: dict[str, str], met: Met, wall: float) -> dict[str, str]:
    """Set or drop ``Retry-After`` as the words say."""
    if "retry-after-date" in met:
        headers["Retry-After"] = http_date(wall + int(met["retry-after-date"][0]))
    elif "retry-after" in met:
        headers["Retry-After"] = met["retry-after"][0]
    elif "no-retry-after" in met:
        headers.pop("Retry-After", None)
    return headers


def _body(body: bytes, met: Met) -> bytes:
    if "garbage-body" in met:
        return b"\x00\xff}{ not json"
    if "html-body" in met:
        return HTML_BODY
    if "empty-body" in met:
        return b""
    if "truncated-body" in met:
        return body[: len(body) // 2]
    return body + b" " * _HUGE if "huge-body" in met else body


_REFUSALS: dict[str, Callable[[], Refusal]] = {
    "reset": lambda: by_status(503),
    "revoke-token": lambda: by_status(401),
    "deny-scope": no_scope,
    "not-found": lambda: by_status(404),
    "too-old": lambda: Refusal(400, {"message": "Snapshot requested is older than 24 hours"}),
}
