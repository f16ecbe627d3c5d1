"""An exporter in a thread of its own: shared while somebody reads, closed and gone when nobody does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest

from asyncexport.adapters.threads import in_thread
from asyncexport.emulator.laws import Constant
from asyncexport.engine.aside import Aside, Session
from asyncexport.engine.exporter import Exporter
from asyncexport.errors import AuthError, ConfigError
from asyncexport.models import Entity, Exported, Failed, Filters, Job, Outcome, Receipt, TransferOrder
from asyncexport.sansio.scheduling.planning import plan
from asyncexport.sinks import Memory
from tests.engine.pulling import exporter, with_secrets
from tests.warehouse import Night, night


@pytest.fixture
def tonight() -> Iterator[Night]:
    before = threading.active_count()
    with night() as running:
        yield running
    assert threading.active_count() == before


def beside(tonight: Night) -> Aside:
    return Aside(lambda: exporter(tonight.server))


def jobs_of(session: Session, entity: Entity) -> list[Job]:
    return plan(session.discovery.profiles, entities=[entity], snapshot="night")


def come(outcomes: Iterator[Outcome | None]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome is not None]


def test_two_readers(tonight: Night) -> None:
    """Readers at the same time share one exporter, with its token and its profiles."""
    aside, sink = beside(tonight), Memory()
    with aside.joined() as one, aside.joined() as two:
        assert one is two
        found = [come(one.outcomes(jobs_of(one, entity), sink)) for entity in (Entity.CAMPAIGNS, Entity.ADS)]
        assert not one.is_busy

    assert [len(outcomes) for outcomes in found] == [2, 2]
    assert all(isinstance(outcome, Exported) for outcomes in found for outcome in outcomes)
    assert tonight.requests["token"] == 1


def test_a_reader_who_comes_later(tonight: Night) -> None:
    """When all have left the thread has ended; who comes then starts another exporter."""
    aside = beside(tonight)
    with aside.joined() as one:
        pass
    assert "asyncexport" not in {thread.name for thread in threading.enumerate()}
    with aside.joined() as two:
        assert come(two.outcomes(jobs_of(two, Entity.ADS), Memory()))

    assert one is not two
    assert tonight.requests["token"] == 2


def test_a_reader_that_waits(tonight: Night) -> None:
    """While nothing comes the reader is given the word again and again; leaving ends what is under way."""
    tonight.begins(generation=Constant(999.0))
    with beside(tonight).joined() as session:
        outcomes = session.outcomes(jobs_of(session, Entity.ADS), Memory())
        assert [next(outcomes), next(outcomes)] == [None, None]
        assert session.is_busy
        outcomes.close()  # type: ignore[attr-defined]
        assert not session.is_busy


def test_outcomes_that_outlive_their_reader(tonight: Night) -> None:
    """Leaving ends the reader's jobs, though their outcomes are still held by somebody."""
    tonight.begins(generation=Constant(999.0))
    with beside(tonight).joined() as session:
        outcomes = session.outcomes(jobs_of(session, Entity.ADS), Memory())
        assert next(outcomes) is None

    assert not session.is_busy
    with pytest.raises(CancelledError):
        next(outcomes)


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["in the loop", "in a thread"])
def test_a_reader_that_is_dropped_by_the_exporter(tonight: Night, in_a_thread: bool) -> None:
    """A reader that is collected where the exporter works does not hold it up, and is closed all the same."""
    held: list[Iterator[Outcome | None]] = []
    waits = threading.Event()

    class Dropping(Memory):
        async def find(self, order: TransferOrder) -> Receipt | None:
            await in_thread(waits.wait)
            await in_thread(held.clear) if in_a_thread else held.clear()
            return await super().find(order)

    def reader() -> Iterator[Outcome | None]:
        with beside(tonight).joined() as session:
            yield from session.outcomes(jobs_of(session, Entity.ADS), Dropping())

    held.append(reader())
    assert next(held[0]) is None
    waits.set()

    for name in ("asyncexport", "asyncexport-leaving"):
        for thread in threading.enumerate():
            if thread.name == name:
                thread.join(10)
    assert not held
    assert not any(thread.name.startswith("asyncexport") for thread in threading.enumerate())


def test_a_job_that_fails(tonight: Night) -> None:
    """What fails is an outcome of its reader, and known to all readers."""
    tonight.begins("poll nth=1: fail-SOMETHING_NEW")
    with beside(tonight).joined() as session:
        outcomes = come(session.outcomes(jobs_of(session, Entity.ADS), Memory()))

    assert [outcome for outcome in outcomes if isinstance(outcome, Failed)] == session.failed
    assert len(session.failed) == 1


def test_a_run_that_cannot_be(tonight: Night) -> None:
    """What a run raises comes out where its outcomes are read."""
    with beside(tonight).joined() as session:
        (first, *_) = jobs_of(session, Entity.ADS)
        twice = [first, replace(first, filters=Filters(states=("ENABLED",)))]
        with pytest.raises(ConfigError, match="with other filters"):
            come(session.outcomes(twice, Memory()))
        assert not session.is_busy


def test_an_exporter_that_cannot_start(tonight: Night) -> None:
    """What is in the way of starting is raised to who wanted to read, and nothing is left running."""

    def refuse() -> str:
        raise AuthError("the vault is shut")

    shut = with_secrets(*tonight.server.accounts(), refresh_token=refuse)
    aside = Aside(lambda: Exporter([shut]))
    for _ in range(2):
        with pytest.raises(AuthError, match="the vault is shut"), aside.joined():
            pass
    assert "asyncexport" not in {thread.name for thread in threading.enumerate()}
