"""Everything that belongs to one account while an exporter is open: its token, its calls, its exports."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from asyncexport.accounts import Account, Secret, SecretSource
from asyncexport.adapters.host import Host
from asyncexport.adapters.limiter import ClientLimiter, Limiter
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.telling import Telling
from asyncexport.adapters.tokens import TokenSource
from asyncexport.engine.accounts.api import AdsApi
from asyncexport.engine.jobs.export import ExportMaker, Located
from asyncexport.engine.jobs.tally import Tally
from asyncexport.engine.jobs.windows import Chances
from asyncexport.errors import AsyncexportError, ConfigError
from asyncexport.models import Job, Limits, SignedUrl, TransferOrder
from asyncexport.ports import Clock, Listener, Transport
from asyncexport.sansio import wire
from asyncexport.sansio.looks.learned import LearnedPolling
from asyncexport.sansio.looks.polling import Polling
from asyncexport.sansio.pacing.backoff import Backoff, Spread
from asyncexport.sansio.pacing.bucket import Bucket
from asyncexport.sansio.pacing.wider import ClientRate
from asyncexport.sansio.transfers.urls import check_download_url


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every account shares: the ports, the randomness and the policies.

    ``schedule``: when to look, where the caller has decided it; otherwise it is learned. ``chances`` hear how looks are
    answered.
    """

    transport: Transport
    clock: Clock
    spread: Spread
    listener: Listener
    limits: Limits
    schedule: Polling | None
    backoff: Backoff
    deadline: float
    tally: Tally
    chances: Chances


@dataclass(frozen=True, slots=True)
class Desk:
    """One account at work."""

    account: Account
    api: AdsApi
    exports: ExportMaker
    polling: Polling

    def order(self, job: Job, found: Located) -> TransferOrder:
        """Return the transfer order for a completed export. Raises :class:`UrlRefused` for a URL not to be followed."""
        self.admit(found.url)
        export = found.export
        return TransferOrder(job, export.export_id, found.url, export.file_size, generated_at=export.generated_at)

    def admit(self, url: SignedUrl) -> None:
        """Raise :class:`UrlRefused` unless this account's exports may be fetched from ``url``."""
        check_download_url(url, allowed=self.account.download_hosts, api_url=self.account.api_url)

    async def renew(self, order: TransferOrder) -> SignedUrl:
        """Ask the order's export for a fresh URL."""
        found = await self.exports.renew(order.job, order.export_id)
        self.admit(found.url)
        return found.url


class Desks:
    """Opens desks.

    Accounts that share a host share its retry budget; those that share a client, its limiters and what was learned of
    its exports.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._token_hosts: dict[str, Retrying] = {}
        self._api_hosts: dict[tuple[str, str], Retrying] = {}
        self._clients: dict[tuple[str, str], ClientLimiter] = {}
        self._limiters: dict[tuple[str, str, str], Limiter] = {}
        self._polling: dict[tuple[str, str], Polling] = {}

    async def open(self, account: Account) -> Desk:
        """Fetch the account's credentials and set its desk up. Raises :class:`ConfigError` if they cannot be had."""
        around = self._around
        grant = await grant_of(account)
        transport = Telling(around.transport, account, clock=around.clock, listener=around.listener)
        tokens = TokenSource(
            account,
            grant,
            transport=transport,
            clock=around.clock,
            retrying=self._retrying_tokens(account.token_url),
            listener=around.listener,
            count=around.tally.count_request,
        )
        api = AdsApi(
            account,
            tokens,
            transport=transport,
            clock=around.clock,
            retrying=self._retrying_calls(account),
            limiter_of=self._limiter_of(account, grant.client_id),
            tally=around.tally,
            chance=around.chances[grant.client_id, account.region.value],
        )
        polling = around.schedule or self._polling_for(account, grant.client_id)
        exports = ExportMaker(
            api,
            clock=around.clock,
            spread=around.spread,
            listener=around.listener,
            polling=polling,
            deadline=around.deadline,
        )
        return Desk(account, api, exports, polling)

    def _retrying_tokens(self, url: str) -> Retrying:
        """Return what repeats calls to a token host. One caller asks it, and all who wait for a token are its crowd."""

        def crowd() -> int:
            return sum(each.host.callers for each in self._api_hosts.values())

        if url not in self._token_hosts:
            self._token_hosts[url] = self._retrying(url, crowd=crowd)
        return self._token_hosts[url]

    def _retrying_calls(self, account: Account) -> Retrying:
        """Return what repeats calls to the account's API host, which is of no use without the token host."""
        key = (account.api_url, account.token_url)
        if key not in self._api_hosts:
            needs = self._retrying_tokens(account.token_url).host
            self._api_hosts[key] = self._retrying(account.api_url, needs=needs)
        return self._api_hosts[key]

    def _retrying(self, url: str, *, crowd: Callable[[], int] = lambda: 1, needs: Host | None = None) -> Retrying:
        around = self._around
        host = Host(
            patience=around.backoff.outage,
            clock=around.clock,
            spread=around.spread,
            crowd=crowd,
            needs=needs,
            name=urlsplit(url).hostname or "",
            listener=around.listener,
        )
        return Retrying(around.backoff, clock=around.clock, spread=around.spread, listener=around.listener, host=host)

    def _polling_for(self, account: Account, client_id: str) -> Polling:
        key = (client_id, account.region.value)
        if key not in self._polling:
            self._polling[key] = LearnedPolling(self._around.limits.looks)
        return self._polling[key]

    def _limiter_of(self, account: Account, client_id: str) -> Callable[[str], Limiter]:
        around, scope = self._around, (client_id, account.region.value)
        if scope not in self._clients:
            rate = ClientRate(around.limits.rate)
            self._clients[scope] = ClientLimiter(rate, around.clock)
            around.chances[scope].doubt_while(lambda: rate.is_slowed)

        def limiter(profile_id: str) -> Limiter:
            key = (*scope, profile_id)
            if key not in self._limiters:
                bucket = Bucket(around.limits.rate, around.limits.burst)
                client = self._clients[scope]
                self._limiters[key] = Limiter(bucket, around.clock, client=client, profile_id=profile_id)
            return self._limiters[key]

        return limiter


async def grant_of(account: Account) -> wire.Grant:
    """Fetch the account's credentials from wherever they are kept. Raises :class:`ConfigError`."""
    return wire.Grant(
        client_id=(await _fetched(account, "client_id", account.client_id)).reveal(),
        client_secret=await _fetched(account, "client_secret", account.client_secret),
        refresh_token=await _fetched(account, "refresh_token", account.refresh_token),
    )


async def _fetched(account: Account, name: str, source: SecretSource) -> Secret:
    secret = _secret_in(await _called(account, name, source))
    if secret is None:
        raise ConfigError(f"account {account.name!r}: {name} is empty, no text, or holds unprintable characters")
    return secret


def _secret_in(value: object) -> Secret | None:
    text = value.reveal() if isinstance(value, Secret) else value
    text = text.strip() if isinstance(text, str) else ""
    return Secret(text) if text and text.isprintable() else None


async def _called(account: Account, name: str, source: SecretSource) -> object:
    """Ask a vault. It is the caller's code: whatever it raises is told as ours, with the original as its cause."""
    try:
        value: object = source() if callable(source) else source
        return await value if inspect.isawaitable(value) else value
    except AsyncexportError:
        raise
    except Exception as error:
        raise ConfigError(f"account {account.name!r}: {name} could not be fetched: {type(error).__name__}") from error
