"""What comes after a fault in a transfer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncexport import errors
from asyncexport.errors import (
    AsyncexportError,
    ConnectError,
    ConnectionLost,
    DownloadError,
    ExportExpired,
    GzipCorrupt,
    GzipTruncated,
    JsonTruncated,
    NotAnExport,
    ObjectChanged,
    RangeMismatch,
    ServerError,
    Stalled,
    Throttled,
    TlsError,
    TooManyOpenFiles,
    TrailingGarbage,
    UrlExpired,
)
from asyncexport.sansio.transfers.downloads import BadSignature, NoSuchObject, Piecewise
from asyncexport.sansio.transfers.recovery import Recovery, Step, final, is_worth_collecting
from tests.support import steady

AGAIN, RENEW, RESTART, GIVE_UP = Step.AGAIN, Step.RENEW, Step.RESTART, Step.GIVE_UP


def state(offset: int = 0, *, provable: bool = True) -> Piecewise:
    made = Piecewise()
    head = {"content-length": "1000"} | ({"etag": '"e"'} if provable else {})
    made.open(200, head)
    made.take(bytes(offset))
    return made


def steps(error: AsyncexportError, times: int, at: Piecewise | None = None) -> list[Step]:
    recovery = Recovery()
    return [recovery.after(error, at or state(10)) for _ in range(times)]


@pytest.mark.parametrize("error", [ConnectError("m"), ConnectionLost("m"), Stalled("m")])
def test_connections_that_bring_nothing(error: AsyncexportError) -> None:
    """Five lost connections in a row without a new byte end the transfer."""
    assert steps(error, 5) == [AGAIN] * 4 + [GIVE_UP]


def test_connections_that_each_bring_a_little() -> None:
    """Any new byte forgives the faults before it."""
    recovery = Recovery()

    for offset in range(1, 200):
        assert recovery.after(ConnectionLost("m"), state(offset)) is AGAIN
        assert recovery.strikes == 1
    assert recovery.after(ConnectionLost("m"), state(199)) is AGAIN
    assert recovery.strikes == 2


@pytest.mark.parametrize("error", [ConnectionLost("m"), Stalled("m")])
def test_a_break_that_cannot_be_gone_on_from(error: AsyncexportError) -> None:
    """Without a strong ETag and a known size a break means beginning again, four times at most."""
    assert steps(error, 5, state(10, provable=False)) == [RESTART] * 4 + [GIVE_UP]


@pytest.mark.parametrize(
    ("offset", "provable", "expected"),
    [(0, True, [GIVE_UP]), (10, True, [AGAIN] * 4 + [GIVE_UP]), (10, False, [GIVE_UP])],
)
def test_want_of_descriptors(offset: int, provable: bool, expected: list[Step]) -> None:
    """Bytes that can be kept are worth waiting for; with none the transfer ends, and gives back what it holds."""
    assert steps(TooManyOpenFiles("m"), len(expected), state(offset, provable=provable)) == expected


def test_a_break_before_the_first_byte() -> None:
    """Before the first byte there is nothing to prove, so the connection is simply made again."""
    assert steps(ConnectionLost("m"), 1, state(0, provable=False)) == [AGAIN]


@pytest.mark.parametrize("error", [ServerError("m"), Throttled("m")])
def test_a_store_that_is_overloaded(error: AsyncexportError) -> None:
    """An overloaded store is asked eight times in a row."""
    assert steps(error, 8) == [AGAIN] * 7 + [GIVE_UP]


def test_an_impostor() -> None:
    """A certificate that is not to be trusted ends the transfer at once."""
    assert steps(TlsError("m"), 1) == [GIVE_UP]


def test_urls_that_are_too_old() -> None:
    """Three fresh URLs without a new byte are one too few for a fourth; a new byte forgives them."""
    assert steps(UrlExpired("m"), 4) == [RENEW] * 3 + [GIVE_UP]
    recovery = Recovery()
    for offset in range(1, 20):
        assert recovery.after(UrlExpired("m"), state(offset)) is RENEW


def test_an_object_that_is_gone() -> None:
    """A fresh URL is asked for once; if the object is gone there too, so is the export."""
    assert steps(NoSuchObject("m"), 2) == [RENEW, GIVE_UP]


def test_a_signature_that_is_not_accepted() -> None:
    """First a fresh URL, then from byte 0 without a Range, then it is an error."""
    assert steps(BadSignature("m"), 3) == [RENEW, RESTART, GIVE_UP]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (GzipTruncated("m"), 2),
        (GzipCorrupt("m"), 2),
        (TrailingGarbage("m"), 1),
        (JsonTruncated("m"), 1),
        (NotAnExport("m"), 1),
        (RangeMismatch("m"), 2),
        (ObjectChanged("m"), 2),
        (errors.JsonSyntax("m", offset=5), 1),
        (errors.JsonEncoding("m", offset=5), 1),
        (errors.BombLimit("m"), 0),
        (errors.RowTooLarge("m", offset=5), 1),
        (errors.UnexpectedShape("m", offset=5), 1),
        (errors.UrlRefused("m"), 0),
        (errors.SinkError("m"), 0),
        (DownloadError("m"), 0),
    ],
)
def test_damage(error: AsyncexportError, passes: int) -> None:
    """Each kind of damage has as many new passes as it is likely to have happened on the way."""
    assert steps(error, passes + 1) == [RESTART] * passes + [GIVE_UP]


def test_bad_json_at_another_place_each_time() -> None:
    """Bad JSON that moves about comes from the network: it is read anew twice; at the same place it is the server's."""
    recovery = Recovery()

    made = [recovery.after(errors.JsonSyntax("m", offset=offset), state(10)) for offset in (5, 6, 7)]

    assert made == [RESTART, RESTART, GIVE_UP]


def test_kinds_of_damage_are_counted_apart() -> None:
    """A pass that failed for one reason does not use up those of another."""
    recovery = Recovery()

    made = [recovery.after(error, state(10)) for error in (GzipCorrupt("m"), ObjectChanged("m")) * 3]

    assert made == [RESTART] * 4 + [GIVE_UP] * 2


def test_a_new_pass() -> None:
    """A new pass begins with a clean slate: its first bytes count as progress, and faults before it do not count."""
    recovery = Recovery()
    for _ in range(4):
        recovery.after(ConnectionLost("m"), state(500))
    assert recovery.after(ObjectChanged("m"), state(500)) is RESTART

    made = [recovery.after(ConnectionLost("m"), state(1)) for _ in range(5)]

    assert made == [AGAIN] * 4 + [GIVE_UP]


FAULTS: st.SearchStrategy[AsyncexportError] = st.sampled_from(
    [
        ConnectionLost("m"),
        Stalled("m"),
        ServerError("m"),
        Throttled("m"),
        UrlExpired("m"),
        NoSuchObject("m"),
        BadSignature("m"),
        GzipCorrupt("m"),
        RangeMismatch("m"),
        ObjectChanged("m"),
        NotAnExport("m"),
    ]
)


@settings(steady, max_examples=20)
@given(st.lists(FAULTS, min_size=100, max_size=100), st.booleans())
def test_faults_without_end_and_without_progress(faults: list[AsyncexportError], provable: bool) -> None:
    """Whatever the faults and their order, a transfer that never advances ends."""
    recovery = Recovery()

    assert GIVE_UP in [recovery.after(fault, state(10, provable=provable)) for fault in faults]


def test_the_error_a_transfer_ends_with() -> None:
    """An object that is gone means that its export is; every other error is what it is."""
    gone = final(NoSuchObject("404: NoSuchKey"), "e-1")
    lost = ConnectionLost("m")

    assert isinstance(gone, ExportExpired)
    assert (gone.export_id, str(gone)) == ("e-1", "export e-1: its file is gone (404: NoSuchKey)")
    assert final(lost, "e-1") is lost


@pytest.mark.parametrize(
    ("error", "is_worth_it"),
    [
        (ConnectionLost("m"), True),
        (ServerError("m"), True),
        (errors.ExportDeadline("m"), True),
        (errors.SinkError("m"), True),
        (UrlExpired("m"), True),
        (errors.ExportFailed("m"), False),
        (ExportExpired("m"), False),
        (errors.UrlRefused("m"), False),
        (NotAnExport("m"), False),
        (GzipCorrupt("m"), False),
        (errors.JsonSyntax("m"), False),
    ],
)
def test_an_export_whose_transfer_failed(error: AsyncexportError, is_worth_it: bool) -> None:
    """An export that is itself at fault is asked for anew by a later run; any other one is collected."""
    assert is_worth_collecting(error) is is_worth_it
