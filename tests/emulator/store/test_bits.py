"""Bits from numbers: well mixed, the same for the same number."""

from __future__ import annotations

from asyncexport.emulator.store.bits import mix, spread_of


def test_neighbours_share_about_half_of_their_bits() -> None:
    """Two neighbouring numbers give words that differ in about half of the 64 bits."""
    distances = [(mix(number) ^ mix(number + 1)).bit_count() for number in range(2_000)]
    assert 31 < sum(distances) / len(distances) < 33
    assert min(distances) > 10


def test_every_bit_is_set_half_of_the_time() -> None:
    """No bit of the word is biased, for positive and for negative numbers."""
    words = [mix(number) for number in range(-2_000, 2_000)]
    for bit in range(64):
        assert 0.45 < sum(word >> bit & 1 for word in words) / len(words) < 0.55


def test_counts_follow_the_law_within_their_limits() -> None:
    """The table keeps to its limits and has about the mean it was asked for."""
    table = spread_of(25.0, 3, 200)
    assert len(table) == 256
    assert min(table) == 3
    assert max(table) <= 200
    assert 26 < sum(table) / 256 < 29
    assert max(spread_of(25.0, 3, 40)) == 40
