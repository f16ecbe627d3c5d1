"""Guards of transfers on a Dask cluster: the exporter alone begins one, and knows when it has ended."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_DASK = ("tests/engine/runners/dask",)

DASK = (
    Mutant(
        "a task that Dask runs again after a death is taken for the first",
        "engine/runners/dask/seat.py",
        """            self._lose("its Dask worker died")\n""",
        "            pass\n",
        _DASK,
    ),
    Mutant(
        "an errand is begun twice in one seat",
        "engine/runners/dask/office.py",
        "            if not (begins and seat.has_begun):\n",
        "            if True:\n",
        _DASK,
    ),
    Mutant(
        "a transfer goes on when its exporter has gone",
        "engine/runners/dask/office.py",
        """        if start == "executing" and finish in _GIVEN_UP:\n""",
        "        if False:\n",
        _DASK,
    ),
    Mutant(
        "an errand that reached nobody is waited for",
        "engine/runners/dask/seat.py",
        "                elif not await self._begin(where.address, message):\n",
        "                elif not await self._begin(where.address, message) and False:\n",
        _DASK,
    ),
    Mutant(
        "third tries on a cluster take each other down",
        "engine/runners/dask/seats.py",
        "        async with self._alone, self.place(WORTH_A_SEAT) as seat:\n",
        "        async with self.place(WORTH_A_SEAT) as seat:\n",
        _DASK,
    ),
    Mutant(
        "a folder of the same name is taken for the same folder",
        "sinks/files/folders.py",
        """            if files.look(folder, f"{_MARK}{mark}.part") is None:\n""",
        "            if False:\n",
        _DASK,
    ),
    Mutant(
        "a worker that joined later is trusted with a folder it may not see",
        "engine/runners/dask/reach.py",
        "            if (where.address, number) not in self._reached:\n",
        "            if False:\n",
        _DASK,
    ),
    Mutant(
        "another version of ours on a worker is used",
        "engine/runners/dask/cluster.py",
        "        if version != __version__:\n",
        "        if False:\n",
        _DASK,
    ),
    Mutant(
        "transfers on a cluster that is lost are waited for",
        "engine/runners/dask/seats.py",
        """        for seat in self._seats.values():
            seat.refuse(error)
""",
        "        pass\n",
        _DASK,
    ),
    Mutant(
        "an exporter that was killed leaves its offices open",
        "engine/runners/dask/cluster.py",
        "            await client.register_plugin(Caretaker(self.name, client.id))\n",
        "",
        ("tests/engine/runners/dask/test_caretaker.py",),
    ),
    Mutant(
        "a task that was given up before it sat down sits for ever",
        "engine/runners/dask/office.py",
        "            if self._is_closed or key in self._unwanted:\n",
        "            if self._is_closed:\n",
        ("tests/engine/runners/dask/test_office.py",),
    ),
)
