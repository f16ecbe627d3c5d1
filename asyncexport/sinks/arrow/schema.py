"""The columns of :mod:`asyncexport.sansio.tabular.columns` as Arrow schemas. Needs pyarrow.

Contract: the schema of an entity is the same whatever its rows hold: where a row is from, the model's columns, then
``extra``, a JSON object as text or NULL. Its metadata holds ``asyncexport.schema_version`` and ``asyncexport.entity``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import pyarrow as pa

from asyncexport.models import Entity
from asyncexport.sansio.tabular.columns import EXTRA, MODELS, PROVENANCE, SCHEMA_VERSION, Column, Fields, Many, Scalar

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
_SPELT: Final = {**_TYPES, Scalar.INTEGER: pa.float64(), Scalar.MOMENT: pa.string(), Scalar.DATE: pa.string()}


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
    """Return the schema of the model's columns as they are first read: what would be taken for something else is not.

    Dates and moments are text, for a number is neither; whole numbers are doubles, for a fraction must not be cut off.
    """
    return pa.schema(_fields(MODELS[entity], _SPELT))


def _fields(fields: Fields, types: Mapping[Scalar, Any] = _TYPES) -> list[tuple[str, Any]]:
    return [(name, _type_of(column, types)) for name, column in fields.items()]


def _type_of(column: Column, types: Mapping[Scalar, Any]) -> Any:  # noqa: ANN401 - a pyarrow.DataType
    if isinstance(column, Scalar):
        return types[column]
    if isinstance(column, Many):
        return pa.list_(_type_of(column.of, types))
    return pa.struct(_fields(column, types))
