"""The hosts of the three regions on one listener: the first segment of a path stands for the host.

``/na``, ``/eu`` and ``/fe`` before a path of the API are what ``advertising-api.amazon.com`` and its two sisters are on
the wire: a host knows the profiles of its own region only. A path without such a segment is heard by a
host of all regions, which the real API does not have and the caller of a test may find handy.
"""

from __future__ import annotations

from asyncexport.accounts import Region

TOKEN_PATH = "/auth/o2/token"  # noqa: S105
"""Where the token host answers, which is one for all regions."""

_REGIONS = {region.value.lower(): region for region in Region}


def host_of(api_url: str, region: Region) -> str:
    """Return the URL of a region's host on the listener at ``api_url``."""
    return f"{api_url}/{region.value.lower()}"


def split_host(path: str) -> tuple[Region | None, str]:
    """Return whose host a path was sent to, None if it does not say, and the path as that host sees it."""
    first, _, rest = path.lstrip("/").partition("/")
    region = _REGIONS.get(first)
    return (None, path) if region is None else (region, f"/{rest}")
