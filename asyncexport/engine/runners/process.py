"""A worker process as the exporter sees it: it carries errands, and may die at any moment.

Contract: it is a :class:`Carrier`; one that does not answer a cancellation is killed. When the process dies, however it
does, every errand in it ends, at once. :meth:`Worker.close` lets it end; :meth:`Worker.ended` waits for that, and kills
it if it takes longer than :data:`CLOSE_SECONDS`. A process that even a kill does not end, because the kernel waits for
a file system that hangs, is left behind after :data:`KILL_SECONDS`, which is told.

Not bounded is a worker that lives and does nothing, as it is not for a loop that somebody's sink blocks: its transfers
wait until they are cancelled.

The process is started anew from the interpreter, not forked: a fork would copy threads' locks and open connections. It
is given one end of a socket pair, the module path of this process and an environment, and nothing else; ``__main__`` is
not imported. It has a session of its own, so that Ctrl-C in a terminal is for the exporter alone.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress

from asyncexport.adapters.threads import settled
from asyncexport.engine.runners.carrying import Carrier
from asyncexport.engine.runners.messages import (
    FromWorker,
    Logged,
    Ready,
    Setup,
    ToWorker,
    framed,
    received,
)
from asyncexport.events import Event, OddityNoticed
from asyncexport.ports import Listener

CLOSE_SECONDS = 10.0

KILL_SECONDS = 5.0
"""So long the kernel may take to end a process."""

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from asyncexport.engine.runners.worker import main; main(int(sys.argv[1]))"
)


def nobody(event: Event) -> None:
    """Listen to nothing."""


class Worker(Carrier):
    """One process. It is started when this is made, and takes errands from then on. ``load``: bytes it has to move.

    ``environment``: what it has for one, None for this process's; ``listener`` is told of a process left behind.
    """

    def __init__(self, setup: Setup, environment: Mapping[str, str] | None = None, listener: Listener = nobody) -> None:
        super().__init__()
        self.load = 0
        self.is_open = True
        self._environment = environment
        self._listener = listener
        self._unsent = [framed(setup)]
        self._process: Process | None = None
        self._is_beyond_us = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._begun = asyncio.Event()
        self._living = asyncio.create_task(self._live())

    def __repr__(self) -> str:
        state = "gone" if not self.is_open else "at work" if self.is_ready else "starting"
        return f"<Worker {self.pid} {state}, {len(self._errands)} errands, {self.load} bytes>"

    @property
    def pid(self) -> int:
        """The process's id, 0 before it has one."""
        return 0 if self._process is None else self._process.pid

    async def begun(self) -> bool:
        """Come back when the process is at work, or when it has ended before it was; return which."""
        await self._begun.wait()
        return self.is_ready

    def close(self) -> None:
        """Take no more errands and let the process end: it sees that nobody is there any more."""
        self.is_open = False
        if self._writer is not None:
            self._writer.close()
        else:
            self._living.cancel()

    def kill(self) -> None:
        """End the process now; wait for that no longer than :data:`KILL_SECONDS`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            asyncio.get_running_loop().call_later(KILL_SECONDS, self._leave_behind)

    async def ended(self) -> None:
        """Come back when the process has ended; it is given :data:`CLOSE_SECONDS`."""
        killing = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self.kill)
        try:
            await settled(self._living)
        finally:
            killing.cancel()

    def _send(self, message: ToWorker) -> None:
        if self._writer is None:
            self._unsent.append(framed(message))
        elif not self._writer.is_closing():
            self._writer.write(framed(message))

    async def _live(self) -> None:
        """Start the process, hear it until it ends, and bury it."""
        try:
            reader = await self._start()
            while (message := await received(reader)) is not None:
                self._hear(message)
        except OSError as error:
            self._failure = f"it cannot be started: {error.strerror or type(error).__name__}"
        except Exception as error:  # noqa: BLE001  whatever reading somebody's pickled class raises
            self._failure = f"it sent what cannot be read: {type(error).__name__}"
        finally:
            await self._bury()

    async def _bury(self) -> None:
        """Tell the errands, once the process has let go of everything that the next one will want to lock."""
        if self.is_open:
            self.is_open = False
            self.kill()
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            await self._exited(self._process)
        self._begun.set()
        self._end_errands()

    async def _exited(self, process: Process) -> None:
        exiting, leaving = asyncio.create_task(process.wait()), asyncio.create_task(self._is_beyond_us.wait())
        await asyncio.wait([exiting, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not exiting.done():
            exiting.cancel()
            self._failure = f"it was killed and had not ended {KILL_SECONDS:g} s later"
            remains = f"worker process {process.pid} is left behind and may still hold what it opened"
            self._listener(OddityNoticed(f"{remains}: {self._failure}"))

    def _leave_behind(self) -> None:
        """Wait no more for the process, whose end of the connection may be open still."""
        self._is_beyond_us.set()
        if self._writer is not None:
            self._writer.close()

    async def _start(self) -> asyncio.StreamReader:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-I", "-c", _BOOT, str(theirs.fileno()), json.dumps(list(map(str, sys.path)))),
                    pass_fds=(theirs.fileno(),),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    env=self._environment,
                    start_new_session=True,
                )
            reader, self._writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        self._writer.writelines(self._unsent)
        self._unsent.clear()
        return reader

    def _hear(self, message: FromWorker) -> None:
        match message:
            case Ready():
                self.is_ready = True
                self._begun.set()
            case Logged(record=record):
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            case about:
                self._hear_of(about)
