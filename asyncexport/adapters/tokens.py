"""Access tokens: one refresh at a time per grant, however many profiles wait for it.

Callers ask :meth:`TokenSource.token` for each call and get the current token. The first that finds it old refreshes it
while the others wait in line; whoever is cancelled while refreshing simply leaves the line to the next. Tokens carry a
generation: a 401 retires the generation that was refused, so a thousand simultaneous 401s cost one refresh. Shortly
before expiry a refresh is only advisable: one caller tries, the others use the old token, which serves on if it fails.

An outage of the token host costs one round of attempts, not one for each caller: what ended the round is remembered as
long as the longest backoff, and given to all who ask meanwhile. A round that ended early because its own caller had no
more time says little about the host, and is not held against the others until the host has been failing that long. A
``Retry-After`` is kept by everybody: who has the time waits, who has not is told at once. Worst case: a caller waits
in line until its deadline.

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

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.retrying import Retrying, in_time
from asyncexport.adapters.threads import ended
from asyncexport.errors import ApiError, AsyncexportError, AuthError, RequestRejected, StateError, UrlRefused
from asyncexport.events import OddityNoticed, TokenRefreshed
from asyncexport.ports import Clock, Listener, Transport
from asyncexport.sansio import wire

ADVISORY_SECONDS = 300.0
"""So long before its expiry (at most a tenth of its life) a token is refreshed if that works, else used on."""

_KEEPING_SECONDS = 30.0
"""So long a new refresh token may take to be stored, even if the run is cancelled meanwhile."""

_FINAL = (AuthError, RequestRejected, UrlRefused)
"""What the token host would only say again: no further call is made with this grant."""


@dataclass(frozen=True, slots=True)
class Access:
    """An access token and which of them it is."""

    token: Secret
    generation: int


@dataclass(frozen=True, slots=True)
class _Trouble:
    """What went wrong, and until when that is all there is to say, in the clock's seconds."""

    error: AsyncexportError
    until: float

    def again(self) -> AsyncexportError:
        """Return an error for one more caller: the same one raised in many tasks would keep all their frames."""
        return copy(self.error)


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
        self._refusal: _Trouble | None = None
        self._pause: _Trouble | None = None
        self._failing_since: float | None = None

    @property
    def client_id(self) -> str:
        """The client the tokens are for."""
        return self._grant.client_id

    async def token(self, *, deadline: float | None = None) -> Access:
        """Return a token that is good now; ``deadline``, in the clock's seconds, bounds the wait for it.

        Raises :class:`AuthError` once and for all when the grant is refused, and what else the token host says that it
        would only say again; what passes is raised when it does not pass in time. Each caller gets an error of its own.
        """
        if (current := self._fresh() or self._good_enough()) is not None:
            return current
        if deadline is None:
            return await self._in_line(None)
        began = self._clock.now()
        return await in_time(
            lambda: self._in_line(deadline),
            clock=self._clock,
            deadline=deadline,
            what=f"account {self._account.name!r}: access token",
            extension=lambda: self._retrying.host.down_seconds(began),
        )

    def reject(self, access: Access) -> None:
        """The API refused this token: the next caller gets another one. Telling it again changes nothing."""
        if self.is_current(access):
            self._current = None

    def is_current(self, access: Access) -> bool:
        """Tell whether this is the token that is given out now: nobody has retired or replaced it."""
        return self._current is not None and self._current.generation == access.generation

    def _fresh(self) -> Access | None:
        now = self._clock.now()
        if self._refusal is not None and now < self._refusal.until:
            raise self._refusal.again()
        return self._current if now < self._refresh_at else None

    def _good_enough(self) -> Access | None:
        """Return the old token while somebody else is refreshing it."""
        return self._unexpired() if self._line.locked() else None

    def _unexpired(self) -> Access | None:
        return self._current if self._clock.now() < self._expires_at else None

    async def _in_line(self, deadline: float | None) -> Access:
        async with self._line:
            return self._fresh() or await self._refreshed(deadline)

    async def _refreshed(self, deadline: float | None) -> Access:
        if self._unexpired() is not None and (access := await self._early()) is not None:
            return access
        await self._wait_out_pause(deadline)
        try:
            return await self._retrying.call(
                self._ask, what="access token", account=self._account.name, deadline=deadline
            )
        except AsyncexportError as error:
            self._remember(error, deadline)
            raise

    async def _early(self) -> Access | None:
        """Try once. If it fails the old token serves on; None: it is too old for that by now."""
        try:
            return await self._ask()
        except AuthError as error:
            self._remember(error, None)
            raise
        except AsyncexportError as error:
            self._put_off(error)
        self._listener(OddityNoticed(f"account {self._account.name!r}: the token could not be refreshed early"))
        return self._unexpired()

    def _put_off(self, error: AsyncexportError) -> None:
        """Try again early when that can help; what would only be refused again is left for when it has to be."""
        again_at = self._clock.now() + ADVISORY_SECONDS / 10
        if self._pause is not None:
            again_at = max(again_at, self._pause.until)
        self._refresh_at = self._expires_at if isinstance(error, _FINAL) else min(self._expires_at, again_at)

    async def _wait_out_pause(self, deadline: float | None) -> None:
        """Leave the token host alone for as long as it asked; raise what it said if that is too long."""
        if self._pause is None:
            return
        if self._pause.until > self._retrying.last_moment(deadline):
            raise self._pause.again()
        if (seconds := self._pause.until - self._clock.now()) > 0:
            await self._clock.sleep(seconds)

    def _remember(self, error: AsyncexportError, deadline: float | None) -> None:
        now, longest = self._clock.now(), self._retrying.longest
        if isinstance(error, _FINAL):
            self._refusal = _Trouble(copy(error), float("inf"))
            return
        next_chance = max(now + longest, self._pause.until if self._pause is not None else now)
        had_time = next_chance <= self._retrying.last_moment(deadline)
        is_outage = self._failing_since is not None and now - self._failing_since >= longest
        if had_time or is_outage:
            self._refusal = _Trouble(copy(error), now + longest)

    async def _ask(self) -> Access:
        self._count()
        asked_at = self._clock.now()
        try:
            with self._retrying.host.exchange(self._account.name):
                response = await self._transport.send(wire.token_request(self._account.token_url, self._grant))
                answer = wire.read_token(response, self._grant, self._account.name)
        except AsyncexportError as error:
            self._note_failure(error, asked_at)
            raise
        if answer.refresh != self._grant.refresh_token:
            self._grant = replace(self._grant, refresh_token=answer.refresh)
            await ended(asyncio.create_task(self._store(answer.refresh)))
        return self._take(answer, asked_at)

    def _note_failure(self, error: AsyncexportError, asked_at: float) -> None:
        if self._failing_since is None:
            self._failing_since = asked_at
        if isinstance(error, ApiError) and error.retry_after is not None:
            self._pause = _Trouble(copy(error), self._clock.now() + error.retry_after)

    async def _store(self, refresh: Secret) -> None:
        """Have the token stored; whoever asked for it waits until that has ended, also when cancelled meanwhile."""
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
        self._refusal = self._pause = self._failing_since = None
        self._generation += 1
        self._current = Access(answer.access, self._generation)
        self._expires_at = asked_at + answer.seconds
        self._refresh_at = self._expires_at - min(ADVISORY_SECONDS, answer.seconds / 10)
        self._listener(TokenRefreshed(self._account.name, answer.seconds))
        return self._current

    def __repr__(self) -> str:
        return f"<TokenSource {self._account.name} generation {self._generation}>"
