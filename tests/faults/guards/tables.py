"""Guards of tables: no field lost, no row said to be gone that may not be, a commit whole with its line."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_READING = ("tests/sinks/test_reading.py", "tests/sinks/test_tables.py")
_COUNTING = ("tests/sinks/test_counting.py",)
_FITTING = ("tests/sansio/test_fitting.py",)
_DUCKDB = ("tests/sinks/test_duckdb.py",)
_NIGHTS = ("tests/sinks/test_modes.py", "tests/sinks/test_duckdb.py")

TABLES = (
    Mutant(
        "fields without a column are passed over",
        "sinks/reading.py",
        "        return found == total or (",
        "        return True or (",
        _READING,
    ),
    Mutant(
        "a null without a column is passed over",
        "sinks/reading.py",
        "        if not names_in(text) <= self._model.keys() | self._unknown:\n            return False\n",
        "",
        _READING,
    ),
    Mutant(
        "a null within a field is passed over",
        "sinks/reading.py",
        "        return not any(map(may_hold_nulls, columns_of(text, self._nested(columns)).values()))\n",
        "        return True\n",
        _READING,
    ),
    Mutant(
        "rows are counted by nobody",
        "sinks/reading.py",
        "if table is None or (usual and table.num_rows != count):",
        "if table is None:",
        _READING,
    ),
    Mutant(
        "numbers beyond a double are infinite",
        "sinks/reading.py",
        "    Scalar.NUMBER: _is_finite,\n",
        "",
        _READING,
    ),
    Mutant(
        "whole numbers are rounded",
        "sinks/reading.py",
        "    Scalar.INTEGER: _within(1 - _EXACT, _EXACT - 1),\n",
        "",
        _READING,
    ),
    Mutant(
        "years that no reader knows",
        "sinks/reading.py",
        "    Scalar.MOMENT: _within(_FIRST_MOMENT, _LAST_MOMENT),\n",
        "",
        _READING,
    ),
    Mutant(
        "a number is taken for a moment",
        "sinks/schema.py",
        "Scalar.MOMENT: pa.string(), ",
        "",
        _READING,
    ),
    Mutant(
        "fractions are cut off",
        "sinks/schema.py",
        "_SPELT: Final = {**_TYPES, Scalar.INTEGER: pa.float64(), ",
        "_SPELT: Final = {**_TYPES, ",
        _READING,
    ),
    Mutant(
        "blanks before colons hide fields",
        "sinks/counting.py",
        "        text = text.translate(None, _BLANKS)\n    found",
        "        pass\n    found",
        _COUNTING,
    ),
    Mutant(
        "a key that ends with a backslash hides a field",
        "sinks/counting.py",
        'return found if b"" in escaped else found - len(escaped)',
        "return found - len(escaped)",
        _COUNTING,
    ),
    Mutant(
        "a text that ends like a null hides a field",
        "sinks/counting.py",
        "return 0 if _ESCAPED_NULL in text else text.count(_NULL)",
        "return text.count(_NULL)",
        _COUNTING,
    ),
    Mutant(
        "a character that ends the process is read",
        "sinks/reading.py",
        "        if _holds_nul(text):\n            return None\n",
        "",
        _READING,
    ),
    Mutant(
        "names are learnt without end",
        "sinks/reading.py",
        "            if len(unknown | self._unknown) <= _MOST_LEARNT:\n                self._unknown |= unknown\n",
        "            self._unknown |= unknown\n",
        _READING,
    ),
    Mutant(
        "a misfit is not kept",
        "sansio/fitting.py",
        "            values[name] = misfit.rest\n            misfits.append(name)\n",
        "            values[name] = misfit.rest\n",
        _FITTING,
    ),
    Mutant(
        "a field without a column is not kept",
        "sansio/fitting.py",
        "            misfits.append(name)\n            continue\n",
        "            continue\n",
        _FITTING,
    ),
    Mutant(
        "a new field within a field is not kept",
        "sansio/fitting.py",
        "    misfits = not value.keys() <= fields.keys()\n",
        "    misfits = False\n",
        _FITTING,
    ),
    Mutant(
        "an id loses digits",
        "sansio/fitting.py",
        "        if _MANY_DIGITS.search(spelt) is None:\n",
        "        if True:\n",
        _FITTING,
    ),
    Mutant(
        "what may be archived is gone",
        "sansio/scope.py",
        "    if not set(STATES) <= set(filters.states):\n        return None\n",
        "",
        ("tests/sansio/test_scope.py", *_NIGHTS),
    ),
    Mutant(
        "another level or type of target is gone",
        "sansio/scope.py",
        "    if entity is Entity.TARGETS:\n",
        "    if False:\n",
        ("tests/sansio/test_scope.py",),
    ),
    Mutant(
        "an older snapshot takes the newer one's place",
        "sinks/ledger.py",
        "    if newer is not None:\n",
        "    if False:\n",
        _NIGHTS,
    ),
    Mutant(
        "rows without their line",
        "sinks/ledger.py",
        "        _note(cursor, order, [record], staged=order.is_part)\n",
        "        pass\n",
        _DUCKDB,
    ),
    Mutant(
        "parts that are not the job are settled",
        "sinks/ledger.py",
        "            if wholeness(records, order.job) != parts:\n",
        "            if False:\n",
        _DUCKDB,
    ),
    Mutant(
        "parts that wait are found as the job without being put in place",
        "sinks/ledger.py",
        "            if staged:\n                settle(cursor, mode, order, count)\n",
        "",
        _DUCKDB,
    ),
    Mutant(
        "a failed commit is kept",
        "sinks/database.py",
        "    try:\n        yield\n        cursor.commit()\n    except BaseException:\n",
        "    try:\n        yield\n        cursor.commit()\n    except ZeroDivisionError:\n",
        ("tests/sinks/test_database.py", *_DUCKDB),
    ),
    Mutant(
        "a snapshot that is pulled again stands twice",
        "sinks/modes.py",
        '            cursor.execute(f"delete from snapshots.{table} where snapshot = ? and {_PROFILE}", '
        "[job.snapshot, *profile])\n",
        "",
        _DUCKDB,
    ),
    Mutant(
        "latest takes other profiles' rows away",
        "sinks/modes.py",
        '            cursor.execute(f"delete from snapshots.{table} where {_PROFILE}", profile)\n',
        '            cursor.execute(f"delete from snapshots.{table}")\n',
        _DUCKDB,
    ),
    Mutant(
        "history ends what it may not",
        "sinks/modes.py",
        '        f"and ({identity} in (select id from new) or {gone})",\n',
        '        f"and ({identity} in (select id from new) or true or {gone})",\n',
        _NIGHTS,
    ),
    Mutant(
        "history begins anew what stayed",
        "sinks/modes.py",
        '        f"and current.content is not distinct from row({content})"\n',
        '        f"and false"\n',
        _NIGHTS,
    ),
    Mutant(
        "changes says gone of what was not asked for",
        "sansio/changes.py",
        "        if scope is not None and all(row.get(name) in words for name, words in scope.items()):\n",
        "        if True:\n",
        ("tests/sansio/test_changes.py",),
    ),
    Mutant(
        "part of a copy is taken for the whole",
        "sinks/standing.py",
        '            coming = copy.with_suffix(".part")\n',
        "            coming = copy\n",
        ("tests/sinks/test_standing.py",),
    ),
)
