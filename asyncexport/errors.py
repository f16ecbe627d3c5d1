"""Every way an export, a profile, an account or a run can fail.

    AsyncexportError
    ├── ConfigError                 a setting, an argument or a credential file is wrong: a person edits something
    ├── AuthError                   a grant was refused for good: a person gives consent again
    ├── ConnectError                no connection, or a connection that did not do its job
    │   ├── TlsError                the other side could not prove who it is
    │   ├── ConnectionLost          cut before the answer was whole
    │   └── Stalled                 open, but slower than the floor rate
    ├── ApiError                    an answer that is not a success: status, code, request id
    │   ├── Throttled               429
    │   ├── ServerError             5xx
    │   ├── TokenRejected           401 about the access token
    │   ├── ProfileAccessDenied     401 or 403 about this profile
    │   ├── RequestRejected         any other 4xx
    │   └── ProtocolError           a success that does not say what the contract promises
    ├── ExportError                 the server's side of an export did not work out
    │   ├── ExportFailed            FAILED: INTERNAL_ERROR, TIMED_OUT, ...
    │   ├── ExportDeadline          still running when our patience ended
    │   └── ExportExpired           older than the API keeps it
    ├── DownloadError               the object store answered something unusable
    │   ├── UrlRefused              a URL or a redirect that is not followed
    │   ├── UrlExpired              the signed URL is too old
    │   ├── RangeMismatch           the answer to a Range is not the piece that was asked for
    │   ├── ObjectChanged           another object under the same name
    │   └── NotAnExport             neither gzip nor JSON
    ├── DecodeError                 the bytes are no whole export: byte offset, row
    │   ├── GzipTruncated           ends too early
    │   ├── GzipCorrupt             checksum, header or Huffman code is wrong
    │   │   └── TrailingGarbage     bytes after the end
    │   ├── BombLimit               grows beyond the limits
    │   ├── JsonSyntax              not JSON
    │   ├── JsonTruncated           JSON that ends too early
    │   ├── JsonEncoding            not UTF-8
    │   ├── RowTooLarge             one row beyond the limit
    │   └── UnexpectedShape         JSON, but not an array of objects
    ├── SinkError                   the sink could not take the rows
    │   ├── DiskFull                no space, quota or file size left
    │   ├── SinkLocked              somebody else writes there now
    │   ├── SinkRejected            something that is not ours is in the way
    │   └── SinkUnreachable         its server gives no answer now
    ├── StateError                  the state folder is unusable
    │   ├── StateCorrupt            it was damaged, or belongs to something else
    │   └── LockHeld                another run uses it now
    ├── NotStarted                  a drain came before all of an export was asked for
    ├── IncompleteRun               exports failed that were to be used together with others
    ├── WorkerDied                  the processes that a transfer ran in were killed, one after the other
    ├── ClusterLost                 a Dask cluster that cannot be reached, or has no worker
    └── TooManyOpenFiles            no descriptor is left for a file or a connection

Errors are built from fields, never from a client library's exception: those carry tokens and signed URLs. They
survive pickling, so that a worker process can hand them back. ``temporary`` says whether the same job can succeed in a
later run without anybody doing anything; it decides between exit status 1 and 75.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ApiError",
    "AsyncexportError",
    "AuthError",
    "BombLimit",
    "ClusterLost",
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "DecodeError",
    "DiskFull",
    "DownloadError",
    "ExportDeadline",
    "ExportError",
    "ExportExpired",
    "ExportFailed",
    "GzipCorrupt",
    "GzipTruncated",
    "IncompleteRun",
    "JsonEncoding",
    "JsonSyntax",
    "JsonTruncated",
    "LockHeld",
    "NotAnExport",
    "NotStarted",
    "ObjectChanged",
    "ProfileAccessDenied",
    "ProtocolError",
    "RangeMismatch",
    "RequestRejected",
    "RowTooLarge",
    "ServerError",
    "SinkError",
    "SinkLocked",
    "SinkRejected",
    "SinkUnreachable",
    "Stalled",
    "StateCorrupt",
    "StateError",
    "Throttled",
    "TlsError",
    "TokenRejected",
    "TooManyOpenFiles",
    "TrailingGarbage",
    "UnexpectedShape",
    "UrlExpired",
    "UrlRefused",
    "WorkerDied",
]


class AsyncexportError(Exception):
    """The root: catching it catches everything this library raises on purpose.

    Its text names the cause and, where there is one, the fix; it never holds a secret or a signed URL.
    """

    temporary: ClassVar[bool] = False


class ConfigError(AsyncexportError):
    """A setting, an argument or a credential file is wrong."""


class AuthError(AsyncexportError):
    """The token host refused a grant for good (``invalid_grant``, ``invalid_client``, ``unauthorized_client``).

    ``code`` is the OAuth error code, ``request_id`` what Amazon's support asks for.
    """

    def __init__(self, message: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.request_id = request_id


class ConnectError(AsyncexportError):
    """No connection came about: refused, unreachable, no such host, timed out."""

    temporary = True


class TlsError(ConnectError):
    """The other side could not prove who it is. Never retried: trying again would ask the same impostor."""

    temporary = False


class ConnectionLost(ConnectError):
    """The connection was cut before the answer was whole; the server may have acted on the request all the same."""


class Stalled(ConnectError):
    """The connection stayed open and delivered less than the floor rate."""


class ApiError(AsyncexportError):
    """An answer that is not the success asked for.

    ``status`` is the HTTP status, ``code`` the API's own word, ``request_id`` what Amazon's support asks for, and
    ``retry_after`` the seconds the server wants to be left alone (None: it did not say).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class Throttled(ApiError):
    """429: too many requests, or too many exports in progress. Status 0: our own limiter held the call back."""

    temporary = True


class ServerError(ApiError):
    """5xx: the server could not answer."""

    temporary = True


class TokenRejected(ApiError):
    """401 about the access token."""


class ProfileAccessDenied(ApiError):
    """401 or 403 about this profile: no permission, another region, or gone. Other profiles go on."""


class RequestRejected(ApiError):
    """Any other 4xx: the same request will be refused again."""


class ProtocolError(ApiError):
    """A success that does not say what the contract promises."""


class ExportError(AsyncexportError):
    """The server's side of an export did not work out. ``export_id`` names it."""

    def __init__(self, message: str, *, export_id: str = "") -> None:
        super().__init__(message)
        self.export_id = export_id


class ExportFailed(ExportError):
    """The export ended as FAILED. ``code`` is the API's: ``INTERNAL_ERROR``, ``TIMED_OUT``, or empty."""

    def __init__(self, message: str, *, export_id: str = "", code: str = "") -> None:
        super().__init__(message, export_id=export_id)
        self.code = code


class ExportDeadline(ExportError):
    """The export was still running when its deadline passed."""

    temporary = True


class ExportExpired(ExportError):
    """The API no longer knows the export: it keeps them for 24 hours."""

    temporary = True


class DownloadError(AsyncexportError):
    """The object store answered something unusable. ``status`` and ``code`` are its own words."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UrlRefused(DownloadError):
    """A URL outside the allow-list, or a redirect: not connected to, not followed."""


class UrlExpired(DownloadError):
    """The signed URL is too old. Not a failure: the export is asked for a fresh one."""

    temporary = True


class RangeMismatch(DownloadError):
    """The answer to a Range request is not exactly the piece that was asked for."""

    temporary = True


class ObjectChanged(DownloadError):
    """The object under the URL is not the one the download began with."""

    temporary = True


class NotAnExport(DownloadError):
    """The body is neither gzip nor a JSON array."""


class DecodeError(AsyncexportError):
    """The bytes are no whole export.

    ``offset`` counts bytes of the stream that was read (the gzip file for gzip errors, the JSON text for JSON errors);
    ``row`` is the number of whole rows before the fault, None where rows do not apply.
    """

    def __init__(self, message: str, *, offset: int = 0, row: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset
        self.row = row


class GzipTruncated(DecodeError):
    """The gzip stream ends before its trailer, or is empty."""

    temporary = True


class GzipCorrupt(DecodeError):
    """Magic, header, Huffman code, CRC-32 or length is wrong."""

    temporary = True


class TrailingGarbage(GzipCorrupt):
    """There are bytes after the end of the last gzip member."""


class BombLimit(DecodeError):
    """The file grows beyond the limits set for it: ratio, size, members or rows."""


class JsonSyntax(DecodeError):
    """Not JSON."""


class JsonTruncated(DecodeError):
    """JSON that ends before its array is closed."""

    temporary = True


class JsonEncoding(DecodeError):
    """Not UTF-8, or half of a surrogate pair."""


class RowTooLarge(DecodeError):
    """One row is larger than the limit."""


class UnexpectedShape(DecodeError):
    """JSON, but not one array of objects."""


class SinkError(AsyncexportError):
    """The sink could not take the rows, or could not commit them.

    ``committed`` are the places where the rows are all the same: those of the other sinks of a
    :class:`~asyncexport.sinks.Tee`.
    """

    def __init__(self, message: str, *, committed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.committed = committed


class DiskFull(SinkError):
    """No space, quota or file size is left."""


class SinkLocked(SinkError):
    """Somebody else writes there now."""

    temporary = True


class SinkRejected(SinkError):
    """Something that is not ours is in the way of the commit."""


class SinkUnreachable(SinkError):
    """The server behind the sink gives no answer, or says that it cannot serve now."""

    temporary = True


class StateError(AsyncexportError):
    """The state folder is unusable."""


class StateCorrupt(StateError):
    """The state was damaged, or belongs to something else."""


class LockHeld(StateError):
    """Another run uses the same state folder now."""

    temporary = True


class NotStarted(AsyncexportError):
    """The exporter was drained before all of an export that is streamed had been asked for."""

    temporary = True


class IncompleteRun(AsyncexportError):
    """Some exports failed, and what came of the others is not used without them. ``errors`` are those of each."""

    def __init__(self, message: str, *, errors: tuple[AsyncexportError, ...] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class WorkerDied(AsyncexportError):
    """The worker processes that a transfer ran in were killed, one after the other: for want of memory, perhaps."""

    temporary = True


class ClusterLost(AsyncexportError):
    """The Dask cluster that transfers are to run on cannot be reached, any more or at all, or has no worker."""

    temporary = True


class TooManyOpenFiles(AsyncexportError):
    """No descriptor is left for a file or a connection, in this process or in the system: ``EMFILE``, ``ENFILE``.

    It says nothing about the file or the host. What met it is done again, with less beside it.
    """

    temporary = True
