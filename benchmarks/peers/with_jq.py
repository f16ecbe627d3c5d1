"""curl | gunzip | jq -c '.[]': three processes and a pipe."""

from __future__ import annotations

import shlex
import subprocess

from benchmarks.peers.work import target, told


def main() -> None:
    """Do it."""
    work = told()
    pipe = f"set -o pipefail; curl -sSf {shlex.quote(work['url'])} | gunzip | jq -c '.[]'"
    with target(work).open("wb") as file:
        subprocess.run(["/bin/bash", "-c", pipe], stdout=file, check=True)


if __name__ == "__main__":
    main()
