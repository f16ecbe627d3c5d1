"""A warm process that forks runs of the command line: the program whose system calls the crash tests count and break.

A Python start costs half a second and some thousand system calls that have nothing to do with the run; a fork of a
process that has imported everything costs milliseconds and none of them. Protocol, one JSON object a line on the
socket whose descriptor is the only argument:

    <- {"argv": [...], "cwd": "...", "held": bool, "threads": bool, "file_limit": bytes or null}
    -> {"pid": n}                                 the run is forked, and stopped if it is to be held
    -> {"status": n, "out": "...", "err": "..."}  from the run itself; nothing of it when it was killed
    -> {"ended": n}                               what waiting for it gave: its exit status, or minus the signal

Two things differ from a real start. Without ``threads``, work for them is done on the spot, so that a run is one
thread and one sequence of system calls that can be counted; and it looks at exports every 10 ms and tries again as
soon, because the server is ours. Standard output and error are no part of a run's state, so they are kept in memory and
sent over the socket, whose calls are no file operations.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import io
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from asyncexport.app.cli import LazyCommands, main
from asyncexport.engine.exporter import Exporter
from asyncexport.sansio.looks.polling import Schedule
from asyncexport.sansio.pacing.backoff import Backoff

_IMPORTED_LATE = ("asyncexport.adapters.http", "anyio._backends._asyncio", "encodings.ascii", "encodings.idna")


class OnTheSpot(concurrent.futures.ThreadPoolExecutor):
    """An executor that does the work in the thread that submits it."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Do it now."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  it is handed on, whatever it is
            future.set_exception(error)
        return future


def warm_up() -> None:
    """Import what a run imports, and let runs be as impatient as a server of our own allows."""
    for name in LazyCommands():
        importlib.import_module(f"asyncexport.app.commands.{name}")
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    asyncio.run(asyncio.sleep(0))
    run = importlib.import_module("asyncexport.app.commands.run")
    vars(run)["Exporter"] = partial(
        Exporter, schedule=Schedule(first=0.01, growth=1.0), backoff=Backoff(first=0.01, longest=0.05, attempts=20)
    )


def perform(wish: dict[str, Any], answers: socket.socket) -> int:
    """Be the run, from its arguments to its exit status."""
    os.chdir(wish["cwd"])
    if wish["file_limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish["file_limit"], wish["file_limit"]))
    if not wish["threads"]:
        vars(concurrent.futures)["ThreadPoolExecutor"] = OnTheSpot
    if wish["held"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    out, err = sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        main(wish["argv"])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    else:
        status = 0
    tell(answers, status=status, out=out.getvalue(), err=err.getvalue())
    return status


def tell(answers: socket.socket, **said: object) -> None:
    """Send one line."""
    answers.sendall(json.dumps(said).encode() + b"\n")


def serve(wishes: socket.socket) -> None:
    """Fork one run after the other until the other end closes."""
    with wishes.makefile("rb") as lines:
        for line in lines:
            wish = json.loads(line)
            pid = os.fork()
            if pid == 0:
                status = 70
                try:
                    status = perform(wish, wishes)
                finally:
                    os._exit(status)
            if wish["held"]:
                os.waitpid(pid, os.WUNTRACED)
            tell(wishes, pid=pid)
            tell(wishes, ended=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    warm_up()
    serve(socket.socket(fileno=int(sys.argv[1])))
