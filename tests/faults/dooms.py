"""What no client survives, and the one error each of them has to end in: the matrix as data.

A doom is aimed at one job (or at what comes before all jobs) that meets nothing else, so that its error is determined.
``times`` is exactly how often a call may be made: were it made once more, the fault would be over and the job exported;
were it given up earlier, the plan would not be met. Either fails the schedule.
Some let the job be taken in three parts, of which one is doomed: the first, second or third that is asked for, or the
first that is ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from asyncexport.emulator.faults import Fault
from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ConnectionLost,
    DecodeError,
    DownloadError,
    ExportExpired,
    ExportFailed,
    GzipTruncated,
    NotAnExport,
    ObjectChanged,
    ProfileAccessDenied,
    ProtocolError,
    RangeMismatch,
    RequestRejected,
    ServerError,
    Throttled,
    TrailingGarbage,
    UrlExpired,
    UrlRefused,
)
from asyncexport.models import Entity

ATTEMPTS = 10
"""How often a call that fails in passing is made."""

REFUSALS = 20
"""How often a call is made that meets nothing but 429s without a ``Retry-After``: these have a bound of their own."""


class Scope(Enum):
    """What a doom takes with it."""

    JOB = "the job it is aimed at"
    JOB_IF_ANY = "the job it is aimed at, unless what is in progress beside it excuses the refusals"
    PROFILE = "that job, and perhaps the other jobs of its profile"
    ACCOUNT = "all jobs of one account"
    ANY_JOB = "the jobs that waited for it, one at least"
    DISCOVERY = "the list of one account's profiles"


@dataclass(frozen=True, slots=True)
class Doom:
    """``lines`` of ``STAGE CONDITIONS: WORDS`` without whom they are aimed at; the error; the row of the matrix."""

    row: str
    lines: tuple[str, ...]
    error: type[AsyncexportError]
    scope: Scope = Scope.JOB

    def faults(self, profile_id: str, entity: Entity) -> tuple[Fault, ...]:
        """Return the plan, aimed at a job unless it concerns what comes before jobs."""
        if self.scope in {Scope.ACCOUNT, Scope.ANY_JOB, Scope.DISCOVERY}:
            return tuple(map(Fault.parse, self.lines))
        aim = f"profile={profile_id} entity={entity.value}"
        return tuple(
            Fault.parse(f"{stage} {aim}{rest}")
            for stage, rest in ((stage, line[len(stage) :]) for line in self.lines for stage in [_stage(line)])
        )

    def __str__(self) -> str:
        return f"{self.row}: {'; '.join(self.lines)} -> {self.error.__name__} ({self.scope.value})"


def _stage(line: str) -> str:
    return line.partition(":")[0].partition(" ")[0]


def _doom(row: str, lines: str, error: type[AsyncexportError], scope: Scope = Scope.JOB) -> Doom:
    return Doom(row, tuple(lines.split("; ")), error, scope)


_EVIL = (
    "https://evil.example/x.json.gz",
    "http://169.254.169.254/latest",
    "https://user:pass@127.0.0.1/x",
    "file:///etc/passwd",
    "https://127.0.0.1:1/x",
    "ftp://127.0.0.1/x",
)
_UNUSABLE = ("garbage-body", "empty-body", "html-body", "truncated-body")

DOOMS = (
    *(
        _doom(row, f"token: deny-{code}", AuthError, Scope.ACCOUNT)
        for row, code in (("T3", "invalid_grant"), ("T4", "invalid_client"), ("T4", "unauthorized_client"))
    ),
    _doom("T13", "token: redirect-http://127.0.0.1:9/elsewhere", UrlRefused, Scope.ACCOUNT),
    *(_doom("T5", f"token times=2: {words}", ProtocolError, Scope.ANY_JOB) for words in _UNUSABLE),
    _doom("T5", "token times=2: no-access-token", ProtocolError, Scope.ANY_JOB),
    _doom("T1", f"token times={ATTEMPTS}: lost-answer", ConnectionLost, Scope.ANY_JOB),
    _doom("T2", f"token times={ATTEMPTS}: return-503", ServerError, Scope.ANY_JOB),
    _doom("T2", f"token times={REFUSALS}: return-429", Throttled, Scope.ANY_JOB),
    _doom("P1", f"profiles times={ATTEMPTS}: return-500", ServerError, Scope.DISCOVERY),
    _doom("P1", f"profiles times={REFUSALS}: return-429 retry-after-0", Throttled, Scope.DISCOVERY),
    *(_doom("P2", f"profiles times=2: {words}", ProtocolError, Scope.DISCOVERY) for words in _UNUSABLE),
    *(_doom(row, f"{stage}: deny-scope", ProfileAccessDenied) for row, stage in (("P6", "request"), ("P6", "poll"))),
    *(_doom("T9", f"{stage} times=2: return-401", ProfileAccessDenied) for stage in ("request", "poll")),
    *(_doom("Q6", f"{stage}: return-403", ProfileAccessDenied) for stage in ("request", "poll")),
    _doom("Q1", "request: return-429 retry-after-1000000000", Throttled, Scope.PROFILE),
    _doom("Q1", f"request times={REFUSALS}: return-429 no-retry-after", Throttled, Scope.JOB_IF_ANY),
    *(_doom("Q2", f"request times={ATTEMPTS}: return-{status}", ServerError) for status in (500, 502, 503, 504)),
    _doom("Q4", f"request times={ATTEMPTS}: lost-answer", ConnectionLost),
    _doom("Q4", f"request times={ATTEMPTS}: broken-after-20%", ConnectionLost),
    *(_doom("Q5", f"request: return-{status}", RequestRejected) for status in (400, 404, 406, 409, 415, 422)),
    *(
        _doom("Q7", f"request times=2: {words}", ProtocolError)
        for words in ("no-id", "id-", "id-a%2Fb", "id-..", "id-%0A", f"id-{'x' * 9_000}", *_UNUSABLE)
    ),
    _doom("X6", "request: redirect-https://evil.example/", UrlRefused),
    _doom("X6", "poll: redirect-file:///etc/passwd", UrlRefused),
    *(_doom("L1", f"poll times={ATTEMPTS}: {words}", ServerError) for words in ("return-500", "return-504")),
    _doom("L1", f"poll times={ATTEMPTS}: broken-after-50%", ConnectionLost),
    *(_doom("L1", f"poll times=2: {words}", ProtocolError) for words in _UNUSABLE),
    _doom("L3", "request times=3: fail-INTERNAL_ERROR", ExportFailed),
    _doom("L3", "poll times=3: fail-INTERNAL_ERROR", ExportFailed),
    _doom("L4", "request every=1: fail-TIMED_OUT", ExportFailed),
    _doom("L4", "poll every=1: fail-TIMED_OUT", ExportFailed),
    _doom("L4", "poll: fail-SOMETHING_NEW", ExportFailed),
    *(
        _doom("L4", f"request: fail-TIMED_OUT; {words}", error)
        for words, error in (
            ("request nth=2: return-400", RequestRejected),
            ("request nth=3: return-403", ProfileAccessDenied),
            ("request nth=4: redirect-https://evil.example/", UrlRefused),
            (f"poll: evil-url-{_EVIL[0]}", UrlRefused),
            ("download: redirect-http://127.0.0.1:9/x", UrlRefused),
        )
    ),
    _doom("L6", "poll every=1: no-url", ProtocolError),
    *(_doom("L10", f"poll: evil-url-{url}", UrlRefused) for url in _EVIL),
    _doom("L12", "poll times=2: huge-body", ProtocolError),
    _doom("D2", "download every=1: expire-url", UrlExpired),
    _doom("D2", "download every=1: expire-url-403", UrlExpired),
    _doom("D3", "download every=1: signature-mismatch", DownloadError),
    _doom("D4", "download every=1: not-found", ExportExpired),
    _doom("D5", "download times=8: return-503", ServerError),
    _doom("D5", "download times=8: return-429", Throttled),
    _doom("D6", "download: redirect-http://127.0.0.1:9/x", UrlRefused),
    *(_doom("D7", f"download times=2: {words}", NotAnExport) for words in ("html-body", "garbage-body")),
    _doom("D12", "download times=3: empty-body", GzipTruncated),
    _doom("M6", "download every=1: wrong-range; download times=3: fin-after-60%", RangeMismatch),
    _doom("M7", "download every=2: change-etag; download times=3: fin-after-60%", ObjectChanged),
    _doom("M8", "download times=5: fin-after-60% no-etag", ConnectionLost),
    _doom("M10", "download times=2: extra-bytes-7", TrailingGarbage),
    _doom("M12", "download every=1: reset", ConnectionLost),
    _doom("Z1", "download times=3: wrong-length", GzipTruncated),
    _doom("M13", "download times=3: flip-bit-100%", DecodeError),
    _doom("M13", "download times=3: drop-byte-100%", DecodeError),
)
"""Every doom there is to draw."""
