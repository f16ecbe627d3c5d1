"""How a command ends: one exit status from any number of errors, and the boundary no exception gets past.

Contract: the numbers of :class:`Exit` are the public promise of the command line, and :data:`MEANINGS` is the one
table of what they mean, which ``--help`` prints and the README repeats. Where several apply, the one that blocks the
next run most wins: 74, 3, 2, 1, 75.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from enum import IntEnum
from types import TracebackType
from typing import TypeGuard

import click

from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ConfigError,
    ExportFailed,
    ProfileAccessDenied,
    RequestRejected,
    SinkError,
    StateError,
)
from asyncexport.sansio.redact import printable, safe_line, scrub


class Exit(IntEnum):
    """The exit statuses."""

    OK = 0
    FAILED = 1
    USAGE = 2
    AUTH = 3
    INTERNAL = 70
    STORAGE = 74
    AGAIN = 75
    INTERRUPTED = 130
    PIPE = 141
    TERMINATED = 143


MEANINGS: dict[Exit, str] = {
    Exit.OK: "everything is committed, or there was nothing to do",
    Exit.FAILED: "some exports failed for good, the rest is committed",
    Exit.USAGE: "usage or configuration",
    Exit.AUTH: "authorisation needs a person",
    Exit.INTERNAL: "internal error",
    Exit.STORAGE: "local storage: no space, no permission, a journal that cannot be used",
    Exit.AGAIN: "only temporary failures are left, or another run holds the lock: run again",
    Exit.INTERRUPTED: "interrupted by SIGINT; run the same command again",
    Exit.PIPE: "the reader of standard output went away",
    Exit.TERMINATED: "interrupted by SIGTERM; run the same command again",
}
_PRECEDENCE = (Exit.STORAGE, Exit.AUTH, Exit.USAGE, Exit.FAILED, Exit.AGAIN)
_STORAGE_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLICK = (click.ClickException, click.exceptions.Exit, click.Abort)
_FIXES: tuple[tuple[type[AsyncexportError], str], ...] = (
    (ProfileAccessDenied, "check that the account's user may still see this profile, in this region"),
    (
        ExportFailed,
        "narrow the export with ad_products or states, or ask Amazon's support with its export id, in the manifest",
    ),
    (RequestRejected, "check ad_products and states of the configuration, and the region of the account"),
)
_CONSENT = {
    "invalid_grant": "put the new refresh token in place of the old one",
    "invalid_client": "copy both anew from the security profile of your Login-with-Amazon application",
    "unauthorized_client": "apply for the Amazon Ads API with this client, or name the client that has it",
}


def status_of(error: AsyncexportError) -> Exit:
    """Return the exit status that one error stands for."""
    if error.temporary:
        return Exit.AGAIN
    if isinstance(error, SinkError | StateError):
        return Exit.STORAGE
    if isinstance(error, AuthError):
        return Exit.AUTH
    return Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED


def worst(errors: Iterable[AsyncexportError]) -> Exit:
    """Return the exit status of a run that ended with these errors; without any it is 0."""
    found = {status_of(error) for error in errors}
    return next((status for status in _PRECEDENCE if status in found), Exit.OK)


def fix_of(error: AsyncexportError) -> str:
    """Return what to do about an error, empty where its own text says so: those of the disk and of settings do."""
    if error.temporary:
        return "run the same command again later: this passes by itself"
    if isinstance(error, AuthError):
        return _CONSENT.get(error.code, "")
    return next((fix for kind, fix in _FIXES if isinstance(error, kind)), "")


class Boundary:
    """Leaving this block by an exception ends the program with the right status and one clear line on stderr.

    A mistake of usage is such a line too. Click's other exceptions and anything that is no ``Exception`` (but Ctrl-C)
    pass. A traceback is shown only when the root logger listens at DEBUG, and never with local variables.
    """

    def __enter__(self) -> Boundary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, _CLICK) and not _is_misuse(error)):
            return
        status = _end(error)
        if status is not None:
            raise SystemExit(int(status)) from None


def _is_misuse(error: BaseException) -> TypeGuard[click.UsageError]:
    return isinstance(error, click.UsageError) and not isinstance(error, click.exceptions.NoArgsIsHelpError)


def _end(error: BaseException) -> Exit | None:
    if _is_misuse(error):
        path = error.ctx.command_path if error.ctx is not None else "asyncexport"
        say(f"error: {error.format_message().rstrip('.')}; see {path} --help")
        return Exit.USAGE
    if isinstance(error, AsyncexportError):
        say(f"error: {error}")
        if fix := fix_of(error):
            say(f"fix: {fix}")
        return status_of(error)
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return Exit.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _silence_stdout()
        return Exit.PIPE
    if isinstance(error, OSError) and error.errno in _STORAGE_FULL:
        say(f"error: cannot write the results: {error.strerror}")
        return Exit.STORAGE
    return _bug(error) if isinstance(error, Exception) else None


def _bug(error: Exception) -> Exit:
    say(f"internal error: {type(error).__name__}: {error}")
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        for line in scrub("".join(traceback.format_exception(error))).splitlines():
            _tell(printable(line))
    else:
        say("This is a bug in asyncexport; the same command with -vv shows where.")
    return Exit.INTERNAL


def say(text: str) -> None:
    """Print one line for a person on stderr: redacted, control characters escaped."""
    _tell(safe_line(text))


def _tell(line: str) -> None:
    """Write to what ``sys.stderr`` is now: a live display stands in for it, which click's own stream would bypass."""
    if sys.stderr is not None:
        with suppress(BrokenPipeError):
            click.echo(line, file=sys.stderr)


def _silence_stdout() -> None:
    """Keep the interpreter's last flush of stdout from failing again."""
    with suppress(OSError, ValueError):
        stdout = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout)
        os.close(nowhere)
