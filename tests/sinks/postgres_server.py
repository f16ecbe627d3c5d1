"""A real PostgreSQL server of our own, from Debian's package or on the PATH, and ``psql``, which asks it without us.

The server lives in a folder of its own below the temporary one, listens on a free port of the loopback and on a socket
there, and stops with whoever started it. It refuses to be root's, so for root it runs as the user ``postgres``.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from asyncexport.sinks import Postgres
from asyncexport.sinks.databases import Mode

PASSWORD = "canary-postgres-password"
_SETTINGS = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=40", "autovacuum=off")
_PATIENCE = 30.0


def programs() -> Path | None:
    """Return the folder of the newest server that is installed, None where there is none."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    on_path = shutil.which("initdb")
    folders += [Path(on_path).resolve().parent] if on_path else []
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


@dataclass
class PostgresServer:
    """A server with the role ``ads``, which comes by a password, over TCP, to its own database ``ads``."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """How a sink gets there."""
        return f"postgresql://ads:{PASSWORD}@127.0.0.1:{self.port}/ads"

    def start(self) -> None:
        """Start it, if it is not running, and wait until it serves."""
        if self.process is None:
            options = (f"port={self.port}", f"unix_socket_directories={self.folder}", *_SETTINGS)
            told = [part for option in options for part in ("-c", option)]
            with (self.folder / "log").open("ab") as log:
                self.process = self._start("postgres", "-D", str(self.folder / "data"), *told, log=log)
        patience = time.monotonic() + _PATIENCE
        while not self._serves():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < patience, "the server does not get to serve"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: at once and cleanly, or by ``SIGQUIT`` as if it had crashed."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def ask(self, query: str, *, database: str = "ads") -> list[dict[str, Any]]:
        """Return the rows of a query, asked by the owner of the server with ``psql``."""
        return [json.loads(line) for line in self.say(_as_json(query), database=database)]

    def say(self, statement: str, *, database: str = "ads") -> list[str]:
        """Let ``psql`` execute a statement; return its lines."""
        host = ("-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database)
        told = [str(self._folder_of_programs / "psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", *host, "-c", statement]
        ended = subprocess.run(told, check=False, capture_output=True, text=True)  # noqa: S603
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split("\n")[:-1]

    def processor_seconds(self) -> float:
        """Return what all of its processes have used so far, those that have ended too."""
        assert self.process is not None
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return _processor_seconds(own, with_ended=True) + sum(_processor_seconds(int(child)) for child in children)

    def begin(self) -> None:
        """Make the server's files."""
        self.folder.chmod(0o711)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        made = self._start(
            *("initdb", "-D", str(self.folder / "data"), "-U", "postgres", "-E", "UTF8", "--locale=C"),
            *("--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"),
            log=subprocess.DEVNULL,
        )
        assert made.wait() == 0, "initdb failed"
        self.start()
        self.say(f"create role ads login password '{PASSWORD}'", database="postgres")
        self.say("create database ads owner ads", database="postgres")

    def _start(self, program: str, *arguments: str, log: Any) -> subprocess.Popen[bytes]:
        who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        told = [str(self._folder_of_programs / program), *arguments]
        return subprocess.Popen(told, stdout=log, stderr=log, cwd="/", **who)  # noqa: S603

    def _serves(self) -> bool:
        ready = [str(self._folder_of_programs / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0  # noqa: S603

    @property
    def _folder_of_programs(self) -> Path:
        folder = programs()
        assert folder is not None, "there is no PostgreSQL server (make postgres)"
        return folder


def _processor_seconds(process: int, *, with_ended: bool = False) -> float:
    """Return what a process has used, 0 for one that ends meanwhile; with that of its children that have ended."""
    try:
        told = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, told[11 : 15 if with_ended else 13])) / os.sysconf("SC_CLK_TCK")


def _as_json(query: str) -> str:
    return f"select to_jsonb(q) from ({query}) q"  # noqa: S608 - the tests' own


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """Run a server."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder), port)
        try:
            server.begin()
            yield server
        finally:
            server.stop()


@dataclass(frozen=True)
class Schema:
    """A schema of the server that nobody else uses."""

    server: PostgresServer
    name: str

    def sink(self, mode: Mode = "append", **more: str) -> Postgres:
        """Return our way to it."""
        return Postgres(more.get("dsn", self.server.dsn), schema=self.name, mode=mode)

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the rows of a query that names tables without their schema, asked by ``psql``."""
        return [json.loads(line) for line in self.say(_as_json(query))]

    def say(self, statement: str) -> list[str]:
        """Let ``psql`` execute a statement in the schema; return its lines."""
        return self.server.say(f"set search_path = {self.name}; set timezone = 'UTC'; {statement}")

    def has(self, table: str) -> bool:
        """Return whether there is a table or a view of that name."""
        return self.server.say(f"select to_regclass('{self.name}.{table}')") != [""]

    def ids(self, table: str = "campaigns") -> list[str]:
        """Return the ids of the rows of a table or a view of campaigns, in order."""
        return [row["campaignid"] for row in self.ask(f"select campaignId from {table} order by campaignId")]  # noqa: S608


_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server for all tests of a process."""
    with serving() as server:
        yield server


@pytest.fixture
def schema(postgres_server: PostgresServer) -> Schema:
    """Return a schema that is not there yet, on a server that runs."""
    postgres_server.start()
    return Schema(postgres_server, f"schema_{next(_numbers)}")
