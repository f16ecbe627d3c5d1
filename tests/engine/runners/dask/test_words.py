"""What an exporter and its offices tell each other, on its way."""

from __future__ import annotations

from asyncexport.engine.runners.dask.words import Packed, Seated
from asyncexport.engine.runners.messages import Begin, Errand
from tests.engine.runners.support import Standing
from tests.engine.support import URL, order


def test_what_is_packed_is_unpacked_as_it_was() -> None:
    """Whatever it is."""
    assert Packed.of(Seated(3, "tcp://a:1", "host")).unpacked() == Seated(3, "tcp://a:1", "host")


def test_what_is_packed_shows_nothing() -> None:
    """Dask logs arguments, and at its most talkative the bytes that travel: a signed URL is spelt in neither."""
    packed = Packed.of(Begin(0, Errand.of(order(), Standing("a"))))
    assert repr(packed) == "Packed()"
    assert URL.partition("?")[2].encode() not in packed.data
    assert URL.partition("?")[2] not in repr(packed.unpacked())
