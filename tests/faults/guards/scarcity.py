"""Guards of the descriptors: what nobody could look at is not missing, and who finds none left tries again."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

SCARCITY = (
    Mutant(
        "what nobody could look at is not there",
        "sinks/files/found.py",
        "        raise scarcity from None\n",
        "        return\n",
        ("tests/sinks/test_jsonl.py",),
    ),
    Mutant(
        "a transfer without a descriptor fails its job",
        "engine/jobs/run.py",
        "self._scarcity.endured(lambda: self._moved(self._desk_of(job), pursuit, ready))",
        "self._moved(self._desk_of(job), pursuit, ready)",
        ("tests/engine/transfers/test_scarcity.py",),
    ),
    Mutant(
        "want of descriptors leaves all transfer places as they are",
        "engine/transfers/scarcity.py",
        "                self._fewer()\n",
        "",
        ("tests/engine/transfers/test_scarcity.py",),
    ),
    Mutant(
        "a host that was not asked counts as one that answered",
        "adapters/host.py",
        "        if isinstance(error, TooManyOpenFiles):\n",
        "        if False:\n",
        ("tests/adapters/test_host.py",),
    ),
)
