"""Which places an exporter has for its transfers, and what cannot be chosen."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from asyncexport import Exporter
from asyncexport.engine.runners import Pool, choosing
from asyncexport.engine.runners.choosing import places_for
from asyncexport.engine.runners.dask.seats import Seats
from asyncexport.errors import ConfigError
from asyncexport.models import Limits
from asyncexport.sansio.pacing.backoff import Backoff
from tests.engine.support import ACCOUNT, Events


def places(runner: str, **choice: Any) -> Any:
    """Return the places."""
    given = {"workers": 0, "dask": None, "environment": None, "ca_file": None, "listener": Events()}
    return places_for(runner, **{**given, **choice}, backoff=Backoff(), limits=Limits(downloads=5))


def test_there_are_places_where_they_are_asked_for() -> None:
    """Processes if there may be any, a cluster at an address, and one of this machine's own without one."""
    assert places("processes") is None
    assert isinstance(places("processes", workers=2), Pool)
    there = places("dask", dask="tcp://x:1", ca_file="company.pem")
    assert isinstance(there, Seats)
    assert (repr(there.cluster), there.cluster._terms.ca_file) == ("<Cluster tcp://x:1 closed>", "company.pem")
    assert not there.cluster._terms.is_ours
    own = places("dask", workers=2).cluster
    assert repr(own) == "<Cluster of this machine closed>"
    assert (own._where._size, own._terms.is_ours) == ((2, 3), True)


def test_a_cluster_of_our_own_has_a_worker_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many threads as there may be downloads."""
    monkeypatch.setattr(choosing, "cores", lambda: 4)
    assert places("dask").cluster._where._size == (4, 2)


def test_without_the_library_no_exporter_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is to be installed is said."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"needs distributed, .* pip install 'asyncexport\[dask\]'"):
        Exporter([ACCOUNT], runner="dask")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"runner": "dusk"}, "runner = 'dusk' is none of processes, dask"),
        ({"dask": "tcp://x:1"}, "dask = 'tcp://x:1' is for runner = 'dask', and this one is 'processes'"),
    ],
)
def test_a_choice_that_there_is_not_is_refused(choice: dict[str, Any], said: str) -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigError, match=said):
        Exporter([ACCOUNT], **choice)
