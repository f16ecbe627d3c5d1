"""An Amazon Ads without sockets: calls in, answers out, time passed in.

``AdsState`` is the whole server but for bytes and connections. Every method is synchronous and takes ``now``, seconds
on a clock that only moves forward; what is written into bodies and headers is ``epoch + now``. So the same server runs
behind two listeners (:mod:`asyncexport.emulator.server`) and under a simulated clock, where a night has 40,000 exports:
no call walks a list that grows with the night.

A call is checked, then the weather is asked (only calls that would succeed meet it), then the server acts, and last
the answer is spoilt as planned. A fault that cuts the connection comes out of :meth:`AdsState.api` as the error that a
transport would raise.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias

import orjson

from asyncexport.accounts import Region
from asyncexport.emulator import checks, export_bodies
from asyncexport.emulator.answers import JSON, Answer, Letterhead, Refusal, by_status, too_many
from asyncexport.emulator.census import Census
from asyncexport.emulator.checks import Heard
from asyncexport.emulator.counters import Counters
from asyncexport.emulator.exports import ExportRecord, Exports
from asyncexport.emulator.faults import Call
from asyncexport.emulator.laws import Law, LogNormal
from asyncexport.emulator.rates import Buckets
from asyncexport.emulator.records.profile_list import profile_list, profile_object
from asyncexport.emulator.records.words import Met
from asyncexport.emulator.store.objects import ObjectKey, Reckoned, Shelf, StoredObject
from asyncexport.emulator.store.s3 import StoreAnswer, StorePaper, Wish, plain_answer, store_instead, weathered
from asyncexport.emulator.store.spoil import instead, spoil
from asyncexport.emulator.store.store_errors import StoreRefusal, by_store_status, two_mechanisms
from asyncexport.emulator.store.urls import BUCKETS, Signer
from asyncexport.emulator.tokens import Tokens
from asyncexport.emulator.weather import Weather
from asyncexport.emulator.world import Grant, World
from asyncexport.errors import ConnectionLost
from asyncexport.models import Entity
from asyncexport.ports import Request, Response

EPOCH = 1_795_392_000.0
"""What the server's clock shows at 0 unless told otherwise: the first second of 23 November 2026 (UTC)."""

KEPT = 24 * 3600.0
"""Seconds for which a finished export gives out URLs."""

Cap: TypeAlias = int | Callable[[float], int | None] | None
"""How many exports may be in progress: always so many, so many at a moment (in the state's seconds), or any number."""


class AdsState:
    """The pure server.

    ``generation`` is the law of how long exports take, divided by ``speed``; ``cap`` how many a client may have in
    progress per region and endpoint, which may move with time; ``rate`` and ``burst`` the calls a second of one profile
    (None: any number). ``running_word`` is ``PROCESSING`` or ``IN_PROGRESS``. ``retry_after`` lets the 429 of a profile
    that calls too often name the seconds, which the real one rarely does. ``credentials_seconds`` below ``url_seconds``
    kills URLs early. Answers of ``gzip_from`` bytes or more are compressed for who asks for it. ``shelf`` holds the
    objects; without one they are reckoned and have no bytes. An export of more rows than ``times_out_above``
    fails. ``store_url`` replaces the buckets in the URLs that are minted.
    """

    def __init__(
        self,
        world: World,
        *,
        generation: Law | None = None,
        speed: float = 1.0,
        cap: Cap = 5,
        rate: float | None = 10.0,
        burst: int = 10,
        seed: int | None = None,
        running_word: str = "PROCESSING",
        weather: Weather | None = None,
        shelf: Shelf | None = None,
        store_url: str = "",
        epoch: float = EPOCH,
        retry_after: bool = False,
        token_seconds: float = 3600.0,
        url_seconds: float = 3600.0,
        credentials_seconds: float = 3600.0,
        gzip_from: int = 1024,
        times_out_above: int | None = None,
    ) -> None:
        seed = world.seed if seed is None else seed
        self.world = world
        self.weather = weather if weather is not None else Weather()
        self.counters = Counters()
        self.tokens = Tokens(world, seconds=token_seconds, seed=seed)
        self.shelf: Shelf = shelf if shelf is not None else Reckoned(world)
        self.exports = Exports(generation or LogNormal(), self.shelf, seed=seed, speed=speed)
        self.store_url = store_url
        self.epoch = epoch
        self._cap: Callable[[float], int | None] = cap if callable(cap) else lambda _: cap
        self._buckets = Buckets(rate, burst)
        self._census = Census(world, times_out_above)
        self._running_word = running_word
        self._retry_after = retry_after
        self._gzip_from = gzip_from
        self._url_seconds = url_seconds
        self._letters = Letterhead(seed, epoch)
        self._paper = StorePaper(seed, epoch)
        self._signer = Signer(seed=seed, epoch=epoch, url_seconds=url_seconds, credentials_seconds=credentials_seconds)

    @property
    def journal(self) -> Mapping[str, ExportRecord]:
        """Every export that was asked for, by id, in the order of asking."""
        return self.exports.records

    @property
    def peaks(self) -> dict[tuple[str, Region, Entity], int]:
        """The most exports that were in progress at once, by client id, region and endpoint."""
        return self.exports.peaks()

    def use(self, shelf: Shelf) -> None:
        """Take another shelf: done once, before the first call, by whoever has real bytes."""
        self.shelf = shelf
        self.exports.use(shelf)

    def api(self, request: Request, now: float) -> Response:
        """Answer one call to the API or the token host, as a client sees it: header names in lower case.

        Raises :class:`ConnectionLost` where the weather cuts the connection. Delays are not spent, see :meth:`answer`.
        """
        answer = self.answer(request, now)
        if answer.damage.cut:
            raise ConnectionLost("the connection was reset before the answer was whole (planned)")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, {**headers, "content-length": str(len(answer.body))}, answer.body)

    def answer(self, request: Request, now: float) -> Answer:
        """Answer one call to the API or the token host; the damage on its way is the sender's to do."""
        endpoint = "unknown"
        try:
            heard = checks.hear(request)
            endpoint = _endpoint(heard)
            answer = self._ROUTES[heard.route.stage](self, heard, request, now)
        except Refusal as refusal:
            answer = self._letters.refusal(now, refusal)
        self.counters.requests[endpoint] += 1
        self.counters.statuses[endpoint, answer.status] += 1
        return self._compressed(answer, request)

    def store(self, method: str, target: str, headers: Mapping[str, str], now: float) -> StoreAnswer:
        """Answer one call to the object store. ``target``: path and query exactly as they came."""
        self.counters.requests["store"] += 1
        answer = self._store(method, target, {name.lower(): value for name, value in headers.items()}, now)
        self.counters.statuses["store", answer.status] += 1
        return answer

    def _token(self, _: Heard, request: Request, now: float) -> Answer:
        grant = self.tokens.grant_for(request)
        met = self.weather.meet(Call("token", now=now))

        def act() -> Answer:
            refresh = self.tokens.rotate(grant) if "rotate-token" in met else grant.refresh_token
            body: dict[str, Any] = {"access_token": self.tokens.issue(grant, now), "refresh_token": refresh}
            body |= {"token_type": "bearer", "expires_in": round(self.tokens.seconds)}
            if "expires-in" in met:
                body["expires_in"] = _lenient(met["expires-in"][0])
            if "no-access-token" in met:
                del body["access_token"]
            more = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
            return self._letters.answer(now, 200, orjson.dumps(body), f"{JSON};charset=UTF-8", more)

        return self._under(met, now, act)

    def _profiles(self, heard: Heard, _: Request, now: float) -> Answer:
        token, grant = self._caller(heard, now)
        self._throttle(grant.client_id, now)
        if heard.route.name:
            return self._one_profile(heard, grant, now)
        met = self._meet(Call("profiles", now=now), token)
        return self._under(met, now, lambda: self._json(now, profile_list(grant.at(heard.region), heard.query, met)))

    def _one_profile(self, heard: Heard, grant: Grant, now: float) -> Answer:
        for profile in grant.at(heard.region):
            if profile.profile_id == heard.route.name:
                return self._json(now, profile_object(profile))
        raise Refusal(404, {"code": "NOT_FOUND", "details": f"Could not find profile {heard.route.name}"})

    def _request(self, heard: Heard, _: Request, now: float) -> Answer:
        entity = heard.route.entity
        assert entity is not None  # noqa: S101
        token, grant = self._caller(heard, now)
        profile = checks.scope(heard, grant, self.world)
        self._throttle(profile.profile_id, now)
        media = checks.media_type(heard.headers, entity)
        key = ObjectKey.of(profile.profile_id, entity, checks.filters(entity, heard.body))
        cap = self._cap(now)
        if cap is not None and self.exports.busy(grant, entity, now) >= cap:
            self.counters.throttled["cap"] += 1
            raise too_many()
        met = self._meet(Call("request", profile.profile_id, entity, now), token)

        def act() -> Answer:
            record = self.exports.request(grant, key, now, failure=self._failure(key))
            if "fail" in met:
                record.failure = met["fail"][0]
            body = export_bodies.requested(record, self._running_word, met)
            return self._letters.answer(now, 202, orjson.dumps(body), media)

        return self._under(met, now, act)

    def _failure(self, key: ObjectKey) -> str:
        return "TIMED_OUT" if self._census.is_too_large(key) else ""

    def _poll(self, heard: Heard, _: Request, now: float) -> Answer:
        token, grant = self._caller(heard, now)
        profile = checks.scope(heard, grant, self.world)
        self._throttle(profile.profile_id, now)
        record = self.journal.get(heard.route.name)
        if record is None or record.client_id != grant.client_id or record.key.profile_id != profile.profile_id:
            raise by_status(404)
        media = checks.same_type(heard.headers, record.key.entity)
        record.looks += 1
        ready = self.exports.ended(record, now) and not record.failure
        if record.ended_at is not None and now - record.ended_at > KEPT:
            raise Refusal(400, {"message": "Snapshot requested is older than 24 hours"})
        met = self._meet(Call("poll", profile.profile_id, record.key.entity, now, ready=ready), token)
        return self._under(
            met, now, lambda: self._letters.answer(now, 200, orjson.dumps(self._look(record, met, now)), media)
        )

    def _look(self, record: ExportRecord, met: Met, now: float) -> dict[str, Any]:
        if "fail" in met:
            self.exports.fail(record, met["fail"][0], now)
        if "word" in met or not self.exports.ended(record, now):
            return export_bodies.running(record, self._running_word, met)
        if record.failure:
            return export_bodies.failed(record, self.epoch)
        dead = "token" if "expire-url" in met else "signature" if "expire-url-403" in met else ""
        origin = self.store_url or BUCKETS[record.region]
        url = self._signer.mint(origin, record.path, record.region, now, dead=dead)
        times = (
            self.epoch + now + self._url_seconds,
            self.epoch + (record.ended_at or now),
            self.epoch + record.asked_at,
        )
        return export_bodies.completed(record, url, self._stored(record).size, times, met)

    def _store(self, method: str, target: str, headers: dict[str, str], now: float) -> StoreAnswer:
        try:
            record = self._signed_for(method, target, headers, now)
            call = Call(
                "download", record.key.profile_id, record.key.entity, now, ready=True, ranged="range" in headers
            )
            wish = Wish(record.key, self._stored(record), headers, self.epoch + (record.ended_at or now))
        except StoreRefusal as refusal:
            return self._paper.refusal(now, refusal, method)
        met = self.weather.meet(call)
        try:
            refusal_instead = store_instead(met, self._signer, target, now)
            if refusal_instead is not None:
                raise refusal_instead
            answer = plain_answer(wish, self._paper.headers(now), met)
        except StoreRefusal as refusal:
            answer = self._paper.refusal(now, refusal)
        return weathered(answer, met, self.epoch + now)

    def _signed_for(self, method: str, target: str, headers: Mapping[str, str], now: float) -> ExportRecord:
        if "authorization" in headers:
            raise two_mechanisms(headers["authorization"])
        self._signer.check(method, target, now)
        record = self.exports.at(target.partition("?")[0])
        if record is None:
            raise by_store_status(404)
        return record

    def _stored(self, record: ExportRecord) -> StoredObject:
        stored = self.shelf.find(record.key)
        assert stored is not None  # noqa: S101
        return stored

    def _caller(self, heard: Heard, now: float) -> tuple[str, Grant]:
        token = checks.bearer(heard.headers)
        return token, checks.client(heard.headers, self.tokens.holder(token, now))

    def _throttle(self, key: str, now: float) -> None:
        wait = self._buckets.take(key, now)
        if wait:
            self.counters.throttled["rate"] += 1
            raise too_many(wait if self._retry_after else None)

    def _meet(self, call: Call, token: str) -> Met:
        met = self.weather.meet(call)
        if "revoke-token" in met:
            self.tokens.withdraw(token)
        return met

    def _under(self, met: Met, now: float, act: Callable[[], Answer]) -> Answer:
        refusal = instead(met)
        answer = act() if refusal is None else self._letters.refusal(now, refusal)
        return spoil(answer, met, self.epoch + now)

    def _json(self, now: float, value: list[dict[str, Any]] | dict[str, Any]) -> Answer:
        return self._letters.answer(now, 200, orjson.dumps(value), JSON)

    def _compressed(self, answer: Answer, request: Request) -> Answer:
        wanted = next((value for name, value in request.headers.items() if name.lower() == "accept-encoding"), "")
        if "gzip" not in wanted or len(answer.body) < self._gzip_from:
            return answer
        headers = {**answer.headers, "Content-Encoding": "gzip"}
        return replace(answer, headers=headers, body=gzip.compress(answer.body, mtime=0))

    _ROUTES: ClassVar[dict[str, Callable[[AdsState, Heard, Request, float], Answer]]] = {
        "token": _token,
        "profiles": _profiles,
        "request": _request,
        "poll": _poll,
    }


def _endpoint(heard: Heard) -> str:
    if heard.route.entity is not None:
        return heard.route.entity.value
    return "exports" if heard.route.stage == "poll" else heard.route.stage


def _lenient(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        return text
