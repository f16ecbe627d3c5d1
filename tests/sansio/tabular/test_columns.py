"""The columns of the common models: what the official examples hold has a column."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asyncexport.emulator.records.data import rows
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Filters
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, PROVENANCE, Column, Fields, Many, Scalar, words_of
from asyncexport.sansio.tabular.fitting import fit_row

WORLD = World.generate(seed=3, accounts=1, profiles=2, rows=600)


def leaves(column: Column, path: str = "") -> Iterator[tuple[str, Scalar]]:
    """Yield every column of single values, by its path."""
    if isinstance(column, Scalar):
        yield path, column
    elif isinstance(column, Many):
        yield from leaves(column.of, f"{path}[]")
    else:
        for name, each in column.items():
            yield from leaves(each, f"{path}.{name}")


@pytest.mark.parametrize("entity", Entity)
def test_rows_of_the_emulator_fit(entity: Entity) -> None:
    """What the emulator sends, drawn from the documentation's shapes, has columns, but for its undocumented fields."""
    undocumented = {b"isMultiAdGroupsEnabled"}
    for profile in WORLD.profiles.values():
        for line in rows(profile, entity, Filters().of(entity), WORLD.seed):
            extra = fit_row(line, MODELS[entity])[1]
            assert extra is None or any(name in extra for name in undocumented), extra


@pytest.mark.parametrize("model", MODELS.values(), ids=[each.value for each in MODELS])
def test_names_are_told_apart_whatever_their_case(model: Fields) -> None:
    """SQL does not tell names apart by case, so no two columns of a table differ in nothing else."""
    columns = [name.lower() for name in (*PROVENANCE, *model, EXTRA)]
    assert len(columns) == len(set(columns))


def test_ids_are_text() -> None:
    """An id may be longer than a double is exact, and has no arithmetic."""
    found = {path: column for model in MODELS.values() for path, column in leaves(model)}
    assert {column for path, column in found.items() if path.endswith("Id")} == {Scalar.TEXT}
    assert ".creative.cards[].product.productId" in found


@pytest.mark.parametrize("entity", Entity)
def test_columns_of_few_words(entity: Entity) -> None:
    """Where a row is from and enumerations, wherever they stand; neither ids nor names, numbers or times."""
    found = [".".join(path) for path in words_of(entity)]
    assert found[:7] == list(PROVENANCE)
    assert {"adProduct", "state", "deliveryReasons.list.element"} <= set(found)
    assert not any(path.endswith(("Id", "Time", "ame", "bid", "amount")) for path in found[7:] if "brandN" not in path)
