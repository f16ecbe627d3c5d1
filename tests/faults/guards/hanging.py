"""Guards against sinks that do not come back: late is late, and whoever waits is told the truth."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_FILE = "engine/transfers/watchdog.py"
_TESTS = ("tests/engine/transfers/test_watchdog.py",)

HANGING = (
    Mutant(
        "what a sink does after its time counts",
        _FILE,
        "                if not call.is_cancelled:\n                    return\n",
        "                return\n",
        _TESTS,
    ),
    Mutant(
        "a sink that cancels itself cancels the run",
        _FILE,
        '        raise SinkError(f"{self._name} cancelled itself when it was to {doing}")',
        "        raise asyncio.CancelledError",
        _TESTS,
    ),
    Mutant(
        "what closes after a late call believes that somebody cancels it",
        _FILE,
        "            if call.is_cancelled and not self._is_stopped:\n                self._task.uncancel()\n",
        "",
        _TESTS,
    ),
    Mutant(
        "what closes after its caller was cancelled believes that nobody cancels it",
        _FILE,
        "            if call.is_cancelled and not self._is_stopped:\n",
        "            if call.is_cancelled:\n",
        _TESTS,
    ),
    Mutant(
        "a sink that swallows its caller's cancellation is told that it was late",
        _FILE,
        "        if self._is_stopped:\n            raise asyncio.CancelledError\n",
        "",
        _TESTS,
    ),
    Mutant(
        "a caller of a stream has the time of a sink",
        "engine/exporter.py",
        "channel, self._guard(math.inf), NoJournal()",
        "channel, self._guard(self._limits.sink_timeout), NoJournal()",
        ("tests/engine/transfers/test_channel.py",),
    ),
    Mutant(
        "a manifest is not watched",
        "app/pull.py",
        "        return await self._shelf.keep(\n",
        "        return await sink_of(self._wish.settings.sink).keep(\n",
        ("tests/app/test_pull.py",),
    ),
    Mutant(
        "a transaction is not watched",
        "engine/transfers/transfer.py",
        "        return await self._sink.watched(self._move)\n",
        "        return await self._move()\n",
        ("tests/engine/jobs/test_run.py",),
    ),
)
