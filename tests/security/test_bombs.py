"""Documents made to hurt whoever parses them: small answers and rows that are deep, wide or full of digits."""

from __future__ import annotations

import pytest

from asyncexport.accounts import Secret
from asyncexport.errors import JsonSyntax, ProtocolError
from asyncexport.ports import Response
from asyncexport.sansio.decoding.rows import Rows
from asyncexport.sansio.wire import Grant, read_export, read_profiles, read_token
from tests.engine.support import ACCOUNT
from tests.support import feed_every_way

DIGITS = b"9" * 1_000_000
DEEP = 100_000
BODIES = {
    "a million digits": b'[{"profileId":' + DIGITS + b"}]",
    "a million digits as a text": b'[{"profileId":"' + DIGITS + b'"}]',
    "an exponent of a million digits": b'[{"profileId":1e' + DIGITS + b"}]",
    "arrays in arrays": b"[" * DEEP + b"]" * DEEP,
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "arrays that are never closed": b"[" * DEEP,
    "NaN": b'[{"profileId":NaN}]',
    "bytes that are no text": b'[{"profileId":"\xff\xfe"}]',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_small_answer_that_is_a_bomb(body: bytes) -> None:
    """Whatever it is made of, it is an unusable answer, told in a short text, and not a crash."""
    grant = Grant("c", Secret("s"), Secret("r"))
    readings = (
        lambda answer: read_profiles(answer, ACCOUNT),
        lambda answer: read_export(answer, "status"),
        lambda answer: read_token(answer, grant, "acme"),
    )
    for reading in readings:
        with pytest.raises(ProtocolError) as caught:
            reading(Response(200, {}, body))
        assert len(str(caught.value)) < 200


def test_a_row_of_very_many_keys() -> None:
    """Width costs no more than its bytes: two hundred thousand keys are a row like any other."""
    row = b"{" + b",".join(b'"k%d":%d' % (at, at) for at in range(200_000)) + b"}"
    rows = Rows()
    batches = [*rows.feed(b"[" + row + b"]"), *rows.close()]
    assert b"".join(batch.text for batch in batches) == row + b"\n"


def test_a_row_whose_keys_are_all_the_same() -> None:
    """The last one wins where rows are built; as text nothing is lost."""
    row = b"{" + b",".join(b'"k":%d' % at for at in range(50_000)) + b"}"
    rows = Rows()
    (batch,) = [*rows.feed(b"[" + row + b"]"), *rows.close()]
    assert batch.text == row + b"\n"
    assert list(batch.rows()) == [{"k": 49_999}]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_row_that_is_deep(opening: bytes, closing: bytes) -> None:
    """Depth is refused before anything recurses, at whatever edge the pieces are cut."""
    row = b'{"deep":' + opening * 1_000 + b"1" + closing * 1_000 + b"}"
    with pytest.raises(JsonSyntax):
        feed_every_way(Rows, b"[" + row + b"]")


def test_digits_without_end_in_a_row() -> None:
    """A number of a million digits passes as the text it is; for who builds objects of it, it is a typed error."""
    rows = Rows()
    (batch,) = [*rows.feed(b'[{"n":' + DIGITS + b"}]"), *rows.close()]
    assert batch.text == b'{"n":' + DIGITS + b"}\n"
    with pytest.raises(JsonSyntax) as caught:
        batch.rows()
    assert len(str(caught.value)) < 200
