"""What the API looks at before it acts, and its words when something is wrong.

Each check returns what it found or raises :class:`Refusal`. An unknown path is refused by the gateway in front of the
API, with a text about signatures that misleads everybody (gotcha 22).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from asyncexport.accounts import Region
from asyncexport.emulator.answers import Refusal, by_status, gateway, no_scope
from asyncexport.emulator.regions import split_host
from asyncexport.emulator.world import Advertiser, Grant, World
from asyncexport.models import AD_PRODUCTS, STATES, TARGET_LEVELS, TARGET_TYPES, Entity, Filters
from asyncexport.ports import Request

MEDIA_TYPES = {entity: f"application/vnd.{entity.value.lower()}export.v1+json" for entity in Entity}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes: ``stage`` as the weather names it, and what its path holds."""

    stage: str
    entity: Entity | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A call taken apart: header names in lower case; ``region`` is that of the host, None for a host of all."""

    route: Route
    region: Region | None
    headers: Mapping[str, str]
    query: str
    body: bytes


def hear(request: Request) -> Heard:
    """Take a call apart. Raises the gateway's :class:`Refusal` for a path or method that does not exist."""
    parts = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    region, path = split_host(parts.path)
    route = _route(request.method, path)
    if route is None:
        raise gateway(headers.get("authorization", ""))
    return Heard(route, region, headers, parts.query, request.body)


def _route(method: str, path: str) -> Route | None:
    match (method, *path.strip("/").split("/")):
        case ("POST", "auth", "o2", "token"):
            return Route("token")
        case ("GET", "v2", "profiles"):
            return Route("profiles")
        case ("GET", "v2", "profiles", name):
            return Route("profiles", name=unquote(name))
        case ("POST", kind, "export") if kind in _KINDS:
            return Route("request", Entity(kind))
        case ("GET", "exports", name):
            return Route("poll", name=unquote(name))
    return None


def bearer(headers: Mapping[str, str]) -> str:
    """Return the access token of the call."""
    authorization = headers.get("authorization")
    if authorization is None:
        raise Refusal(401, {"message": "Missing Authentication Token"})
    scheme, _, token = authorization.partition(" ")
    if scheme != "Bearer" or not token:
        raise gateway(authorization)
    return token


def client(headers: Mapping[str, str], grant: Grant | None) -> Grant:
    """Check that the token is good and that the named client is the one it was given to."""
    if grant is None:
        raise by_status(401)
    named = headers.get("amazon-advertising-api-clientid")
    if named != grant.client_id:
        missing = "ClientId header is missing" if named is None else "Not authorized to access client"
        raise Refusal(401, {"code": "401", "details": missing})
    return grant


def scope(heard: Heard, grant: Grant, world: World) -> Advertiser:
    """Return the profile the call is about: one that the grant opens at this host, and not an agency's."""
    profile_id = heard.headers.get("amazon-advertising-api-scope", "")
    if not profile_id:
        raise no_scope("Scope header is missing")
    profile = world.profiles.get(profile_id)
    if profile is None or profile.type == "agency":
        raise no_scope("No matching advertiser found for scope")
    if not world.opens(grant, profile_id, heard.region):
        raise no_scope()
    return profile


def media_type(headers: Mapping[str, str], entity: Entity) -> str:
    """Check both headers of a POST: 415 for a wrong ``Content-Type``, 406 for an ``Accept`` that is another type's."""
    wanted = MEDIA_TYPES[entity]
    accepted = headers.get("accept", "")
    if headers.get("content-type", "").lower() != wanted or accepted in {"", "*/*"}:
        raise by_status(415)
    if not _names(accepted, wanted):
        known = ", ".join(sorted(MEDIA_TYPES.values()))
        raise Refusal(406, {"message": f"Accept '{accepted}' is not supported. Content-Types available: {known}"})
    return wanted


def same_type(headers: Mapping[str, str], entity: Entity) -> str:
    """Check the headers of a look: both must be the type the export was created with, else 406."""
    wanted = MEDIA_TYPES[entity]
    for given in (headers.get("accept", ""), headers.get("content-type", wanted)):
        if not _names(given, wanted):
            text = f"ExportId provided does not match Content-Type '{given}'. Content-Type available: '{wanted}'"
            raise Refusal(406, {"message": text})
    return wanted


def _names(header: str, wanted: str) -> bool:
    return any(part.partition(";")[0].strip().lower() == wanted for part in header.split(","))


def filters(entity: Entity, body: bytes) -> Filters:
    """Read the body of a POST; what is absent has the API's own default, which leaves ARCHIVED out."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, {"message": "Request body is not valid JSON"}) from None
    if not isinstance(asked, dict):
        raise Refusal(400, {"message": "Request body must be an object"})
    known = _ALLOWED if entity is Entity.TARGETS else dict(list(_ALLOWED.items())[:2])
    for name, value in asked.items():
        if name not in known:
            raise Refusal(400, {"message": f"Unknown field '{name}'"})
        _one_of(name, value, known[name])
    return Filters(
        tuple(asked.get("adProductFilter", AD_PRODUCTS)),
        tuple(asked.get("stateFilter", STATES[:2])),
        target_types=tuple(asked.get("targetTypeFilter", ())),
        target_levels=tuple(asked.get("targetLevelFilter", ())),
        negative=tuple(asked.get("negativeFilter", ())),
    )


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:  # noqa: ANN401
    if not isinstance(value, list) or not 1 <= len(value) <= len(allowed):
        raise Refusal(400, {"message": f"'{name}' must be an array of 1 to {len(allowed)} values"})
    for each in value:
        if not any(each is known or (isinstance(each, str) and each == known) for known in allowed):
            raise Refusal(400, {"message": f"Value at '{name}' must be one of {list(allowed)}"})


_KINDS = frozenset(Entity)
_ALLOWED: dict[str, tuple[Any, ...]] = {
    "adProductFilter": AD_PRODUCTS,
    "stateFilter": STATES,
    "targetTypeFilter": TARGET_TYPES,
    "targetLevelFilter": TARGET_LEVELS,
    "negativeFilter": (True, False),
}
