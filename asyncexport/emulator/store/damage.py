"""What happens to a body on its way: cut, stalled, dripping, flipped, shortened. Facts and arithmetic, no socket.

A place in the body is an ``Amount``: bytes (or bits), or a share of the whole. It is resolved when the size is known,
and always to a place inside, so that a planned fault bites whatever the size is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from asyncexport.emulator.records.words import Met

RESET, FIN = "reset", "fin"


@dataclass(frozen=True, slots=True)
class Amount:
    """``number`` units, or ``number`` per cent of the whole."""

    number: int
    share: bool = False

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read ``500`` or ``40%``."""
        return cls(int(text.rstrip("%")), text.endswith("%"))

    def of(self, total: int) -> int:
        """Return the place among ``total`` units: at most the last one, 0 if there is none."""
        place = total * self.number // 100 if self.share else self.number
        return max(0, min(place, total - 1))


@dataclass(frozen=True, slots=True)
class Damage:
    """The fate of one answer. The default is none: sent whole, at once.

    ``cut`` (RESET or FIN) happens once ``cut_after`` of the body has gone out, or before the head if that is None.
    ``stall`` and ``delay`` are seconds, ``drip`` is bytes a second. ``flip`` counts bits, ``drop`` bytes, ``extra`` the
    bytes that follow the end. ``half``: half of it is sent, in a frame that
    says so. ``chunked``: no length is told.
    """

    cut: str = ""
    cut_after: Amount | None = None
    stall: float = 0.0
    stall_after: Amount = Amount(0)
    delay: float = 0.0
    drip: int = 0
    flip: Amount | None = None
    drop: Amount | None = None
    extra: int = 0
    half: bool = False
    chunked: bool = False

    def length(self, total: int) -> int:
        """Return how many bytes go out when all of ``total`` would, a cut not counted."""
        kept = total // 2 if self.half else total
        return kept - (1 if self.drop is not None and kept else 0) + self.extra


def damaged(chunks: Iterable[bytes], total: int, damage: Damage) -> Iterator[bytes]:
    """Yield the body with its bytes changed as the damage says; ``total`` is the length of what ``chunks`` yields."""
    if damage.flip is None and damage.drop is None and not damage.extra and not damage.half:
        yield from chunks
        return
    kept = total // 2 if damage.half else total
    flip = damage.flip.of(kept * 8) if damage.flip is not None else -1
    drop = damage.drop.of(kept) if damage.drop is not None else -1
    at = 0
    for chunk in chunks:
        piece = bytearray(chunk[: kept - at])
        if 0 <= flip // 8 - at < len(piece):
            piece[flip // 8 - at] ^= 1 << flip % 8
        if 0 <= drop - at < len(piece):
            del piece[drop - at]
        yield bytes(piece)
        at += len(chunk)
        if at >= kept:
            break
    yield b"\xa5" * damage.extra


def damage_of(met: Met) -> Damage:
    """Collect what the words of the weather do to a body."""
    found: dict[str, object] = {}
    for word, field in (("broken-after", RESET), ("fin-after", FIN)):
        if word in met:
            found |= {"cut": field, "cut_after": Amount.parse(met[word][0])}
    if "reset" in met or "lost-answer" in met:
        found["cut"] = RESET
    if "stall" in met:
        found |= {"stall": float(met["stall"][0]), "stall_after": Amount.parse(met["stall"][1])}
    for word, field in (("flip-bit", "flip"), ("drop-byte", "drop")):
        if word in met:
            found[field] = Amount.parse(met[word][0])
    for word, field in (("extra-bytes", "extra"), ("drip", "drip")):
        if word in met:
            found[field] = int(met[word][0])
    if "delay" in met:
        found["delay"] = float(met["delay"][0])
    return Damage(half="wrong-length" in met, chunked="chunked" in met, **found)  # type: ignore[arg-type]
