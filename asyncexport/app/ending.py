"""The event loop of a command that stores rows, and its end: what a sink leaves behind does not hold the process.

Contract: :func:`ended` runs the work and returns the exit status, also of what the work raised, which has been told
then. Like ``asyncio.run`` it cancels the tasks that are left and waits for them and for their threads, but for no
longer than ``grace`` seconds: a task that is deaf to its cancellation and a thread that hangs in the kernel, which a
sink may leave behind (:mod:`asyncexport.engine.transfers.watchdog`), or one that looks a name up, end with the process.

Plan: neither of them can be told to stop, and both the loop and the interpreter wait for them at their own ends. So
output is flushed and the process left by ``os._exit``. By then journal and lock are closed, and what stands under a
final name is whole, as after a kill.

Worst case: ``grace`` seconds for the tasks and as many for the threads. Threads of others, which were there before the
work began, are nobody's business here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent import futures
from contextlib import suppress
from typing import Any

from asyncexport.app.collector import collecting_seldom
from asyncexport.app.exits import Boundary, say

GRACE_SECONDS = 5.0
"""So long may end what the work has left behind."""


def ended(
    work: Coroutine[Any, Any, int], *, grace: float = GRACE_SECONDS, leave: Callable[[int], object] = os._exit
) -> int:
    """Run ``work`` in a loop of its own and return the exit status; ``leave`` the process where something hangs."""
    before = threading.enumerate()
    with asyncio.Runner() as runner, futures.ThreadPoolExecutor(thread_name_prefix="work") as pool:
        loop = runner.get_loop()
        loop.set_default_executor(pool)
        with collecting_seldom():
            status = _status(runner, work)
        with suppress(KeyboardInterrupt):
            runner.run(_others_end(grace))
        pool.shutdown(wait=False)
        if asyncio.all_tasks(loop) or not _end(set(threading.enumerate()) - set(before), grace):
            say("what was begun has not come back (a sink, or the lookup of a name); the process ends without it")
            _flush()
            leave(status)
    return status


def _status(runner: asyncio.Runner, work: Coroutine[Any, Any, int]) -> int:
    try:
        with Boundary():
            return int(runner.run(work))
    except SystemExit as told:
        return int(told.code or 0)


async def _others_end(grace: float) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=grace)


def _end(threads: Iterable[threading.Thread], grace: float) -> bool:
    """Wait for threads that the interpreter would wait for; return whether all have ended."""
    until = time.monotonic() + grace
    mine = [thread for thread in threads if not thread.daemon]
    for thread in mine:
        thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in mine)


def _flush() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
