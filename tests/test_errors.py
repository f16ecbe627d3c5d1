"""The errors: what each carries, and which of them a later run can get over by itself."""

from __future__ import annotations

import pytest

from asyncexport import errors
from asyncexport.errors import AsyncexportError, AuthError, DecodeError, DownloadError, ExportFailed

KINDS = [getattr(errors, name) for name in errors.__all__]

TEMPORARY = {
    "ClusterLost",
    "ConnectError",
    "ConnectionLost",
    "Stalled",
    "Throttled",
    "ServerError",
    "ExportDeadline",
    "ExportExpired",
    "UrlExpired",
    "RangeMismatch",
    "ObjectChanged",
    "GzipTruncated",
    "GzipCorrupt",
    "TrailingGarbage",
    "JsonTruncated",
    "SinkLocked",
    "SinkUnreachable",
    "LockHeld",
    "TooManyOpenFiles",
    "NotStarted",
    "WorkerDied",
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_later_run_can_get_over(kind: type[AsyncexportError]) -> None:
    """Whether a later run can succeed by itself is a fact of each class: it decides between exit status 1 and 75."""
    assert kind.temporary == (kind.__name__ in TEMPORARY)


@pytest.mark.parametrize("kind", KINDS)
def test_text_alone(kind: type[AsyncexportError]) -> None:
    """Every error can be made of a text alone, says exactly that, and is caught by the root."""
    error = kind("cause; fix")

    assert str(error) == "cause; fix"
    assert error.args == ("cause; fix",)
    assert isinstance(error, AsyncexportError)


def test_a_certificate_is_the_exception_among_connection_errors() -> None:
    """A lost connection passes by itself, an impostor does not."""
    assert issubclass(errors.TlsError, errors.ConnectError)
    assert not errors.TlsError.temporary


def test_defaults_of_the_attributes() -> None:
    """Data stands in attributes that are there even when nothing is known."""
    api = errors.Throttled("m")

    assert (api.status, api.code, api.request_id, api.retry_after) == (0, "", "", None)
    assert (AuthError("m").code, AuthError("m").request_id) == ("", "")
    assert (ExportFailed("m").export_id, ExportFailed("m").code) == ("", "")
    assert (DownloadError("m").status, DownloadError("m").code) == (0, "")
    assert (DecodeError("m").offset, DecodeError("m").row) == (0, None)


def test_given_attributes() -> None:
    """What is given stands in the attribute of that name, not in the text."""
    api = errors.ServerError("m", status=503, code="Busy", request_id="R", retry_after=2.5)

    assert (api.status, api.code, api.request_id, api.retry_after) == (503, "Busy", "R", 2.5)
    assert ExportFailed("m", export_id="e", code="TIMED_OUT").export_id == "e"
    assert DecodeError("m", offset=7, row=3).row == 3
