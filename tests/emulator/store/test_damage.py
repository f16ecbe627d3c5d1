"""What happens to a body on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.emulator.store.damage import FIN, RESET, Amount, Damage, damage_of, damaged

BODY = bytes(range(100))


def after(damage: Damage, size: int = 7) -> bytes:
    chunks = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    return b"".join(damaged(chunks, len(BODY), damage))


@pytest.mark.parametrize(
    ("text", "total", "place"),
    [("5", 100, 5), ("500", 100, 99), ("40%", 100, 40), ("100%", 100, 99), ("0%", 100, 0), ("7", 0, 0)],
)
def test_an_amount_is_always_a_place_inside(text: str, total: int, place: int) -> None:
    """Bytes and shares are resolved against the size and never lie beyond the last unit."""
    assert Amount.parse(text).of(total) == place


@pytest.mark.parametrize("size", [1, 7, 100])
def test_one_bit_is_flipped(size: int) -> None:
    """Exactly the named bit differs, however the body is cut into chunks."""
    got = after(Damage(flip=Amount(8 * 33 + 2)), size)
    assert int.from_bytes(got) ^ int.from_bytes(BODY) == 1 << (8 * (99 - 33) + 2)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_one_byte_is_dropped(size: int) -> None:
    """The body is whole but for the named byte."""
    assert after(Damage(drop=Amount(33)), size) == BODY[:33] + BODY[34:]


def test_bytes_are_added_at_the_end() -> None:
    """What follows the body is none of it."""
    assert after(Damage(extra=3)) == BODY + b"\xa5" * 3


def test_a_dropped_byte_is_not_made_good_by_an_added_one() -> None:
    """Two kinds of damage that keep the length both happen."""
    assert after(Damage(drop=Amount(33), extra=1)) == BODY[:33] + BODY[34:] + b"\xa5"


def test_half_of_the_body_is_left_out() -> None:
    """The first half goes out, the rest does not."""
    assert after(Damage(half=True)) == BODY[:50]


def test_half_of_one_byte_is_none() -> None:
    """The fault never lets the whole body through, however little of it is left."""
    assert b"".join(damaged([b"x"], 1, Damage(half=True))) == b""
    assert Damage(half=True).length(1) == 0


@given(
    chunks=st.lists(st.binary(max_size=20)),
    flip=st.none() | st.integers(0, 500),
    drop=st.none() | st.integers(0, 100),
    extra=st.integers(0, 5),
    half=st.booleans(),
)
def test_the_announced_length_is_what_comes_out(
    chunks: list[bytes], flip: int | None, drop: int | None, extra: int, *, half: bool
) -> None:
    """Whatever the damage and the chunks, as many bytes come out as were announced."""
    damage = Damage(
        flip=None if flip is None else Amount(flip),
        drop=None if drop is None else Amount(drop),
        extra=extra,
        half=half,
    )
    total = sum(map(len, chunks))
    assert len(b"".join(damaged(chunks, total, damage))) == damage.length(total)


def test_words_become_damage() -> None:
    """Each word sets the field it is about."""
    found = damage_of(
        {"fin-after": ("30%",), "stall": ("1.5", "20"), "drip": ("9",), "delay": ("2",), "extra-bytes": ("4",)}
    )
    assert found == Damage(
        cut=FIN, cut_after=Amount(30, share=True), stall=1.5, stall_after=Amount(20), drip=9, delay=2.0, extra=4
    )
    assert damage_of({"broken-after": ("5",), "chunked": (), "wrong-length": ()}) == Damage(
        cut=RESET, cut_after=Amount(5), chunked=True, half=True
    )
    assert damage_of({"flip-bit": ("1",), "drop-byte": ("2",)}) == Damage(flip=Amount(1), drop=Amount(2))


@pytest.mark.parametrize("word", ["reset", "lost-answer"])
def test_a_reset_comes_before_the_head(word: str) -> None:
    """A cut without a place is one before any byte of the answer."""
    assert damage_of({word: ()}) == Damage(cut=RESET)


def test_fair_weather_does_no_damage() -> None:
    """No word, no damage."""
    assert damage_of({}) == Damage()
    assert after(Damage()) == BODY
