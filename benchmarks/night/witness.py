"""The wire of a simulated night: lets the scenario's trouble happen, and writes down what passes.

What the figures need is taken here, where it is the same for every client: when an endpoint's first POST was sent,
when an export's end was seen, how many calls there were. Neither the client's own account of it nor its events are
asked. The real time that the server takes is counted, so that its share can be taken off the client's processor time (a
clock of processor time would cost more than the call).
"""

from __future__ import annotations

import time
from collections import Counter
from random import Random
from typing import TypeAlias

from asyncexport.accounts import Region
from asyncexport.emulator.direct import DirectTransport
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.s3 import StoreAnswer
from asyncexport.errors import ConnectError, ConnectionLost
from asyncexport.models import Entity
from asyncexport.ports import Clock, Request, Response
from benchmarks.night.scenarios import Scenario

PAUSE_SECONDS = 30.0
TIMEOUT_SECONDS = 30.0

Endpoint: TypeAlias = tuple[str, Region, Entity]
"""What slots are counted for: client id, region, entity."""


class Witness(DirectTransport):
    """The emulator, in trouble and under observation.

    ``seen`` holds by export id when the client first heard that it had ended; ``began`` the sending of an endpoint's
    first POST; ``calls`` counts by kind (``post``, ``look``, ``other``) and ``by_second`` by second; ``throttled`` the
    429s of the scenario by kind (``random``, ``shut out``); ``too_early`` the calls sent before a Retry-After was over.
    """

    def __init__(self, state: AdsState, clock: Clock, scenario: Scenario, *, seed: int, latency: float = 0.05) -> None:
        super().__init__(state, clock, latency=latency)
        self.state = state
        self.seen: dict[str, float] = {}
        self.began: dict[Endpoint, float] = {}
        self.calls: Counter[str] = Counter()
        self.by_second: Counter[int] = Counter()
        self.throttled: Counter[str] = Counter()
        self.too_early = 0
        self.lost = 0
        self.server_seconds = 0.0
        self._time = clock
        self._scenario = scenario
        self._random = Random(f"trouble/{seed}")
        self._paused_until: dict[str, float] = {}
        profiles = sorted(state.world.profiles)
        self._shut_out = frozenset(self._random.sample(profiles, round(scenario.shut_out * len(profiles))))

    async def send(self, request: Request) -> Response:
        """Ask the server, if it is there."""
        now = self._time.now()
        kind = "look" if "/exports/" in request.url else "post" if request.url.endswith("/export") else "other"
        self.calls[kind] += 1
        self.by_second[int(now)] += 1
        self.too_early += now - self._paused_until.get(_profile_of(request), 0.0) < -1e-6
        if self._is_away(now):
            await self._time.sleep(TIMEOUT_SECONDS if self._scenario.away_as == "timeout" else 0.05)
            return self._nobody()
        if kind == "post":
            self._note_post(request, now)
        return await super().send(request)

    def answer(self, request: Request, now: float) -> Response:
        """Answer as the server would, or as the scenario has it."""
        began = time.perf_counter()
        try:
            return self._refusal(request, now) or self._answer(request, now)
        finally:
            self.server_seconds += time.perf_counter() - began

    def fetch(self, target: str, now: float) -> StoreAnswer:
        """Answer as the store would."""
        began = time.perf_counter()
        try:
            return super().fetch(target, now)
        finally:
            self.server_seconds += time.perf_counter() - began

    def _answer(self, request: Request, now: float) -> Response:
        response = super().answer(request, now)
        if response.status == 202 and self._scenario.lost and self._random.random() < self._scenario.lost:
            self.lost += 1
            raise ConnectionLost("the answer was lost")
        if response.status == 200 and request.method == "GET":
            export_id = request.url.rpartition("/")[2]
            record = self.state.journal.get(export_id)
            if record is not None and record.ended_at is not None:
                self.seen.setdefault(export_id, now)
        return response

    def _refusal(self, request: Request, now: float) -> Response | None:
        profile_id = _profile_of(request)
        if profile_id in self._shut_out and now < self._scenario.shut_out_seconds:
            self._paused_until[profile_id] = now + PAUSE_SECONDS
            self.throttled["shut out"] += 1
            return Response(429, {"retry-after": f"{PAUSE_SECONDS:.0f}"}, b"{}")
        if profile_id and self._scenario.throttled and self._random.random() < self._scenario.throttled:
            self.throttled["random"] += 1
            return Response(429, {}, b'{"message":"Too Many Requests"}')
        return None

    def _is_away(self, now: float) -> bool:
        return self._scenario.away[0] <= now < self._scenario.away[1]

    def _nobody(self) -> Response:
        if self._scenario.away_as == "503":
            return Response(503, {"content-type": "text/html"}, b"<html>Server is busy. Try again later</html>")
        if self._scenario.away_as == "timeout":
            raise ConnectionLost("no answer came")
        raise ConnectError("connection refused")

    def _note_post(self, request: Request, now: float) -> None:
        entity = Entity(request.url.rsplit("/", 2)[1])
        client_id = request.headers["Amazon-Advertising-API-ClientId"]
        region = next(grant.region for grant in self.state.world.grants if grant.client_id == client_id)
        self.began.setdefault((client_id, region, entity), now)


def _profile_of(request: Request) -> str:
    return request.headers.get("Amazon-Advertising-API-Scope", "")
