"""Guards of the worker processes: what dies with them is done again, and nothing of them stays."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_RUNNERS = ("tests/engine/runners",)

WORKERS = (
    Mutant(
        "a transfer that is cancelled is not waited for",
        "engine/runners/carrying.py",
        "                await self._cancelled(number, inbox, partner)\n",
        "                self._send(Cancel(number))\n",
        _RUNNERS,
    ),
    Mutant(
        "a worker that does not answer holds its caller for ever",
        "engine/runners/carrying.py",
        "        killing = asyncio.get_running_loop().call_later(CANCEL_SECONDS, self.kill)\n",
        "        killing = asyncio.get_running_loop().call_later(86400.0, self.kill)\n",
        _RUNNERS,
    ),
    Mutant(
        "a transfer may kill workers without end",
        "engine/runners/workers.py",
        "        while errand is not None and deaths < DEATHS:\n",
        "        while errand is not None and deaths < 99:\n",
        _RUNNERS,
    ),
    Mutant(
        "a deadly transfer takes its neighbours down with it each time",
        "engine/runners/workers.py",
        "            alone = deaths == DEATHS - 1\n",
        "            alone = False\n",
        _RUNNERS,
    ),
    Mutant(
        "a deadly transfer takes the exporter down at last",
        "engine/runners/workers.py",
        "        if deaths:\n",
        "        if False:\n",
        _RUNNERS,
    ),
    Mutant(
        "a worker that no kill ends holds the exporter for ever",
        "engine/runners/process.py",
        "            asyncio.get_running_loop().call_later(KILL_SECONDS, self._leave_behind)\n",
        "",
        _RUNNERS,
    ),
    Mutant(
        "a worker is started when nobody is there to end it",
        "engine/runners/workers.py",
        "        if self._is_closed:\n",
        "        if False:\n",
        _RUNNERS,
    ),
    Mutant(
        "what a worker committed before it died is moved again",
        "engine/runners/workers.py",
        "        receipt = await self._guard(sink).find(order)\n",
        "        receipt = None\n",
        _RUNNERS,
    ),
    Mutant(
        "what a worker finds of an older export is taken for its own",
        "engine/runners/workers.py",
        "        return receipt if receipt is not None and receipt.export_id == order.export_id else None\n",
        "        return receipt\n",
        _RUNNERS,
    ),
    Mutant(
        "a sink that does not travel is sent all the same",
        "engine/runners/workers.py",
        "        if not isinstance(sink, Travels) or not sink.travels:\n",
        "        if False:\n",
        _RUNNERS,
    ),
    Mutant(
        "a world of the caller's own is left behind",
        "engine/exporter.py",
        "        if session is None and transport is None and clock is None and random is None:\n",
        "        if True:\n",
        ("tests/engine/test_exporter.py",),
    ),
    Mutant(
        "a worker without an exporter goes on",
        "engine/runners/worker.py",
        "                await bench.clear()\n",
        "                await asyncio.sleep(3600)\n",
        _RUNNERS,
    ),
    Mutant(
        "a worker whose clean-up hangs stays when its exporter has gone",
        "engine/runners/worker.py",
        "                when_left()\n",
        "",
        _RUNNERS,
    ),
    Mutant(
        "all transfers that are ready hold the loop one after the other",
        "engine/transfers/turns.py",
        "        await self._lock.acquire()\n",
        "        await anyio.lowlevel.checkpoint(); self._lock = anyio.Lock(); await self._lock.acquire()\n",
        ("tests/engine/transfers/test_turns.py",),
    ),
)
