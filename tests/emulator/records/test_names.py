"""Names: plain and hostile, from the generator that is passed in."""

from __future__ import annotations

from random import Random

from asyncexport.emulator.records.names import HOSTILE, keywords, title


def test_the_same_generator_gives_the_same_names() -> None:
    """Names depend on the generator alone."""
    assert [title(Random(3)) for _ in range(3)] == [title(Random(3))] * 3
    assert keywords(Random(3), 40) == keywords(Random(3), 40)


def test_one_name_in_sixteen_is_hostile() -> None:
    """Hostile names occur, and do not take over."""
    rng = Random(1)
    share = sum(title(rng) in HOSTILE for _ in range(8_000)) / 8_000
    assert 0.05 < share < 0.08


def test_every_hostile_text_is_among_many_keywords() -> None:
    """A palette of 512 search terms holds all of them."""
    assert set(HOSTILE) <= set(keywords(Random(1), 512))


def test_names_keep_to_the_limits_of_the_api() -> None:
    """No name or keyword is longer than a keyword may be."""
    rng = Random(2)
    assert all(len(title(rng)) <= 80 for _ in range(500))
    assert all(len(word) <= 80 for word in keywords(rng, 500))


def test_the_hostile_ones_hold_what_breaks_parsers() -> None:
    """Quotes, backslashes, line breaks, the separator of rows, CJK and emoji beyond the basic plane are all there."""
    text = "".join(HOSTILE)
    assert all(piece in text for piece in ('"', "\\", "\n", "\r", "\t", "},{", "中", "\u2028"))
    assert any(ord(letter) > 0xFFFF for letter in text)
