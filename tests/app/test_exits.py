"""Exit statuses, and the boundary that no exception gets past."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asyncexport.app.exits import Boundary, Exit, fix_of, say, status_of, worst
from asyncexport.errors import (
    AsyncexportError,
    AuthError,
    ConfigError,
    DiskFull,
    ExportDeadline,
    ExportFailed,
    LockHeld,
    ProfileAccessDenied,
    RequestRejected,
    ServerError,
    SinkError,
    SinkLocked,
    SinkRejected,
    StateCorrupt,
    TlsError,
)
from tests.app.support import CANARY


@pytest.fixture
def _debugging() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (AuthError("x"), 3),
        (DiskFull("x"), 74),
        (SinkError("x"), 74),
        (SinkRejected("x"), 74),
        (StateCorrupt("x"), 74),
        (SinkLocked("x"), 75),
        (LockHeld("x"), 75),
        (ServerError("x"), 75),
        (ExportDeadline("x"), 75),
        (TlsError("x"), 1),
        (ExportFailed("x"), 1),
        (RequestRejected("x"), 1),
    ],
)
def test_what_an_error_ends_with(error: AsyncexportError, status: int) -> None:
    """Each kind of error has one status."""
    assert status_of(error) == status


def test_several_errors() -> None:
    """Of several errors the one decides that blocks the next run most: 74, 3, 2, 1, 75; none is 0."""
    errors: list[AsyncexportError] = [ServerError("x")]
    statuses = [worst([]), worst(errors)]
    for error in (ExportFailed("x"), ConfigError("x"), AuthError("x"), DiskFull("x")):
        errors.append(error)
        statuses.append(worst(errors))
    assert statuses == [0, 75, 1, 2, 3, 74]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ServerError("x"), "passes by itself"),
        (AuthError("x", code="invalid_grant"), "refresh token"),
        (AuthError("x", code="invalid_client"), "security profile"),
        (AuthError("x", code="unauthorized_client"), "apply for the Amazon Ads API"),
        (AuthError("x"), ""),
        (ProfileAccessDenied("x"), "this profile"),
        (ExportFailed("x"), "narrow the export"),
        (DiskFull("state/journal.sqlite3: no space left"), ""),
        (SinkError("x"), ""),
        (RequestRejected("x"), "ad_products and states"),
    ],
)
def test_what_to_do_about_an_error(error: AsyncexportError, words: str) -> None:
    """A fix is proposed where the kind of error is enough to know one."""
    assert words in fix_of(error)
    assert bool(fix_of(error)) == bool(words)


def ended(error: BaseException) -> int:
    with pytest.raises(SystemExit) as caught, Boundary():
        raise error
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_a_known_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A known error ends in its message and what to do about it, without a secret or a control character."""
    assert ended(AuthError(f"refused {CANARY}\x1b[2J of acme", code="invalid_grant")) == 3
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: refused Atzr|*** of acme"
    assert second.startswith("fix: put the new refresh token")


def test_an_error_without_advice(capsys: pytest.CaptureFixture[str]) -> None:
    """An error whose own text must do is one line."""
    assert ended(ConfigError("[run]: unknown key")) == 2
    assert capsys.readouterr().err == "error: [run]: unknown key\n"


def test_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """An unexpected exception is one line, a hint, and status 70."""
    assert ended(ZeroDivisionError(f"by {CANARY}")) == 70
    assert capsys.readouterr().err == (
        "internal error: ZeroDivisionError: by Atzr|***\n"
        "This is a bug in asyncexport; the same command with -vv shows where.\n"
    )


@pytest.mark.usefixtures("_debugging")
def test_a_bug_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    """At debug the traceback follows, redacted and escaped line by line."""
    assert ended(ValueError(f"bad {CANARY} \x1b")) == 70
    text = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in text
    assert "ValueError: bad Atzr|*** \\x1b\n" in text
    assert CANARY not in text


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C where nothing is drained ends with 130, not with click's 1."""
    assert ended(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_went_away(capsys: pytest.CaptureFixture[str]) -> None:
    """A closed stdout ends the command quietly."""
    assert ended(BrokenPipeError()) == 141
    assert capsys.readouterr().err == ""


def test_the_last_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its reader has gone stdout leads nowhere, so that the interpreter's last flush cannot fail."""
    with (tmp_path / "stdout").open("w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        assert ended(BrokenPipeError()) == 141
        stdout.write("lost")
        monkeypatch.undo()
    assert (tmp_path / "stdout").read_text() == ""


def test_results_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk behind stdout is local storage, not a bug; another error of the system is one."""
    assert ended(OSError(errno.ENOSPC, "No space left on device")) == 74
    assert capsys.readouterr().err == "error: cannot write the results: No space left on device\n"
    assert ended(OSError(errno.EIO, "Input/output error")) == 70


@pytest.mark.parametrize("error", [click.ClickException("x"), click.exceptions.Exit(5), click.Abort()])
def test_what_is_clicks_own(error: Exception) -> None:
    """Click's exceptions pass: click knows how to end them."""
    with pytest.raises(type(error)), Boundary():
        raise error


def test_a_mistake_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """What was typed wrongly is one line that says where to read on; a bare command still shows its help."""
    assert ended(click.UsageError("No such option: --x.")) == 2
    assert capsys.readouterr().err == "error: No such option: --x; see asyncexport --help\n"
    context = click.Context(click.Command("asyncexport"))
    with pytest.raises(click.exceptions.NoArgsIsHelpError), Boundary():
        raise click.exceptions.NoArgsIsHelpError(context)


def test_what_is_no_error() -> None:
    """Other ends of a program pass, and so does success."""
    with pytest.raises(SystemExit) as caught, Boundary():
        raise SystemExit(9)
    assert caught.value.code == 9
    with Boundary() as boundary:
        assert isinstance(boundary, Boundary)


def test_the_statuses() -> None:
    """The numbers are a public promise."""
    assert [int(each) for each in Exit] == [0, 1, 2, 3, 70, 74, 75, 130, 141, 143]


def test_a_line_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    """What is said is one safe line on stderr."""
    say("a\nb")
    assert capsys.readouterr() == ("", "a\\nb\n")


def test_a_line_that_nobody_reads(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard error nothing is said; above all not among the results."""
    monkeypatch.setattr("sys.stderr", None)
    say("a")
    assert capsys.readouterr().out == ""
