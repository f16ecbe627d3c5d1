"""Arrow schemas: the same for every file of an entity, and they say which they are."""

from __future__ import annotations

import pyarrow as pa
import pytest

from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, PROVENANCE
from asyncexport.sinks.arrow.schema import model_schema, schema_of, spelt_schema


@pytest.mark.parametrize("entity", Entity)
def test_columns_stand_in_one_order(entity: Entity) -> None:
    """Where a row is from, the model's own names, then what fits none of them."""
    assert schema_of(entity).names == [*PROVENANCE, *MODELS[entity], EXTRA]
    assert model_schema(entity).names == [*MODELS[entity], EXTRA]


def test_types() -> None:
    """Instants are in UTC, lists hold objects, ids are text."""
    schema = schema_of(Entity.CAMPAIGNS)
    assert schema.field("creationDateTime").type == pa.timestamp("us", "UTC")
    assert schema.field("startDate").type == pa.date32()
    assert schema.field("tags").type == pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
    assert schema.field("campaignId").type == pa.string()
    assert spelt_schema(Entity.CAMPAIGNS).field("startDate").type == pa.string()


def test_a_schema_says_its_version() -> None:
    """A reader can tell which columns to expect."""
    assert schema_of(Entity.ADS).metadata == {b"asyncexport.schema_version": b"1", b"asyncexport.entity": b"ads"}
