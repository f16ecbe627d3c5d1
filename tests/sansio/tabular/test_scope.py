"""Of which rows it may be said that they are gone."""

from __future__ import annotations

import pytest

from asyncexport.models import AD_PRODUCTS, Entity, Filters
from asyncexport.sansio.tabular.scope import scope


@pytest.mark.parametrize("states", [("ENABLED", "PAUSED"), ("ARCHIVED",)])
def test_a_filter_of_states(states: tuple[str, ...]) -> None:
    """A state changes, so a missing row may have a state that was not asked for."""
    assert scope(Filters(states=states), Entity.ADS) is None


def test_every_state() -> None:
    """What never changes tells whether a row was asked for."""
    assert scope(Filters(), Entity.CAMPAIGNS) == {"adProduct": AD_PRODUCTS}


def test_a_filter_of_targets() -> None:
    """An attribute that was not filtered says nothing."""
    filters = Filters(("SPONSORED_BRANDS",), target_types=("KEYWORD",), negative=(False,))
    assert scope(filters, Entity.TARGETS) == {
        "adProduct": ("SPONSORED_BRANDS",),
        "targetType": ("KEYWORD",),
        "negative": (False,),
    }
