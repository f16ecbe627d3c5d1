"""Every guard that stands between a fault and a loss, as the text that makes it one, and what is left without it.

See :mod:`tests.faults.mutants`, which takes them away one by one.
"""

from __future__ import annotations

from tests.faults.guards.commits import COMMITS
from tests.faults.guards.dask import DASK
from tests.faults.guards.downloads import DOWNLOADS
from tests.faults.guards.embedding import EMBEDDING
from tests.faults.guards.exports import EXPORTS
from tests.faults.guards.gzip_files import GZIP_FILES
from tests.faults.guards.hanging import HANGING
from tests.faults.guards.json_rows import JSON_ROWS
from tests.faults.guards.mutant import Mutant
from tests.faults.guards.scarcity import SCARCITY
from tests.faults.guards.split_jobs import SPLIT_JOBS
from tests.faults.guards.tables import TABLES
from tests.faults.guards.workers import WORKERS

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: tuple[Mutant, ...] = (
    *GZIP_FILES,
    *JSON_ROWS,
    *DOWNLOADS,
    *EXPORTS,
    *COMMITS,
    *SPLIT_JOBS,
    *HANGING,
    *SCARCITY,
    *TABLES,
    *WORKERS,
    *DASK,
    *EMBEDDING,
)
