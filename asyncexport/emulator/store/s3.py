"""The object store's answers: whole objects, pieces of them, and what the weather makes of either.

``plain_answer`` is what S3 does: ``Range`` and ``If-Match`` honoured, a range it cannot read
ignored, 412 and 416 with their XML. ``weathered`` changes that answer as the words say. The body itself is not here: an
answer names an object and the bytes ``start`` to ``stop`` of it, in one of two forms: as stored, or as plain JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from asyncexport.emulator.answers import HTML_BODY
from asyncexport.emulator.records.moments import http_date
from asyncexport.emulator.records.words import Met
from asyncexport.emulator.store.damage import Damage, damage_of
from asyncexport.emulator.store.objects import ObjectKey, StoredObject
from asyncexport.emulator.store.spoil import retry_after
from asyncexport.emulator.store.store_errors import StoreRefusal, by_store_status, expired_token
from asyncexport.emulator.store.urls import Signer, signature_mismatch

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """An answer of the store.

    Where ``key`` is set the body is bytes ``start`` to ``stop`` of that object, ``plain`` of its JSON text instead of
    the gzip file; else it is ``body``.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    key: ObjectKey | None = None
    start: int = 0
    stop: int = 0
    plain: bool = False
    damage: Damage = field(default_factory=Damage)

    @property
    def size(self) -> int:
        """Bytes of the body before any damage."""
        return len(self.body) if self.key is None else self.stop - self.start


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of an object: the call's headers, in lower case; when the object was finished (1970 seconds)."""

    key: ObjectKey
    stored: StoredObject
    headers: Mapping[str, str]
    modified: float


class StorePaper:
    """The headers that every answer of the store bears."""

    def __init__(self, seed: int, epoch: float) -> None:
        self._rng = Random(f"store/{seed}")
        self._epoch = epoch

    def headers(self, now: float) -> dict[str, str]:
        """Return the headers of an answer of the server's time ``now``."""
        return {
            "x-amz-id-2": f"{self._rng.getrandbits(384):096x}",
            "x-amz-request-id": f"{self._rng.getrandbits(64):016X}",
            "Date": http_date(self._epoch + now),
            "Server": "AmazonS3",
        }

    def refusal(self, now: float, refusal: StoreRefusal, method: str = "GET") -> StoreAnswer:
        """Make the answer that a refusal stands for; the answer to HEAD has no body."""
        headers = self.headers(now)
        body = refusal.body(headers["x-amz-request-id"], headers["x-amz-id-2"])
        headers |= {"Content-Type": "application/xml", **refusal.headers}
        return StoreAnswer(refusal.status, headers, b"" if method == "HEAD" else body)


def plain_answer(wish: Wish, headers: dict[str, str], met: Met) -> StoreAnswer:
    """Return the object or a piece of it. Raises :class:`StoreRefusal` for 412 and 416."""
    plain = "identity" in met
    total = wish.stored.plain_size if plain else wish.stored.size
    etag = f'"{_changed(wish.stored.etag) if "change-etag" in met else wish.stored.etag}"'
    expected = wish.headers.get("if-match", "*")
    if expected != "*" and etag not in [each.strip() for each in expected.split(",")]:
        raise by_store_status(412)
    headers |= {
        "Last-Modified": http_date(wish.modified),
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/json" if plain else "binary/octet-stream",
    }
    asked = None if "ignore-range" in met else byte_range(wish.headers.get("range", ""), total)
    start, stop = asked or (0, total)
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    return StoreAnswer(206 if asked else 200, headers, key=wish.key, start=start, stop=stop, plain=plain)


def byte_range(header: str, total: int) -> tuple[int, int] | None:
    """Return the asked-for piece as (first byte, byte after the last); None: no range, or one that cannot be read.

    Raises :class:`StoreRefusal` (416) for a piece beyond the end.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or match[1] == match[2] == "":
        return None
    first = int(match[1]) if match[1] else max(0, total - int(match[2]))
    last = int(match[2]) if match[1] and match[2] else total - 1
    if match[1] and match[2] and last < first:
        return None
    if first >= total or match[0] == "bytes=-0":
        refusal = by_store_status(416)
        refusal.more = {"RangeRequested": header, "ActualObjectSize": str(total)}
        refusal.headers = {"Content-Range": f"bytes */{total}"}
        raise refusal
    return first, min(last, total - 1) + 1


def store_instead(met: Met, signer: Signer, target: str, now: float) -> StoreRefusal | None:
    """Return what the caller of the signed ``target`` gets instead of the object, None if it gets the object."""
    if "return" in met:
        return by_store_status(int(met["return"][0]))
    if "expire-url-403" in met:
        return signer.too_old(target, now)
    for word, refusal in _REFUSALS.items():
        if word in met:
            return refusal()
    return None


def weathered(answer: StoreAnswer, met: Met, wall: float) -> StoreAnswer:
    """Return the answer as the weather leaves it. ``wall``: the server's time in seconds since 1970."""
    if not met:
        return answer
    headers = retry_after(dict(answer.headers), met, wall)
    _retag(headers, met)
    if "wrong-range" in met and "Content-Range" in headers:
        headers["Content-Range"] = f"bytes {answer.start + 1}-{answer.stop}/{answer.stop + 1}"
    for word, name in _HEADERS.items():
        if word in met:
            headers[name] = met[word][0]
    if headers.get("Content-Range") == "none":
        del headers["Content-Range"]
    status = int(met["status"][0]) if "status" in met else answer.status
    return _rewritten(replace(answer, status=status, headers=headers, damage=damage_of(met)), met)


def _retag(headers: dict[str, str], met: Met) -> None:
    if "no-etag" in met:
        headers.pop("ETag", None)
    elif "weak-etag" in met and "ETag" in headers:
        headers["ETag"] = f"W/{headers['ETag']}"


def _rewritten(answer: StoreAnswer, met: Met) -> StoreAnswer:
    bodies = {"html-body": HTML_BODY, "garbage-body": b"\x00\xff}{ no export", "empty-body": b""}
    for word, body in bodies.items():
        if word in met:
            headers = dict(answer.headers)
            if word == "html-body":
                headers["Content-Type"] = "text/html"
            return replace(answer, headers=headers, body=body, key=None)
    return answer


_HEADERS = {
    "redirect": "Location",
    "content-encoding": "Content-Encoding",
    "content-range": "Content-Range",
    "media-type": "Content-Type",
}
_REFUSALS: dict[str, Callable[[], StoreRefusal]] = {
    "reset": lambda: by_store_status(503),
    "slow-down": lambda: by_store_status(503),
    "not-found": lambda: by_store_status(404),
    "expire-url": expired_token,
    "signature-mismatch": signature_mismatch,
    "skewed": lambda: StoreRefusal(
        403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
    ),
    "redirect": lambda: StoreRefusal(
        307, "TemporaryRedirect", "Please re-send this request to the specified temporary endpoint."
    ),
}


def _changed(etag: str) -> str:
    return etag[::-1] if etag[::-1] != etag else "0" * 32
