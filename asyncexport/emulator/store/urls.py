"""Signed URLs: minted anew at each look, and checked over the exact bytes that come back.

A URL is some 1,400 characters long because of its security token, whose ``%2B``, ``%2F``, ``%3D`` a careless client
decodes or re-quotes. The signature covers method, path and query byte for byte: whoever changes one of them gets 403.
Two things can be too old: the credentials the URL was signed with (400 ExpiredToken, the usual case, and sometimes
before the URL's own end) and the signature (403 AccessDenied).
"""

from __future__ import annotations

import hmac
import math
from base64 import b64encode
from hashlib import sha256
from random import Random

from asyncexport.accounts import Region
from asyncexport.emulator.records.moments import amz_date, instant
from asyncexport.emulator.store.store_errors import StoreRefusal, access_denied, expired_token

BUCKETS = {
    Region.NA: "https://snapshots-prod-us-east-1.s3.us-east-1.amazonaws.com",
    Region.EU: "https://snapshots-prod-eu-west-1.s3.eu-west-1.amazonaws.com",
    Region.FE: "https://snapshots-prod-us-west-2.s3.us-west-2.amazonaws.com",
}
_PLACES = {Region.NA: "us-east-1", Region.EU: "eu-west-1", Region.FE: "us-west-2"}
_TOKEN_BYTES = 680
_MARK = "&X-Amz-Signature="


class Signer:
    """Mints and checks URLs.

    ``url_seconds`` is the signature's life, ``credentials_seconds`` that of what signed it. URLs of an earlier server
    with the same seed are told that their credentials are dead.
    """

    def __init__(self, *, seed: int, epoch: float, url_seconds: float, credentials_seconds: float) -> None:
        self._rng = Random(f"urls/{seed}")
        self._secret = self._rng.randbytes(32)
        self._epoch = epoch
        self._url_seconds = url_seconds
        self._credentials_seconds = credentials_seconds
        self._minted: dict[str, float] = {}
        self._dead: dict[str, str] = {}

    def mint(self, origin: str, path: str, region: Region, now: float, *, dead: str = "") -> str:
        """Return a fresh URL; ``dead`` (``"token"`` or ``"signature"``) makes one that has expired already.

        One whose signature is too old was signed as long ago as it is good for.
        """
        signed_at = now - self._url_seconds if dead == "signature" else now
        moment = amz_date(self._epoch + signed_at)
        key = f"ASIA{self._rng.getrandbits(64):016X}/{moment[:8]}/{_PLACES[region]}/s3/aws4_request"
        token = b64encode(self._rng.randbytes(_TOKEN_BYTES)).decode()
        query = (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={moment}&X-Amz-SignedHeaders=host"
            f"&X-Amz-Expires={self._url_seconds:.0f}&X-Amz-Credential={_escaped(key)}"
            f"&X-Amz-Security-Token={_escaped(token)}"
        )
        signature = self._sign("GET", f"{path}?{query}").decode()
        self._minted[signature] = signed_at
        if dead:
            self._dead[signature] = dead
        return f"{origin}{path}?{query}{_MARK}{signature}"

    def check(self, method: str, target: str, now: float) -> None:
        """Check path and query as they came. Raises :class:`StoreRefusal`."""
        signed, mark, signature = target.rpartition(_MARK)
        if not mark and "X-Amz-Signature" not in target:
            raise access_denied("Access Denied")
        if not hmac.compare_digest(self._sign(method, signed), signature.encode(errors="replace")):
            raise signature_mismatch()
        age = now - self._minted.get(signature, -math.inf)
        dead = self._dead.get(signature, "")
        if dead == "token" or (age >= self._credentials_seconds and not dead):
            raise expired_token()
        if dead or age >= self._url_seconds:
            raise self.too_old(target, now)

    def too_old(self, target: str, now: float) -> StoreRefusal:
        """Return the answer to a signature of ours past its time.

        ``Expires`` is the URL's own end. Where the weather does not wait for it, ``ServerTime`` is that end too: the
        clock of a store that refuses has passed it.
        """
        signed_at = self._minted[target.rpartition(_MARK)[2]]
        end = int(self._epoch + signed_at + self._url_seconds)
        return access_denied(
            "Request has expired",
            {
                "X-Amz-Expires": f"{self._url_seconds:.0f}",
                "Expires": instant(end),
                "ServerTime": instant(max(end, int(self._epoch + now))),
            },
        )

    def _sign(self, method: str, target: str) -> bytes:
        text = f"{method}\n{target}".encode(errors="surrogateescape")
        return hmac.new(self._secret, text, sha256).hexdigest().encode()


def _escaped(text: str) -> str:
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def signature_mismatch() -> StoreRefusal:
    """Return the answer to a URL that was changed, or used with another method."""
    return StoreRefusal(
        403,
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
    )
