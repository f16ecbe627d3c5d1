"""An exporter's connection to a Dask cluster.

Contract: opening it raises one typed error if no transfer could run there: :class:`ClusterLost` where nothing answers
or no worker is there, :class:`ConfigError` where the scheduler or a worker does not have this version of ours.
Afterwards seats are taken (:meth:`Cluster.seat`), messages go to the offices (:meth:`Cluster.tell`), and what offices
say comes to a :class:`Desk`. A connection that breaks, or a scheduler that is silent for :data:`ANSWER_SECONDS`, is
lost for good, which the desk is told: what the scheduler knew of our tasks is gone even if it comes back.

All goes by way of the scheduler, since workers often cannot be reached from outside of their network.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol, cast

from distributed import Client, Future

from asyncexport._version import __version__
from asyncexport.adapters.threads import ended
from asyncexport.engine.runners.dask.caretaker import Caretaker
from asyncexport.engine.runners.dask.local import LocalCluster
from asyncexport.engine.runners.dask.office import Office, ToSeat, hear, sit
from asyncexport.engine.runners.dask.words import TOPIC, FromOffice, Packed, Terms
from asyncexport.errors import AsyncexportError, ClusterLost, ConfigError
from asyncexport.sansio.redact import EXCERPT, printable, scrub

CONNECT_SECONDS = 10.0
WORKER_SECONDS = 60.0
"""So long a cluster may take to have a worker: one that grows with its work begins with none."""

ANSWER_SECONDS = 60.0
LOOK_SECONDS = 1.0
_CLOSE_SECONDS = 10.0


class Desk(Protocol):
    """Who is told what a cluster has to say."""

    def hear(self, message: FromOffice) -> None:
        """An office said something."""

    def count(self, workers: int) -> None:
        """There are so many workers now; this comes every :data:`LOOK_SECONDS`."""

    def lose(self, error: ClusterLost) -> None:
        """The connection is lost."""


class Cluster:
    """The cluster at ``where``, an address or one of this machine's own."""

    def __init__(self, where: str | LocalCluster, terms: Terms, desk: Desk) -> None:
        self.name = f"asyncexport-{secrets.token_hex(6)}"
        self._where = where
        self._terms = terms
        self._desk = desk
        self._client: Client | None = None
        self._stream: Any = None
        self._resources = AsyncExitStack()
        self.lost: ClusterLost | None = None
        self.workers = 0

    def __repr__(self) -> str:
        state = "lost" if self.lost else "closed" if self._client is None else "open"
        return f"<Cluster {self._where if isinstance(self._where, str) else 'of this machine'} {state}>"

    async def open(self) -> None:
        """Connect, or start the cluster, and open an office in each worker."""
        async with AsyncExitStack() as stack:
            address = self._where
            if isinstance(address, LocalCluster):
                stack.push_async_callback(_surely, address.aclose)
                address = await address.start()
            client = self._client = await _connected(address)
            stack.push_async_callback(_surely, self._leave)
            self._stream = client.scheduler_comm
            self.workers = await _check_versions(client, address)
            await client.register_plugin(Caretaker(self.name, client.id))
            await client.register_plugin(Office(self.name, self._terms))
            client.subscribe_topic(TOPIC, self._take)
            watching = asyncio.create_task(self._watch(client))
            stack.callback(watching.cancel)
            self._resources = stack.pop_all()

    async def aclose(self) -> None:
        """Close the offices and the connection; end the cluster if it is this machine's own."""
        await self._resources.aclose()

    def seat(self, number: int) -> Future[None]:
        """Have a task take a seat. Raises :class:`ClusterLost`."""
        key = f"{self.name}-{number}"
        return self._open_client.submit(sit, self.name, number, key=key, pure=False)

    async def tell(self, address: str, message: ToSeat) -> bool | None:
        """Tell an office something; return whether that was for somebody there, None if no answer came back."""
        told = (await self.asked(hear, self.name, Packed.of(message), workers=[address])).get(address)
        return told if isinstance(told, bool) else None

    async def asked(self, ask: Callable[..., Any], *args: object, workers: list[str] | None = None) -> dict[str, Any]:
        """Have workers, or all of them, do something; return what each returned, or the exception that was met."""
        try:
            return dict(await self._open_client.run(ask, *args, workers=workers, on_error="return"))
        except AsyncexportError:
            raise
        except Exception:  # noqa: BLE001  whatever Dask raises where a worker or the scheduler has gone meanwhile
            return {}

    @property
    def _open_client(self) -> Client:
        if self._client is None:
            raise ConfigError("the exporter is used outside its 'async with' block")
        self.look()
        if self.lost is not None:
            raise self.lost
        return self._client

    def _take(self, event: tuple[float, tuple[str, bytes]]) -> None:
        name, data = event[1]
        if name == self.name:
            self._desk.hear(Packed(data).unpacked())

    def look(self) -> None:
        """Notice the loss of the connection, if nobody has yet."""
        if self._client is not None and (self._client.scheduler_comm != self._stream or self._stream.comm.closed()):
            self._note_loss()

    def _note_loss(self) -> None:
        if self.lost is not None:
            return
        self.lost = ClusterLost(
            "the Dask cluster cannot be reached any more: its scheduler has ended, or the network between"
        )
        self._desk.lose(self.lost)

    async def _watch(self, client: Client) -> None:
        """Look after the connection until it is lost."""
        while self.lost is None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                workers = await asyncio.wait_for(client.nthreads(), ANSWER_SECONDS)
            except Exception:  # noqa: BLE001  whatever Dask raises for it
                self._note_loss()
            else:
                self.look()
                self._desk.count(len(workers))

    async def _leave(self) -> None:
        """Close the offices and the connection."""
        client, self._client = self._client, None
        if client is not None:
            if self.lost is None:
                await _tried(client.unregister_worker_plugin(self.name))
            await _tried(client.close(_CLOSE_SECONDS))


async def _connected(address: str) -> Client:
    try:
        client = Client(
            address,
            asynchronous=True,
            set_as_default=False,
            direct_to_workers=False,
            timeout=CONNECT_SECONDS,
            name="asyncexport",
        )
        try:
            await client
        except BaseException:
            await _tried(client.close(_CLOSE_SECONDS))  # or it would close itself when nobody waits for it any more
            raise
    except ValueError as error:
        raise ConfigError(f"dask = {address!r} is no address of a Dask scheduler: {_said(error)}") from None
    except OSError as error:
        raise ClusterLost(f"the Dask scheduler at {address} cannot be reached: {_said(error)}") from None
    return client


def _version() -> str:
    return __version__


async def _check_versions(client: Client, address: str) -> int:
    """Refuse a cluster without a worker, or with another version of ours anywhere; return how many workers it has."""
    try:
        found = {f"scheduler at {address}": await client.run_on_scheduler(_version)}
    except Exception as error:  # noqa: BLE001  whatever unpickling our function raises there
        found = {f"scheduler at {address}": error}
    await _have_worker(client, address)
    answers = await client.run(_version, on_error="return")
    found |= {f"worker at {worker}": answer for worker, answer in answers.items()}
    for who, version in found.items():
        if isinstance(version, ImportError | AttributeError):
            raise ConfigError(
                f"the Dask {who} cannot import asyncexport {__version__}, which has to be installed there"
            )
        if version != __version__:
            known = _said(version) if isinstance(version, Exception) else f"has asyncexport {version}"
            raise ConfigError(f"the Dask {who} {known}; {__version__}, as here, has to be installed there")
    return len(answers)


async def _have_worker(client: Client, address: str) -> None:
    """Wait for a worker; a task that waits too makes a cluster grow that grows with its work."""
    if await client.nthreads():
        return
    wanting = client.submit(_version, pure=False)
    try:
        await cast("Any", client).wait_for_workers(1, timeout=WORKER_SECONDS)
    except TimeoutError:
        raise ClusterLost(
            f"the Dask cluster at {address} has no worker, and got none in {WORKER_SECONDS:g} s"
        ) from None
    finally:
        wanting.release()


async def _surely(close: Callable[[], Awaitable[None]]) -> None:
    """Close something, whoever is cancelled meanwhile."""
    await ended(asyncio.ensure_future(close()))


async def _tried(closing: Awaitable[object]) -> None:
    """Close something of Dask's that may be gone, or hang."""
    with suppress(Exception):
        await asyncio.wait_for(closing, _CLOSE_SECONDS)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}"
