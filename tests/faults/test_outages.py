"""A night goes on after an outage as if it had stood still."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.outages import OUTAGE_SECONDS, Night, Outage, night

PROFILES = 50
BEGAN = 100.0


@pytest.fixture(scope="module")
def undisturbed() -> Night:
    """The same night without an outage."""
    return asyncio.run(night(PROFILES, Outage()))


@pytest.mark.parametrize("kind", ["refused", "503", "hanging", "reset"])
async def test_half_an_hour_without_an_answer(undisturbed: Night, kind: str) -> None:
    """No job is lost, there are hardly more calls and no burst, and it takes little longer than the outage did."""
    figures = await night(PROFILES, Outage(kind, began=BEGAN))
    assert (figures.jobs, figures.failed) == (4 * PROFILES, [])
    assert figures.requests <= 1.1 * undisturbed.requests
    assert figures.busiest_after <= figures.busiest_before
    assert figures.seconds <= undisturbed.seconds + OUTAGE_SECONDS + 120.0
    assert figures.cap_429s == 0


async def test_half_an_hour_without_a_token(undisturbed: Night) -> None:
    """The token host alone can stop a night too, when tokens grow old meanwhile; that is no different."""
    figures = await night(PROFILES, Outage("token host", began=BEGAN), token_seconds=120.0)
    assert (figures.jobs, figures.failed) == (4 * PROFILES, [])
    assert figures.requests <= 1.1 * undisturbed.requests
    assert figures.busiest_after <= figures.busiest_before


async def test_a_host_that_is_gone() -> None:
    """After an hour every job that is left fails, as something that passes, and few calls have been made in vain."""
    figures = await night(20, Outage("refused", began=10.0, seconds=1e9))
    assert figures.jobs == 80
    assert len(figures.failed) > 40
    assert all("ConnectError" in each for each in figures.failed)
    assert 3600.0 <= figures.seconds <= 4200.0
    assert figures.met <= 600
