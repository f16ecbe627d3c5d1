"""Three hosts on one listener."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from asyncexport.accounts import Region
from asyncexport.emulator.regions import host_of, split_host


@pytest.mark.parametrize("region", Region)
def test_what_is_sent_to_a_regions_host_is_heard_as_its_own(region: Region) -> None:
    """The host is told from the path, and what is left is the path of the contract."""
    path = urlsplit(f"{host_of('http://127.0.0.1:8080', region)}/v2/profiles").path
    assert split_host(path) == (region, "/v2/profiles")


@pytest.mark.parametrize("path", ["/v2/profiles", "/", "", "/NA/v2/profiles", "/nanny/v2", "/exports/na"])
def test_another_path_names_no_host(path: str) -> None:
    """Only the whole first segment in lower case is a host, and a path without one stays as it is."""
    assert split_host(path) == (None, path)


@pytest.mark.parametrize(("path", "rest"), [("/na", "/"), ("/eu/", "/"), ("/fe/na/exports/x", "/na/exports/x")])
def test_a_host_is_named_once(path: str, rest: str) -> None:
    """Nothing may follow, and a second name is a path like any other."""
    assert split_host(path)[1] == rest
