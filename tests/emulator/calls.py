"""A caller of the pure server: the five calls a client makes, spelt out as they are documented."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from asyncexport.emulator.checks import MEDIA_TYPES
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.s3 import StoreAnswer
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import Advertiser, Grant, World
from asyncexport.models import Entity
from asyncexport.ports import Request, Response

WORLD = World.generate(seed=1, accounts=2, profiles=6, rows=1_000, agency=True)
GENERATION = 10.0


def a_state(plan: str = "", **options: Any) -> AdsState:
    """Return a server over the small world, whose exports take ten seconds each."""
    options = {"generation": Constant(GENERATION), "rate": None, **options}
    return AdsState(options.pop("world", WORLD), weather=Weather.parse(plan), **options)


@dataclass
class Caller:
    """One grant and the calls it makes at the time ``now``; it asks for a token at its first call.

    ``host`` is where the API's calls go: a region's prefix, or none.
    """

    state: AdsState
    grant: Grant = WORLD.grants[0]
    now: float = 0.0
    token: str = ""
    host: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def profile(self) -> Advertiser:
        """The first profile of the grant."""
        return self.grant.profiles[0]

    def ask_token(self, **fields: str) -> Response:
        """Ask for an access token; fields replace what the form would hold, an empty one is left out."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.grant.refresh_token,
            "client_id": self.grant.client_id,
            "client_secret": self.grant.client_secret,
            **fields,
        }
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.state.api(Request("POST", "http://api/auth/o2/token", headers, body), self.now)

    def headers(self, **more: str | None) -> dict[str, str]:
        """Return the headers of an authorised call; underscores stand for hyphens, None leaves a header out."""
        self.token = self.token or load(self.ask_token())["access_token"]
        base: dict[str, str | None] = {
            "Authorization": f"Bearer {self.token}",
            "Amazon-Advertising-API-ClientId": self.grant.client_id,
            **self.extra,
        }
        base |= {name.replace("_", "-"): value for name, value in more.items()}
        return {name: value for name, value in base.items() if value is not None}

    def get(self, path: str, **headers: str | None) -> Response:
        """GET a path of the API."""
        return self.state.api(Request("GET", f"http://api{self.host}{path}", self.headers(**headers)), self.now)

    def request(
        self,
        entity: Entity = Entity.CAMPAIGNS,
        body: bytes = b"{}",
        *,
        profile_id: str | None = "",
        **headers: str | None,
    ) -> Response:
        """Ask for an export."""
        sent = self.headers(**self._typed(entity, profile_id), **headers)
        return self.state.api(Request("POST", f"http://api{self.host}/{entity.value}/export", sent, body), self.now)

    def look(
        self, export_id: str, entity: Entity = Entity.CAMPAIGNS, *, profile_id: str | None = "", **headers: str | None
    ) -> Response:
        """Look at an export."""
        return self.get(f"/exports/{export_id}", **{**self._typed(entity, profile_id), **headers})

    def finished(self, entity: Entity = Entity.CAMPAIGNS) -> dict[str, Any]:
        """Ask for an export, let the time pass that it takes, and return what a look then says."""
        export_id = load(self.request(entity))["exportId"]
        self.now += GENERATION
        found: dict[str, Any] = load(self.look(export_id, entity))
        return found

    def download(self, url: str, method: str = "GET", **headers: str) -> StoreAnswer:
        """Fetch a signed URL."""
        parts = urlsplit(url)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.state.store(method, f"{parts.path}?{parts.query}", named, self.now)

    def _typed(self, entity: Entity, profile_id: str | None) -> dict[str, str | None]:
        return {
            "Accept": MEDIA_TYPES[entity],
            "Content_Type": MEDIA_TYPES[entity],
            "Amazon_Advertising_API_Scope": self.profile.profile_id if profile_id == "" else profile_id,
        }


def load(response: Response) -> Any:
    """Return the JSON of a response."""
    body = gzip.decompress(response.body) if response.headers.get("content-encoding") == "gzip" else response.body
    return json.loads(body)
