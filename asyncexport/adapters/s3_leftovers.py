"""Multipart uploads that a killed run left in an S3 bucket: listed and aborted, which obstore has no call for.

Contract: :meth:`Leftovers.abort` ends every unfinished upload of one object. Nobody but a dead run can have begun it
unless two runs store the same object at once, and then the one whose upload is gone fails. Blocks. Raises nothing: what
is left costs storage, never correctness, and a rule of the bucket's lifecycle is the remedy for the rest.

Worst case: two requests of :data:`_SECONDS` each for an object of which nothing is left.
"""

from __future__ import annotations

import html
import http.client
import re
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlsplit

from asyncexport.sansio.transfers.aws_signature import Keys, query_text, signed_headers

_SECONDS: Final = 20.0
_LARGEST: Final = 4 * 1024 * 1024
_UPLOAD = re.compile(r"<Upload>.*?</Upload>", re.DOTALL)
_FIELD = r"<{0}>(.*?)</{0}>"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The unfinished uploads of a bucket. ``endpoint`` is the store's URL, without the bucket."""

    endpoint: str
    bucket: str
    region: str
    keys: Keys
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def abort(self, key: str) -> int:
        """Abort the unfinished uploads of one object; return how many there were."""
        aborted = 0
        with suppress(OSError, http.client.HTTPException, ValueError):
            for upload in self._uploads(key):
                self._ask("DELETE", f"/{self.bucket}/{quote(key, safe='/-_.~')}", {"uploadId": upload})
                aborted += 1
        return aborted

    def _uploads(self, key: str) -> list[str]:
        listed = self._ask("GET", f"/{self.bucket}", {"uploads": "", "prefix": key})
        found = [(_text(each, "Key"), _text(each, "UploadId")) for each in _UPLOAD.findall(listed)]
        return [upload for name, upload in found if name == key and upload]

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> str:
        at = urlsplit(self.endpoint)
        headers = signed_headers(
            method, at.netloc, path, query, keys=self.keys, region=self.region, now=self.now().astimezone(UTC)
        )
        kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        with closing(kind(at.netloc, timeout=_SECONDS)) as connection:
            connection.request(method, f"{path}?{query_text(query)}", headers=headers)
            answer = connection.getresponse()
            body = answer.read(_LARGEST)
        if answer.status >= 300:
            raise ValueError(f"status {answer.status}")
        return body.decode()


def _text(xml: str, name: str) -> str:
    found = re.search(_FIELD.format(name), xml, re.DOTALL)
    return "" if found is None else html.unescape(found[1])
