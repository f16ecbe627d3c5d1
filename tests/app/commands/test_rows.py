"""``asyncexport rows``: one export file as JSON Lines."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asyncexport.app.cli import main
from asyncexport.app.commands.rows import lines
from tests.app.support import python

EXPORT = '[{"id": 1, "name": "Käse\\n"},\n {"id": 12345678901234567890123}]'.encode()
LINES = '{"id": 1, "name": "Käse\\n"}\n{"id": 12345678901234567890123}\n'


def called(path: Path) -> Result:
    return CliRunner().invoke(main, ["rows", str(path)])


@pytest.mark.parametrize("content", [EXPORT, gzip.compress(EXPORT)], ids=["plain", "gzip"])
def test_an_export(tmp_path: Path, content: bytes) -> None:
    """Gzip or plain, each row is one line, as it was spelt."""
    path = tmp_path / "export"
    path.write_bytes(content)
    result = called(path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, LINES, "")


def test_an_export_of_many_chunks() -> None:
    """Rows are handed on as they come, none lost where chunks meet."""
    rows = [b'{"id": %d}' % number for number in range(50_000)]
    pieces = list(lines(io.BytesIO(gzip.compress(b"[" + b",".join(rows) + b"]"))))
    assert len(pieces) > 1
    assert b"".join(pieces) == b"\n".join(rows) + b"\n"


def test_an_empty_export(tmp_path: Path) -> None:
    """An export without rows is no lines and no fault."""
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(b"[]"))
    result = called(path)
    assert (result.exit_code, result.stdout) == (0, "")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", gzip.compress(EXPORT)[:-3], b'[{"id": 1}, x]', b"\x1f\x8b\x00"],
    ids=["nothing", "html", "cut", "no JSON", "no header"],
)
def test_what_is_no_export(tmp_path: Path, content: bytes) -> None:
    """A file that is no whole export ends in one clear line and status 1."""
    path = tmp_path / "export"
    path.write_bytes(content)
    result = called(path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}: ")
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A file that is not there is a mistake of usage."""
    result = called(tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "No such file or directory" in result.stderr


def test_stdin() -> None:
    """``-`` reads stdin."""
    result = CliRunner().invoke(main, ["rows", "-"], input=EXPORT)
    assert result.stdout == LINES


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """When the reader leaves, the command ends quietly, as ``head`` expects."""
    path = tmp_path / "export"
    path.write_bytes(b"[" + b",".join([b'{"id": 1}'] * 200_000) + b"]")
    with python("-m", "asyncexport", "rows", str(path)) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == '{"id": 1}\n'
        run.stdout.close()
        assert run.stderr.read() == ""
    assert run.returncode == 141
