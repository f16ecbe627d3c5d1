"""Guards of jobs in parts: all of them, noted first, and none of an earlier split beside them."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_PARTS = ("tests/sinks/test_parts.py",)
_DATA = "        _remove(files, folder, data)\n"
_RECORDS = "        _remove(files, folder, records)\n"
_ENGINE = ("tests/engine/test_split_jobs.py",)

SPLIT_JOBS = (
    Mutant(
        "some of the parts count as the job",
        "sinks/files/found.py",
        "    count = leading_whole(order.job.filters, order.job.entity, filters)\n",
        "    count = len(filters)\n",
        _PARTS,
    ),
    Mutant(
        "parts that overlap count as the whole",
        "sansio/scheduling/splitting.py",
        "        if not cells <= missing:\n            return None\n",
        "",
        ("tests/sansio/scheduling/test_splitting.py",),
    ),
    Mutant(
        "a whole commit leaves the parts of an earlier split",
        "sinks/files/tree.py",
        "            if not self._order.is_part:\n",
        "            if False:\n",
        _PARTS,
    ),
    Mutant(
        "somebody else's file is removed as left over",
        "sinks/files/leftovers.py",
        "    if record is None or not record.is_about(replace(order, part=number)):\n        return False\n",
        "    if record is None:\n        return True\n",
        _PARTS,
    ),
    Mutant(
        "who finds one part removes the others of a larger job",
        "sinks/files/leftovers.py",
        "return whatever_the_filters or share_rows(record.filters, order.job.filters, order.job.entity)",
        "return True",
        _PARTS,
    ),
    Mutant(
        "a record goes before its file",
        "sinks/files/leftovers.py",
        _DATA + _RECORDS,
        _RECORDS + _DATA,
        _PARTS,
    ),
    Mutant(
        "a shorter split leaves the parts of a longer one",
        "engine/jobs/endings.py",
        "            await self._scarcity.endured(lambda: self._guard(self._sink).settle(family.job, parts))\n",
        "",
        _ENGINE,
    ),
    Mutant(
        "new parts stand beside the old rows at once",
        "sinks/files/tree.py",
        "            self._goal = self._place.staged\n",
        "            pass\n",
        (*_PARTS, *_ENGINE),
    ),
    Mutant(
        "new parts get their names without a mark",
        "sinks/files/staging.py",
        "        write_whole(files, folder, MARK, _mark_of(order, parts))\n",
        "",
        _PARTS,
    ),
    Mutant(
        "new parts of which some have gone are settled",
        "sinks/files/staging.py",
        "        _refuse_what_is_not_whole(files, folder, order, parts)\n",
        "",
        _PARTS,
    ),
    Mutant(
        "a settling that was killed is not finished",
        "sinks/files/found.py",
        "        finish(files, folder, order)\n",
        "",
        _PARTS,
    ),
    Mutant(
        "a split is not noted",
        "engine/jobs/run.py",
        "            await self._journal.note(family.job, Split(family.filters))\n",
        "            pass\n",
        _ENGINE,
    ),
    Mutant(
        "a job whose parts are taken back is not noted as failed",
        "engine/jobs/endings.py",
        "            await self._note_failure(family.job, family.error)\n",
        "",
        ("tests/engine/jobs/test_endings.py",),
    ),
    Mutant(
        "a job ends before its last part",
        "engine/jobs/endings.py",
        "        if not family.has_ended:\n            return\n",
        "",
        ("tests/engine/jobs/test_endings.py",),
    ),
    Mutant(
        "parts of a committed job are collected for ever",
        "adapters/journal/noting.py",
        "        connection.executemany(_COMMIT_PART, [row | part for part in parts])\n",
        "        pass\n",
        ("tests/adapters/test_journal_versions.py", "tests/adapters/test_journal_memory.py"),
    ),
    Mutant(
        "the journal tells of parts that have gone",
        "adapters/journal/noting.py",
        "    else:\n        connection.execute(_DROP_PARTS, row)\n",
        "",
        ("tests/adapters/test_journal_memory.py",),
    ),
    Mutant(
        "a part is cut under another number",
        "engine/jobs/family.py",
        "        self._filters[number] = filters[0]\n        self._filters += filters[1:]\n",
        "        self._filters[number] = filters[-1]\n        self._filters += filters[:-1]\n",
        ("tests/engine/jobs/test_family.py",),
    ),
)
