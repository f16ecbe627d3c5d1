"""Rows and the file that holds them."""

from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
from dataclasses import replace

import pytest

from asyncexport.emulator.records.data import EMPTY_EXPORT, export_bytes, pieces, rows, text
from asyncexport.emulator.records.names import HOSTILE
from asyncexport.models import Entity, Filters
from tests.emulator.rowing import PROFILE, WORLD, parsed


@pytest.mark.parametrize("entity", list(Entity))
def test_the_same_arguments_give_the_same_file(entity: Entity) -> None:
    """Two makings of an export agree byte for byte."""
    small = replace(PROFILE, campaigns=20)
    one, two = (b"".join(export_bytes(small, entity, Filters(), 1)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("entity", list(Entity))
def test_the_file_is_one_gzip_member_with_one_array(entity: Entity) -> None:
    """A standard reader finds the rows, in order, in one JSON array."""
    file = b"".join(export_bytes(PROFILE, entity, Filters(), WORLD.seed))
    assert file[:10] == bytes.fromhex("1f8b0800000000000000")
    assert json.loads(gzip.decompress(file)) == parsed(entity)


def test_an_empty_export_is_the_22_bytes_of_the_wire() -> None:
    """No rows make exactly the file that was observed."""
    empty = replace(PROFILE, campaigns=0)
    assert b"".join(export_bytes(empty, Entity.ADS, Filters(), 1)) == EMPTY_EXPORT
    assert len(EMPTY_EXPORT) == 22


def test_rows_are_compact_and_not_escaped() -> None:
    """No blank follows a separator and letters beyond ASCII stand as themselves."""
    found = b"".join(rows(PROFILE, Entity.TARGETS, Filters(), WORLD.seed))
    assert b'": ' not in found
    assert "ケトル".encode() in found
    assert b"\\u30b1" not in found


def test_hostile_names_reach_the_rows() -> None:
    """Every hostile text stands as a keyword somewhere."""
    keywords = {row["targetDetails"].get("keyword") for row in parsed(Entity.TARGETS)}
    assert set(HOSTILE) <= keywords


def test_filters_do_not_change_a_row() -> None:
    """A row is the same in a filtered file as in the whole one."""
    whole = {row["campaignId"]: row for row in parsed(Entity.CAMPAIGNS)}
    paused = parsed(Entity.CAMPAIGNS, Filters(states=("PAUSED",)))
    assert 0 < len(paused) < len(whole)
    assert all(whole[row["campaignId"]] == row for row in paused)


def test_parents_that_are_filtered_out_leave_orphans() -> None:
    """An ENABLED ad group may hang on a campaign that the same filter leaves out."""
    enabled = Filters(states=("ENABLED",))
    campaigns = {row["campaignId"] for row in parsed(Entity.CAMPAIGNS, enabled)}
    groups = {row["campaignId"] for row in parsed(Entity.AD_GROUPS, enabled)}
    assert groups - campaigns


def test_sizes_and_proportions_are_realistic() -> None:
    """Targets are about four fifths of all text, a target takes about 490 bytes, and gzip about a ninth of it."""
    sizes = {entity: sum(map(len, rows(PROFILE, entity, Filters(), WORLD.seed))) for entity in Entity}
    assert 0.7 < sizes[Entity.TARGETS] / sum(sizes.values()) < 0.9
    assert 440 < sizes[Entity.TARGETS] / len(parsed(Entity.TARGETS)) < 540
    packed = sum(map(len, export_bytes(PROFILE, Entity.TARGETS, Filters(), WORLD.seed)))
    assert 7 < sizes[Entity.TARGETS] / packed < 12


def test_memory_does_not_grow_with_the_export() -> None:
    """Ten megabytes of text pass with less than two in memory."""
    huge = replace(PROFILE, campaigns=10**7)
    list(itertools.islice(export_bytes(huge, Entity.TARGETS, Filters(), 1), 2))
    tracemalloc.start()
    for piece in itertools.islice(export_bytes(huge, Entity.TARGETS, Filters(), 1), 160):
        assert len(piece) < 128 * 1024
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


def test_text_is_handed_out_in_slices() -> None:
    """Rows are joined by commas within one pair of brackets, in slices of about 64 KiB."""
    slices = list(text([b'{"a":1}'] * 30_000))
    assert json.loads(b"".join(slices)) == [{"a": 1}] * 30_000
    assert {len(part) // 1024 for part in slices[:-1]} == {64}


def test_a_piece_follows_every_slice() -> None:
    """There is one piece for each slice and one for the end, so that a maker can pause between them."""
    assert len(list(pieces([b"[", b"]"]))) == 3
    assert gzip.decompress(b"".join(pieces([b"[", b"]"], level=1))) == b"[]"
