"""The far end of an errand, by itself."""

from __future__ import annotations

import gc

import pytest

from asyncexport.engine.runners.bench import Bench, collect_seldom
from asyncexport.engine.runners.messages import AboutErrand, Cancel, Renewed
from asyncexport.models import SignedUrl
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeTransport


async def test_a_bench_says_how_much_is_on_it() -> None:
    """Its transfers are counted, and a message that comes too late for one is nobody's."""
    sent: list[AboutErrand] = []
    bench = Bench(FakeTransport(), sent.append, backoff=Backoff(), sink_timeout=600.0)
    bench.take(Cancel(1))
    bench.take(Renewed(1, SignedUrl("https://h/x")))
    assert repr(bench) == "<Bench with 0 transfers>"
    assert sent == []


def test_the_collector_looks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is not looked at again, and what comes not often."""
    calls: list[object] = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(gc, "set_threshold", lambda *thresholds: calls.append(thresholds))
    collect_seldom()
    assert calls == ["freeze", (50_000, 20, 20)]
