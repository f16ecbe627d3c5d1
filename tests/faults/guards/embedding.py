"""Guards of what other programs are given: loads that do not pretend, merges that take nothing, quiet meters."""

from __future__ import annotations

from tests.faults.guards.mutant import Mutant

_DLT = ("tests/test_dlt.py",)

EMBEDDING = (
    Mutant(
        "a filtered snapshot takes what its filter hides out of a merged table",
        "sansio/tabular/merging.py",
        '        return ("account", "region", "profile_id", "entity", ROW_ID)\n',
        '        return ("account", "region", "profile_id")\n',
        _DLT,
    ),
    Mutant(
        "rows without an id are merged into one",
        "sansio/tabular/merging.py",
        "    return digest(row).hex() if identity is None",
        '    return "" if identity is None',
        ("tests/sansio/tabular/test_merging.py",),
    ),
    Mutant(
        "the last rows of an ad product stay in a merged table when they are gone",
        "sansio/tabular/merging.py",
        "    if words is not None:\n",
        "    if False:\n",
        ("tests/sansio/tabular/test_merging.py",),
    ),
    Mutant(
        "a field of the API overwrites whose a row is",
        "sansio/tabular/merging.py",
        '    return f"api_{name}" if bare in _OWN',
        '    return f"api_{name}" if name in _OWN',
        ("tests/sansio/tabular/test_merging.py",),
    ),
    Mutant(
        "a load goes on although an export has failed",
        "dlt.py",
        "        if self.is_strict and lost:\n",
        "        if False:\n",
        _DLT,
    ),
    Mutant(
        "an account that was refused is no failure of the load",
        "dlt.py",
        "        lost = [*refused, *failed]\n",
        "        lost = failed\n",
        _DLT,
    ),
    Mutant(
        "a listener that fails ends the run",
        "adapters/listening.py",
        "        except Exception as error:  #",
        "        except KeyError as error:  #",
        ("tests/adapters/test_listening.py",),
    ),
    Mutant(
        "a secret in an error becomes part of a span",
        "otel.py",
        "Status(StatusCode.ERROR, scrub(str(outcome.error)))",
        "Status(StatusCode.ERROR, str(outcome.error))",
        ("tests/test_otel.py",),
    ),
    Mutant(
        "an export that is adopted is in progress twice",
        "metrics.py",
        "        self._end_export(export_id)\n        self._running",
        "        self._running",
        ("tests/test_metrics.py",),
    ),
)
