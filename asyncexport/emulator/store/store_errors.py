"""The object store's errors: XML as S3 writes it."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape


class StoreRefusal(Exception):
    """An error answer of the store: status, code, message, the further elements of its XML, further headers."""

    def __init__(self, status: int, code: str, message: str, more: Mapping[str, str] | None = None) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
        self.message = message
        self.more = dict(more or {})
        self.headers: dict[str, str] = {}

    def body(self, request_id: str, host_id: str) -> bytes:
        """Write the XML."""
        elements = {"Code": self.code, "Message": self.message, **self.more, "RequestId": request_id, "HostId": host_id}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


def access_denied(message: str, more: Mapping[str, str] | None = None) -> StoreRefusal:
    """403."""
    return StoreRefusal(403, "AccessDenied", message, more)


def expired_token() -> StoreRefusal:
    """400: the credentials that signed the URL are dead; the usual shape of an expired URL."""
    return StoreRefusal(400, "ExpiredToken", "The provided token has expired.", {"Token-0": "IQoJb3JpZ2luX2VjE"})


def two_mechanisms(authorization: str) -> StoreRefusal:
    """400 for an ``Authorization`` header beside a signed query. It echoes the header, as S3 does."""
    return StoreRefusal(
        400,
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified",
        {"ArgumentName": "Authorization", "ArgumentValue": authorization},
    )


def by_store_status(status: int) -> StoreRefusal:
    """Return a plausible error of the store for a status."""
    code, message = _ERRORS.get(status, ("InternalError", "We encountered an internal error. Please try again."))
    return StoreRefusal(status, code, message)


_ERRORS = {
    400: ("InvalidRequest", "Invalid request."),
    403: ("AccessDenied", "Access Denied"),
    404: ("NoSuchKey", "The specified key does not exist."),
    406: ("NotAcceptable", "Not acceptable."),
    412: ("PreconditionFailed", "At least one of the pre-conditions you specified did not hold"),
    416: ("InvalidRange", "The requested range is not satisfiable"),
    429: ("SlowDown", "Please reduce your request rate."),
    503: ("SlowDown", "Please reduce your request rate."),
}
