"""Start one process, wait for it, and tell what it took: a program of its own, run without ``site``, to stay small.

A child begins its life with the peak memory of who started it, so whoever starts a case must be smaller than any case.
Reads one JSON object (``command``, ``work``, ``folder``, ``seconds``) and prints one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO


def launched(command: list[str], work: object, folder: str, seconds: float) -> dict[str, object]:
    """Run the command in the folder with ``work`` on its standard input; kill it and its children after ``seconds``."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        told.write(json.dumps(work).encode())
        told.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=told, stdout=out, stderr=err, cwd=folder, start_new_session=True)
        bound = threading.Timer(seconds, os.killpg, (process.pid, signal.SIGKILL))
        bound.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            bound.cancel()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        return {
            "wall": wall,
            "cpu": used.ru_utime + used.ru_stime,
            "peak_mib": used.ru_maxrss / 1024,
            "status": process.returncode,
            "said": _end(out),
            "complaint": _end(err),
        }


def _end(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read()[-4000:].decode(errors="replace").strip()


if __name__ == "__main__":
    print(json.dumps(launched(**json.loads(sys.stdin.read()))))
