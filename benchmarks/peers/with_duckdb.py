"""DuckDB's read_json of the gzip file, which curl put onto the disk first (httpfs has to be fetched from elsewhere).

Rows are kept as JSON (``maximum_depth = 0``): with inferred types it is about as fast, but writes moments and missing
fields in another spelling, so that its rows would not be the same. ``maximum_object_size`` bounds a row, not the file.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import duckdb

from benchmarks.peers.work import target, told


def main() -> None:
    """Do it."""
    work = told()
    source = Path(work["out"]) / "export.json.gz"
    subprocess.run(["curl", "-sSf", "-o", str(source), work["url"]], check=True)  # noqa: S607
    duckdb.connect().execute(
        f"""copy (select json from read_json('{source}', format = 'array', records = 'false', maximum_depth = 0))
            to '{target(work)}' (format csv, header false, delimiter '\x01', quote '', escape '')"""  # noqa: S608
    )
    source.unlink()


if __name__ == "__main__":
    main()
