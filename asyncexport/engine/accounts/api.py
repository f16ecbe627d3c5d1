"""The API as one account sees it: three calls, each with a token, a rate limit and retries around it.

One attempt is: wait for the profile's limiter, then take the current token (one taken before could grow old meanwhile),
send, read. All of it ends at the deadline; a request that is cut off under way counts as one whose answer was lost. A
401 about the token retires that token and replays the attempt; a second 401 with a fresh token is the profile's fault,
not the token's, unless others have found that token to be no good meanwhile: then the attempt is replayed once more.
Failing to get a token has been retried by the token source already, so it ends the call.

A request for an export is made by somebody who holds a slot that others need. So it waits for nothing that others
could go ahead of: a 429, a lost answer and a limiter that has no permit soon come out at once, and only what holds for
everybody (5xx, no connection) is retried here. :class:`AskLater` carries the former, so that nobody takes the token
host's 429 or lost answer, which has been retried, for one of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.limiter import Limiter
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import Access, TokenSource
from asyncexport.engine.jobs.tally import Tally
from asyncexport.errors import (
    AsyncexportError,
    ConnectionLost,
    ProfileAccessDenied,
    ProtocolError,
    Throttled,
    TokenRejected,
)
from asyncexport.models import Export, Job, Profile
from asyncexport.ports import Clock, Request, Response, Transport
from asyncexport.sansio import wire
from asyncexport.sansio.pacing.backoff import is_held_back
from asyncexport.sansio.pacing.chance import Chance

Result = TypeVar("Result")
Build = Callable[[Secret], Request]
Read = Callable[[Response], Result]

POST_PATIENCE = 1.0
"""So many seconds a request for an export waits for its profile's limiter; it holds a slot meanwhile."""

_TOKENS = 3


@dataclass(slots=True)
class _Call(Generic[Result]):
    """One call with all its attempts. If it is a ``request`` for an export a lost answer matters, and so does time."""

    what: str
    build: Build
    read: Read[Result]
    limiter: Limiter
    deadline: float | None
    is_request: bool
    passed_at: float = 0.0
    sent_at: float = 0.0
    is_under_way: bool = False
    may_run: bool = False

    @property
    def patience(self) -> float:
        """For how many seconds the limiter is waited for."""
        return POST_PATIENCE if self.is_request else float("inf")


class AskLater(Exception):
    """A request for an export failed in a way that passes, for itself alone: the slot is of use to others meanwhile.

    ``error`` is what it met: a :class:`Throttled`, a :class:`ConnectionLost` or a :class:`ProtocolError`. ``may_run``
    says whether the answer was lost, so that the server may be making an export that nobody will collect. ``was_sent``
    is false if the profile's limiter has no permit for as many seconds as ``error.retry_after`` says. ``in_outage``
    says whether the host answers nobody now: the next request will wait for its end.
    """

    def __init__(self, error: AsyncexportError, *, may_run: bool = False, in_outage: bool = False) -> None:
        super().__init__()
        self.error = error
        self.may_run = may_run
        self.in_outage = in_outage

    @property
    def was_sent(self) -> bool:
        """Whether the server was asked at all."""
        return not is_held_back(self.error)

    @property
    def counts(self) -> bool:
        """Whether it was an attempt: what the limiter held back, or nobody could have sent, is none."""
        return self.was_sent and not self.in_outage


class AdsApi:
    """One account's calls.

    ``limiter_of`` gives the limiter of a profile id (empty: the account itself). ``chance`` hears how those calls are
    answered that the number of exports in progress cannot throttle.
    """

    def __init__(
        self,
        account: Account,
        tokens: TokenSource,
        *,
        transport: Transport,
        clock: Clock,
        retrying: Retrying,
        limiter_of: Callable[[str], Limiter],
        tally: Tally,
        chance: Chance,
    ) -> None:
        self.account = account
        self._tokens = tokens
        self._transport = transport
        self._clock = clock
        self._retrying = retrying
        self._limiter_of = limiter_of
        self._tally = tally
        self._chance = chance

    @property
    def client_id(self) -> str:
        """The Login-with-Amazon client that the calls are made for."""
        return self._tokens.client_id

    def down_seconds(self, since: float) -> float:
        """Return for how long after ``since``, in the clock's seconds, nobody could call: no deadline counts that."""
        return self._retrying.host.down_seconds(since)

    async def check(self) -> None:
        """Get a token, or raise what is in the way of one."""
        await self._tokens.token()

    async def profiles(self) -> tuple[Profile, ...]:
        """Ask for the profiles of the account's region."""
        return await self._call(
            lambda access: wire.profiles_request(self.account, self.client_id, access),
            lambda response: wire.read_profiles(response, self.account),
            what="profiles",
        )

    async def request_export(self, job: Job, *, deadline: float, on_cut: Callable[[], object] = lambda: None) -> Export:
        """Ask for the job's export; not idempotent.

        If this is cancelled while a request is under way the server may be making the export: ``on_cut`` is called.

        Raises :class:`AskLater` at once for a 429, a lost or garbled answer, and a limiter without a permit. A 429 with
        a ``retry_after`` has paused the profile; without one it may speak of the exports in progress, and the profile
        is as it was: whoever finds that it spoke of the rate calls :meth:`slow_down`. Whatever else comes out is final.
        """
        what = f"request of {job}"

        def read(response: Response) -> Export:
            return wire.read_export(response, what)

        return await self._call(
            lambda access: wire.export_request(self.account, self.client_id, access, job),
            read,
            what=what,
            profile_id=job.profile.profile_id,
            deadline=deadline,
            is_request=True,
            on_cut=on_cut,
        )

    def check_permit(self, job: Job) -> None:
        """Raise :class:`AskLater` if the profile's limiter would hold a request for the job's export back now."""
        try:
            self._limiter_of(job.profile.profile_id).check(POST_PATIENCE)
        except Throttled as error:
            raise AskLater(error, may_run=False, in_outage=False) from None

    def slow_down(self, job: Job) -> None:
        """Take the last 429 that answered a request of the job's profile for one about its rate."""
        self._limiter_of(job.profile.profile_id).throttled(None)

    async def look(self, job: Job, export_id: str, *, deadline: float | None = None) -> Export:
        """Look at an export; if it is complete, the answer holds a fresh URL."""
        what = f"status of {job}"

        def read(response: Response) -> Export:
            return wire.read_export(response, what)

        return await self._call(
            lambda access: wire.status_request(self.account, self.client_id, access, job, export_id),
            read,
            what=what,
            profile_id=job.profile.profile_id,
            deadline=deadline,
        )

    async def _call(
        self,
        build: Build,
        read: Read[Result],
        *,
        what: str,
        profile_id: str = "",
        deadline: float | None = None,
        is_request: bool = False,
        on_cut: Callable[[], object] = lambda: None,
    ) -> Result:
        call = _Call(what, build, read, self._limiter_of(profile_id), deadline, is_request)
        failure: AsyncexportError
        try:
            return await self._retrying.call(
                lambda: self._attempt(call),
                what=what,
                account=self.account.name,
                profile_id=profile_id,
                deadline=deadline,
            )
        except _NoToken as stop:
            failure = stop.error
        except asyncio.CancelledError:
            if call.is_request and call.is_under_way:
                self._tally.possibly_orphaned += 1
                on_cut()
            raise
        except ConnectionLost as error:
            failure = error
            if call.is_request and call.is_under_way:
                self._tally.possibly_orphaned += 1
                raise AskLater(error, may_run=True, in_outage=self._retrying.host.is_down) from None
        raise failure

    async def _attempt(self, call: _Call[Result]) -> Result:
        call.passed_at = self._clock.now()
        if not call.is_request:
            return await self._with_token(call)
        try:
            return await self._with_token(call)
        except (Throttled, ConnectionLost, ProtocolError) as error:
            raise AskLater(error, may_run=call.may_run, in_outage=self._retrying.host.is_down) from None

    async def _with_token(self, call: _Call[Result]) -> Result:
        refusal: TokenRejected
        for refused in range(_TOKENS):
            access = await self._admitted(call)
            try:
                return await self._once(call, access)
            except TokenRejected as error:
                refusal = error
            if not refused:
                self._tokens.reject(access)
            elif self._tokens.is_current(access):
                break
        raise ProfileAccessDenied(
            f"{refusal} (also with a fresh token)",
            status=refusal.status,
            code=refusal.code,
            request_id=refusal.request_id,
        )

    async def _admitted(self, call: _Call[Result]) -> Access:
        """Wait for the limiter, then for the token; what has come to stand in the way meanwhile is waited for too.

        That is a pause of the profile, and an outage that began since the call passed the host's gate.
        """
        call.sent_at = await call.limiter.acquire(call.patience)
        while True:
            try:
                access = await self._tokens.token(deadline=call.deadline)
            except AsyncexportError as error:
                raise _NoToken(error) from None
            if call.limiter.is_paused:
                call.sent_at = await call.limiter.acquire(call.patience)
            elif await self._retrying.host.kept_waiting(call.passed_at):
                call.passed_at = self._clock.now()
            else:
                return access

    async def _once(self, call: _Call[Result], access: Access) -> Result:
        """Send and read. Whoever cancels this leaves the call marked as under way."""
        self._tally.count_request()
        call.is_under_way = True
        try:
            with self._retrying.host.exchange((self.account.name, call.what)):
                result = call.read(await self._transport.send(call.build(access.token)))
        except AsyncexportError as error:
            call.is_under_way = False
            self._learn(call, error)
            raise
        call.is_under_way = False
        call.limiter.succeeded()
        if not call.is_request:
            self._chance.heard(throttled=False)
        return result

    def _learn(self, call: _Call[Result], error: AsyncexportError) -> None:
        if isinstance(error, Throttled):
            self._tally.throttled += 1
            if not call.is_request:
                self._chance.heard(throttled=True)
            if not call.is_request or error.retry_after is not None:
                call.limiter.throttled(error.retry_after, sent_at=call.sent_at)
        call.may_run = call.is_request and isinstance(error, ConnectionLost | ProtocolError)
        self._tally.possibly_orphaned += call.may_run

    def __repr__(self) -> str:
        return f"<AdsApi {self.account.name}@{self.account.region.value}>"


class _NoToken(Exception):
    """Carries an error of the token source past the retries of the call that needed the token."""

    def __init__(self, error: AsyncexportError) -> None:
        super().__init__()
        self.error = error
