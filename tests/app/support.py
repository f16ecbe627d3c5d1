"""Facts and a fake exporter for the tests of the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from asyncexport.accounts import Account, Region
from asyncexport.errors import AsyncexportError, ServerError
from asyncexport.events import JobFinished, RunStarted
from asyncexport.models import Discovery, Entity, Exported, Failed, Job, Outcome, Profile, Receipt, Refused, Summary
from asyncexport.ports import Listener, Sink

STARTED = datetime(2026, 11, 23, 2, 0, 11, tzinfo=UTC)
CANARY = "Atzr|canary-in-a-coal-mine"


def account(name: str = "acme", *, client_id: str = "amzn1.id") -> Account:
    return Account(name, region="EU", client_id=client_id, client_secret="hush", refresh_token=CANARY)


def profile(profile_id: str = "1", *, account: str = "acme", name: str = "Shop", kind: str = "seller") -> Profile:
    return Profile(account, Region.EU, profile_id, name=name, type=kind, country_code="DE")


def job(profile_id: str = "1", entity: Entity = Entity.CAMPAIGNS, *, account: str = "acme") -> Job:
    return Job(profile(profile_id, account=account), entity, snapshot="2026-11-23")


def exported(of: Job | None = None, *, rows: int = 10, size: int = 500, found: bool = False) -> Exported:
    receipt = Receipt("export-1", rows, size, "ab" * 32, "exports/part-0.jsonl.zst", source_bytes=300)
    return Exported(of or job(), receipt, found)


def in_parts(of: Job | None = None) -> Exported:
    """Return the outcome of a job that was split."""
    parts = [Receipt(f"e-{at}", 5, 50, "ab" * 32, f"exports/part-{at}.jsonl.zst", source_bytes=30) for at in range(3)]
    return Exported(of or job(), Receipt.of_parts(parts))


def waiting(of: Job) -> Exported:
    """Return the outcome of a part that waits for the others."""
    outcome = exported(of)
    return replace(outcome, receipt=replace(outcome.receipt, waits_at="exports/_part-0.jsonl.zst.staged"))


def failed(of: Job | None = None, error: AsyncexportError | None = None) -> Failed:
    return Failed(of or job(), error or ServerError("the API is down", status=503))


def refused(error: AsyncexportError, *, profile_id: str = "") -> Refused:
    return Refused("acme", Region.EU, error, profile_id)


class FakeExporter:
    """An exporter whose world is a list: what it discovers, and how each job ends.

    ``outcome_of`` is asked for each job in turn; returning None stops the run there and lets it hang until it is
    drained or cancelled, as exports that never become ready would.
    """

    def __init__(
        self,
        discovery: Discovery,
        outcome_of: Callable[[Job], Outcome | None] = exported,
        *,
        hang: Callable[[], Any] | None = None,
    ) -> None:
        self.discovery = discovery
        self.outcome_of = outcome_of
        self.hang = hang
        self.arguments: dict[str, Any] = {}
        self.accounts: Sequence[Account] = ()
        self.drained = False
        self.ended_by: type[BaseException] | None = None
        self.summary = Summary()

    def __call__(self, accounts: Sequence[Account], **arguments: Any) -> FakeExporter:
        self.accounts, self.arguments = accounts, arguments
        return self

    async def __aenter__(self) -> FakeExporter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended_by = kind

    async def discover(self) -> Discovery:
        return self.discovery

    @asynccontextmanager
    async def run(
        self,
        jobs: Iterable[Job],
        *,
        sink: Sink,  # noqa: ARG002
        again: bool = False,
    ) -> AsyncIterator[AsyncIterator[Outcome]]:
        self.arguments["again"] = again
        yield self._outcomes(list(jobs), self.arguments["listener"])

    async def _outcomes(self, jobs: list[Job], listener: Listener) -> AsyncIterator[Outcome]:
        listener(RunStarted(len(jobs)))
        done: list[Outcome] = []
        for job in jobs:
            outcome = self.outcome_of(job)
            if outcome is None:
                await self.hang()  # type: ignore[misc]
                return
            done.append(outcome)
            rows = sum(each.receipt.rows for each in done if isinstance(each, Exported))
            good = sum(isinstance(each, Exported) for each in done)
            self.summary = Summary(exported=good, failed=len(done) - good, rows=rows, requests=3 * len(done))
            listener(JobFinished(outcome))
            yield outcome

    def drain(self) -> None:
        self.drained = True


def python(*arguments: str) -> subprocess.Popen[str]:
    """Start another Python with all three streams piped, as text."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # noqa: S603
