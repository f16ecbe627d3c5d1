"""Access tokens: one refresh at a time per grant, however many profiles wait for it.

Callers ask :meth:`TokenSource.token` for each call and get the current token. The first that finds it old refreshes it
while the others wait in line; whoever is cancelled while refreshing simply leaves the line to the next. Tokens carry a
generation: a 401 retires the generation that was refused, so a thousand simultaneous 401s cost one refresh. Shortly
before expiry a refresh is only advisable, and if it fails the old token serves on.

Should the token host answer with another refresh token, it is kept in memory first and handed to the account's keeper
next, before the access token beside it is used: from then on the old one may be worthless. A keeper that fails is told
loudly and stops nothing, because this run has what it needs; it is the next one that would not.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import anyio

from asyncexport.adapters.retrying import Retrying
from asyncexport.errors import AsyncexportError, AuthError, RequestRejected, StateError, TokenRejected, UrlRefused
from asyncexport.events import OddityNoticed, TokenRefreshed
from asyncexport.models import Account, Secret
from asyncexport.ports import Clock, Listener, Transport
from asyncexport.sansio import wire

ADVISORY_SECONDS = 300.0
"""So long before its expiry (at most a tenth of its life) a token is refreshed if that works, else used on."""

_KEEPING_SECONDS = 30.0
"""So long a new refresh token may take to be stored, even if the run is cancelled meanwhile."""

_FINAL = (AuthError, RequestRejected, TokenRejected, UrlRefused)
"""What the token host would only say again: no further call is made with this grant."""


@dataclass(frozen=True, slots=True)
class Access:
    """An access token and which of them it is."""

    token: Secret
    generation: int


class TokenSource:
    """The access tokens of one grant. ``count`` is told of every request that is sent."""

    def __init__(
        self,
        account: Account,
        grant: wire.Grant,
        *,
        transport: Transport,
        clock: Clock,
        retrying: Retrying,
        listener: Listener,
        count: Callable[[], None],
    ) -> None:
        self._account = account
        self._grant = grant
        self._transport = transport
        self._clock = clock
        self._retrying = retrying
        self._listener = listener
        self._count = count
        self._line = anyio.Lock()
        self._current: Access | None = None
        self._generation = 0
        self._expires_at = float("-inf")
        self._refresh_at = float("-inf")
        self._refusal: AsyncexportError | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def client_id(self) -> str:
        """The client the tokens are for."""
        return self._grant.client_id

    async def token(self) -> Access:
        """Return a token that is good now.

        Raises :class:`AuthError` once and for all when the grant is refused, and what else the token host says that it
        would only say again; each caller gets an error of its own, for the same one raised in a thousand tasks would
        keep all their frames.
        """
        if (current := self._fresh()) is not None:
            return current
        async with self._line:
            return self._fresh() or await self._refreshed()

    def reject(self, access: Access) -> None:
        """The API refused this token: the next caller gets another one. Telling it again changes nothing."""
        if self._current is not None and self._current.generation == access.generation:
            self._current = None

    def _fresh(self) -> Access | None:
        if self._refusal is not None:
            raise copy(self._refusal)
        return self._current if self._clock.now() < self._refresh_at else None

    async def _refreshed(self) -> Access:
        old = self._current
        try:
            if old is not None and self._clock.now() < self._expires_at:
                return await self._early(old)
            return await self._retrying.call(self._ask, what="access token", account=self._account.name)
        except _FINAL as error:
            self._refusal = copy(error)
            raise

    async def _early(self, old: Access) -> Access:
        try:
            return await self._ask()
        except AuthError:
            raise
        except AsyncexportError:
            self._refresh_at = min(self._expires_at, self._clock.now() + ADVISORY_SECONDS / 10)
            self._listener(OddityNoticed(f"account {self._account.name!r}: the token could not be refreshed early"))
            return old

    async def _ask(self) -> Access:
        self._count()
        asked_at = self._clock.now()
        response = await self._transport.send(wire.token_request(self._account.token_url, self._grant))
        answer = wire.read_token(response, self._grant, self._account.name)
        if answer.refresh != self._grant.refresh_token:
            self._grant = replace(self._grant, refresh_token=answer.refresh)
            await self._keep(answer.refresh)
        return self._take(answer, asked_at)

    async def _keep(self, refresh: Secret) -> None:
        """Have the token stored, also when whoever asked for it is cancelled meanwhile."""
        self._keeping = asyncio.create_task(self._store(refresh))
        try:
            await asyncio.wait({self._keeping})
        except asyncio.CancelledError:
            await asyncio.wait({self._keeping})
            raise

    async def _store(self, refresh: Secret) -> None:
        news = f"account {self._account.name!r}: the token host gave another refresh token"
        try:
            news += await self._stored(refresh)
        except StateError as error:
            news += f", which could not be stored ({error}): the next run may be refused and need consent again"
        self._listener(OddityNoticed(news))

    async def _stored(self, refresh: Secret) -> str:
        """Hand the token to the keeper; it is the caller's code, so whatever it raises is told as ours."""
        keeper = self._account.on_new_refresh_token
        if keeper is None:
            return ", and nothing is there to store it: use { file = PATH } or on_new_refresh_token"
        try:
            async with asyncio.timeout(_KEEPING_SECONDS):
                done = keeper(refresh)
                if inspect.isawaitable(done):
                    await done
        except AsyncexportError as error:
            raise StateError(str(error)) from None
        except TimeoutError:
            raise StateError(f"not done within {_KEEPING_SECONDS:.0f} s") from None
        except Exception as error:
            raise StateError(type(error).__name__) from error
        return ", and it was stored"

    def _take(self, answer: wire.Token, asked_at: float) -> Access:
        self._generation += 1
        self._current = Access(answer.access, self._generation)
        self._expires_at = asked_at + answer.seconds
        self._refresh_at = self._expires_at - min(ADVISORY_SECONDS, answer.seconds / 10)
        self._listener(TokenRefreshed(self._account.name, answer.seconds))
        return self._current

    def __repr__(self) -> str:
        return f"<TokenSource {self._account.name} generation {self._generation}>"
