"""A process whose children store a new refresh token and are killed on the way, each before another operation.

``python -m tests.security.killed FOLDER COUNT`` prints, one a line, what the file holds after each of the COUNT kills.
It is a process of its own because only one without threads may fork.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from asyncexport.accounts import Secret
from asyncexport.app.rotation import SecretFile
from tests.sinks.support import FaultyFiles

OLD, NEW = "Atzr|old", "Atzr|new"


class Dying(FaultyFiles):
    """A file system before whose operation number ``at`` the process is killed."""

    def _fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path, at: int) -> str:
    """Kill a child before operation ``at`` of its store; return what the file holds then."""
    folder.mkdir()
    path = folder / "acme.token"
    path.write_text(f"{OLD}\n")
    path.chmod(0o600)
    child = os.fork()
    if child == 0:
        SecretFile(path, files=Dying(at=at))._replace(Secret(NEW))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"operation {at} was not reached"
    assert os.WTERMSIG(status) == signal.SIGKILL
    return path.read_text().strip()


if __name__ == "__main__":
    for number in range(int(sys.argv[2])):
        print(killed(Path(sys.argv[1]) / str(number), number))  # noqa: T201  this is its result
