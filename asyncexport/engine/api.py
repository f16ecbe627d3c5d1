"""The API as one account sees it: three calls, each with a token, a rate limit and retries around it.

One attempt is: wait for the profile's limiter, then take the current token (one taken before could grow old meanwhile),
send, read. All of it ends at the deadline; a request that is cut off under way counts as one whose answer was lost. A
401 about the token retires that
token and replays the attempt once; a second 401 with a fresh token is the profile's fault, not the token's. Failing to
get a token has been retried by the token source already, so it ends the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.limiter import Limiter
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import Access, TokenSource
from asyncexport.engine.tally import Tally
from asyncexport.errors import (
    AsyncexportError,
    ConnectionLost,
    ProfileAccessDenied,
    ProtocolError,
    Throttled,
    TokenRejected,
)
from asyncexport.models import Export, Job, Profile
from asyncexport.ports import Request, Response, Transport
from asyncexport.sansio import wire

Result = TypeVar("Result")
Build = Callable[[Secret], Request]
Read = Callable[[Response], Result]


@dataclass(slots=True)
class _Call(Generic[Result]):
    """One call with all its attempts. ``on_lost`` is there if a lost answer matters."""

    build: Build
    read: Read[Result]
    limiter: Limiter
    deadline: float | None
    on_lost: Callable[[], None] | None
    is_under_way: bool = False


class AdsApi:
    """One account's calls. ``limiter_of`` gives the limiter of a profile id (empty: the account itself)."""

    def __init__(
        self,
        account: Account,
        tokens: TokenSource,
        *,
        transport: Transport,
        retrying: Retrying,
        limiter_of: Callable[[str], Limiter],
        tally: Tally,
    ) -> None:
        self.account = account
        self._tokens = tokens
        self._transport = transport
        self._retrying = retrying
        self._limiter_of = limiter_of
        self._tally = tally

    @property
    def client_id(self) -> str:
        """The Login-with-Amazon client that the calls are made for."""
        return self._tokens.client_id

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

    async def request_export(self, job: Job, *, deadline: float, on_lost: Callable[[], None]) -> Export:
        """Ask for the job's export.

        The call is not idempotent: ``on_lost`` is told each time an answer was lost, since the server may then be
        making an export that nobody will collect.
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
            on_lost=on_lost,
        )

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
        on_lost: Callable[[], None] | None = None,
    ) -> Result:
        call = _Call(build, read, self._limiter_of(profile_id), deadline, on_lost)
        failure: AsyncexportError
        try:
            return await self._retrying.call(
                lambda: self._with_token(call),
                what=what,
                account=self.account.name,
                profile_id=profile_id,
                deadline=deadline,
            )
        except _NoToken as stop:
            failure = stop.error
        except ConnectionLost as error:
            failure = error
            if call.is_under_way:
                self._count_lost(call)
        raise failure

    async def _with_token(self, call: _Call[Result]) -> Result:
        access = await self._admitted(call)
        try:
            return await self._once(call, access)
        except TokenRejected:
            self._tokens.reject(access)
        access = await self._admitted(call)
        try:
            return await self._once(call, access)
        except TokenRejected as error:
            raise ProfileAccessDenied(
                f"{error} (also with a fresh token)", status=error.status, code=error.code, request_id=error.request_id
            ) from None

    async def _admitted(self, call: _Call[Result]) -> Access:
        """Wait for the limiter, then for the token; what throttled the profile meanwhile is waited for as well."""
        while True:
            await call.limiter.acquire()
            try:
                access = await self._tokens.token(deadline=call.deadline)
            except AsyncexportError as error:
                raise _NoToken(error) from None
            if not call.limiter.is_paused:
                return access

    async def _once(self, call: _Call[Result], access: Access) -> Result:
        """Send and read. Whoever cancels this leaves the call marked as under way."""
        self._tally.count_request()
        call.is_under_way = True
        try:
            result = call.read(await self._transport.send(call.build(access.token)))
        except AsyncexportError as error:
            call.is_under_way = False
            self._learn(call, error)
            raise
        call.is_under_way = False
        call.limiter.succeeded()
        return result

    def _learn(self, call: _Call[Result], error: AsyncexportError) -> None:
        if isinstance(error, Throttled):
            self._tally.throttled += 1
            call.limiter.throttled(error.retry_after)
        if isinstance(error, ConnectionLost | ProtocolError):
            self._count_lost(call)

    def _count_lost(self, call: _Call[Result]) -> None:
        if call.on_lost is not None:
            self._tally.possibly_orphaned += 1
            call.on_lost()

    def __repr__(self) -> str:
        return f"<AdsApi {self.account.name}@{self.account.region.value}>"


class _NoToken(Exception):
    """Carries an error of the token source past the retries of the call that needed the token."""

    def __init__(self, error: AsyncexportError) -> None:
        super().__init__()
        self.error = error
