"""The columns of :mod:`asyncexport.sansio.columns` as Arrow schemas. Needs pyarrow; loaded by the sinks that do.

Contract: the schema of an entity is the same whatever its rows hold: where a row is from, the model's columns, then
``extra``, a JSON object as text or NULL. Its metadata holds ``asyncexport.schema_version`` and ``asyncexport.entity``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeAlias

import pyarrow as pa

from asyncexport.models import Entity
from asyncexport.sansio.columns import EXTRA, MODELS, PROVENANCE, SCHEMA_VERSION, Column, Fields, Many, Scalar

Schema: TypeAlias = Any
"""A ``pyarrow.Schema``, which has no types to check by."""

_TYPES: Final = {
    Scalar.TEXT: pa.string(),
    Scalar.NUMBER: pa.float64(),
    Scalar.INTEGER: pa.int64(),
    Scalar.BOOLEAN: pa.bool_(),
    Scalar.MOMENT: pa.timestamp("us", "UTC"),
    Scalar.DATE: pa.date32(),
}


@lru_cache
def schema_of(entity: Entity) -> Schema:
    """Return the schema of a table of one entity."""
    metadata = {"asyncexport.schema_version": str(SCHEMA_VERSION), "asyncexport.entity": entity.value}
    return pa.schema([*_fields(PROVENANCE), *_fields(MODELS[entity]), (EXTRA, pa.string())], metadata)


@lru_cache
def model_schema(entity: Entity) -> Schema:
    """Return the schema of what rows themselves make: the model's columns and ``extra``."""
    return pa.schema([*_fields(MODELS[entity]), (EXTRA, pa.string())])


@lru_cache
def spelt_schema(entity: Entity) -> Schema:
    """Return the schema of the model's columns as Arrow's JSON reader takes them: dates are text to it."""
    fields = _fields(MODELS[entity])
    return pa.schema([(name, pa.string() if kind == pa.date32() else kind) for name, kind in fields])


def _fields(fields: Fields) -> list[tuple[str, Any]]:
    return [(name, _type_of(column)) for name, column in fields.items()]


def _type_of(column: Column) -> Any:  # noqa: ANN401 - a pyarrow.DataType
    if isinstance(column, Scalar):
        return _TYPES[column]
    if isinstance(column, Many):
        return pa.list_(_type_of(column.of))
    return pa.struct(_fields(column))
