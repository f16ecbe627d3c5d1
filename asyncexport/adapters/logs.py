"""Logs that can be shown to anybody: events as log entries, secrets blanked, control characters escaped.

Contract: :func:`configure` is for the command line only and touches nothing but the root logger of :mod:`logging` and
the levels of known third parties; the library itself never calls it. Every entry, ours or a third party's, passes
through the same processors: what stands under a key that names a secret is dropped unseen, every text is searched for
tokens, signed queries and secrets by their shape, and in console lines everything a terminal would act on is escaped.
Tracebacks are rendered without local variables.

structlog is imported for the first entry: it takes a tenth of a second, and most runs log nothing. Entries go to
whatever ``sys.stderr`` is at that moment, so that a live display that stands in for it keeps them above itself.
:class:`EventLog` is an ordinary listener: an embedder may use it with a logging configuration of their own.
"""

from __future__ import annotations

import json as json_text
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from asyncexport.events import (
    CallRetried,
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportOrphaned,
    JobFinished,
    JobSplit,
    OddityNoticed,
    OutageEnded,
    OutageStarted,
    PartFinished,
    ProfilesDiscovered,
    RunFinished,
    RunStarted,
    TransferRestarted,
    TransferResumed,
    UrlRenewed,
)
from asyncexport.models import Discovery, Exported, Failed, Job, Summary
from asyncexport.sansio.redact import HIDDEN, printable, scrub

if TYPE_CHECKING:
    import structlog
    from structlog.typing import EventDict, Processor, WrappedLogger

NAME = "asyncexport"
THIRD_PARTIES = ("aiohttp", "asyncio")

_DEEPEST = 6
_SECRET_KEY = re.compile(
    r"authorization|cookie|signature|credential|password|passwd|secret|token$|_token_|^token_|x_amz_security"
)
_WARNINGS = (TransferRestarted, ExportOrphaned, OddityNoticed, OutageStarted)
_NEWS = (
    ProfilesDiscovered,
    RunStarted,
    ExportAdopted,
    ExportAbandoned,
    UrlRenewed,
    TransferResumed,
    CallRetried,
    OutageEnded,
    JobFinished,
    JobSplit,
    PartFinished,
    RunFinished,
)


def redact_entry(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """Processor: blank secrets in an entry, by the names of its keys and by the shape of its values."""
    return {str(key): _clean(str(key), value, _DEEPEST) for key, value in entry.items()}


def _clean(key: str, value: object, depth: int) -> object:
    if _SECRET_KEY.search(key.lower().replace("-", "_")):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth and isinstance(value, Mapping):
        return {scrub(str(name)): _clean(str(name), each, depth - 1) for name, each in value.items()}
    if depth and isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_clean("", each, depth - 1) for each in value]
    return scrub(value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value))


def render_line(_logger: WrappedLogger, _method: str, entry: EventDict) -> str:
    """Processor: render an entry as one console line; a traceback follows on lines of its own."""
    stamp, level, event = (printable(str(entry.pop(key, ""))) for key in ("timestamp", "level", "event"))
    trace = str(entry.pop("exception", ""))
    pairs = [f"{printable(key)}={_quoted(value)}" for key, value in entry.items()]
    lines = [" ".join([stamp, f"{level:<7}", event, *pairs])]
    lines += [f"    {printable(line)}" for line in trace.splitlines()]
    return "\n".join(lines)


def render_json(_logger: WrappedLogger, _method: str, entry: EventDict) -> str:
    """Processor: render an entry as one line of JSON in ASCII."""
    return json_text.dumps(entry, default=str)


def _quoted(value: object) -> str:
    text = printable(str(value))
    return json_text.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


class _Formatter(logging.Formatter):
    """Formats as structlog does, ``last`` being the last of its processors."""

    def __init__(self, last: Processor) -> None:
        super().__init__()
        self._last = last

    def format(self, record: logging.LogRecord) -> str:
        return self._made.format(record)

    @cached_property
    def _made(self) -> logging.Formatter:
        import structlog  # noqa: PLC0415

        shared: list[Processor] = [
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ]
        return structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact_entry, self._last],
        )


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to what ``sys.stderr`` is when the entry comes, not when the handler was made."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The stream of this moment."""
        return sys.stderr

    @stream.setter
    def stream(self, _stream: TextIO) -> None:
        raise AttributeError("the stream is always sys.stderr")


def configure(level: str, *, json: bool = False) -> None:
    """Send entries of ``level`` and above to stderr, as lines or as JSON; third parties only from WARNING on.

    Called again it replaces what it did before. Other handlers of the root logger are left alone.
    """
    handler = StderrHandler()
    handler.setFormatter(_Formatter(render_json if json else render_line))
    root = logging.getLogger()
    for former in [each for each in root.handlers if isinstance(each, StderrHandler)]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in THIRD_PARTIES:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the package's logger: structlog in front of the standard library's ``asyncexport``."""
    import structlog  # noqa: PLC0415

    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(NAME),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact_entry,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind()  # otherwise each call would build the whole logger anew
    return logger


class EventLog:
    """A listener that logs every event under its constant name.

    ``told`` says that a person is told of failed jobs and of outages anyway: in the log they are news then, no more.
    """

    def __init__(self, logger: structlog.stdlib.BoundLogger | None = None, *, told: bool = False) -> None:
        self._given = logger
        self._told = told

    @cached_property
    def _logger(self) -> structlog.stdlib.BoundLogger:
        return self._given or get_logger()

    def __call__(self, event: Event) -> None:
        """Log ``event`` at the level that fits it."""
        level = level_of(event, told=self._told)
        if (self._given or logging.getLogger(NAME)).isEnabledFor(level):
            self._logger.log(level, event.name, **describe(event))

    def __repr__(self) -> str:
        return f"<EventLog {NAME}>"


def level_of(event: Event, *, told: bool = False) -> int:
    """Return the logging level of an event: what needs a look, unless it is ``told``, what is news, what is detail."""
    has_failed = isinstance(event, JobFinished) and isinstance(event.outcome, Failed)
    if told and (has_failed or isinstance(event, OutageStarted)):
        return logging.INFO
    if has_failed:
        return logging.ERROR
    if isinstance(event, _WARNINGS):
        return logging.WARNING
    return logging.INFO if isinstance(event, _NEWS) else logging.DEBUG


def describe(event: Event) -> dict[str, Any]:
    """Return an event's facts as plain values, jobs and outcomes unfolded."""
    facts: dict[str, Any] = {}
    for field in fields(event):
        facts |= _facts(field.name, getattr(event, field.name))
    return facts


def _facts(name: str, value: object) -> dict[str, Any]:
    match value:
        case Job(profile=at):
            return {"account": at.account, "profile_id": at.profile_id, "entity": value.entity.value}
        case Exported(job=job, receipt=receipt):
            stored = {"rows": receipt.rows, "bytes": receipt.bytes, "path": receipt.stands_at}
            return {"outcome": "exported", **_facts("job", job), "export_id": receipt.export_id, **stored}
        case Failed(job=job, error=error):
            return {"outcome": "failed", **_facts("job", job), "error": type(error).__name__, "message": str(error)}
        case Discovery():
            return {part: len(getattr(value, part)) for part in ("profiles", "skipped", "refused")}
        case Summary():
            return value.as_dict()
        case tuple():
            value = len(value)
    return {name: value}
