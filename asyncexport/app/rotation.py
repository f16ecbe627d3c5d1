"""A refresh token that replaces another: written to the file that the old one came from.

Contract: the file holds the old token or the new one, whole, whatever happens and whenever; it is 0600 and belongs to
whoever runs this. The new content is on the disk (fsync) before it gets the name, and the name is on the disk before
the call returns, so that no token is used that the next run would not find. A link is followed first and left in
place: what is replaced is the file it leads to.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from asyncexport.accounts import Secret
from asyncexport.errors import AsyncexportError, StateError
from asyncexport.sinks.files.disk import Files
from asyncexport.sinks.files.files import write_whole


class SecretFile:
    """A :data:`asyncexport.models.SecretKeeper` for one file. ``files`` is the file system."""

    def __init__(self, path: Path, *, files: Files | None = None) -> None:
        self.path = path
        self._files = files or Files()

    async def __call__(self, secret: Secret) -> None:
        """Replace the file's content. Raises :class:`StateError` if that cannot be done."""
        await asyncio.to_thread(self._replace, secret)

    def _replace(self, secret: Secret) -> None:
        try:
            place = self.path.resolve(strict=True)
            folder = self._files.open_root(str(place.parent))
            try:
                write_whole(self._files, folder, place.name, secret.reveal().encode() + b"\n")
                self._files.sync(folder)
            finally:
                self._files.close(folder)
        except OSError as error:
            raise StateError(f"{self.path} cannot be replaced ({os.strerror(error.errno or 0)})") from None
        except AsyncexportError as error:
            raise StateError(f"{self.path} cannot be replaced ({error})") from None

    def __repr__(self) -> str:
        return f"<SecretFile {self.path}>"


def keeper_of(source: object, folder: Path) -> SecretFile | None:
    """Return what stores a new refresh token when the configuration says ``{ file = PATH }``, None otherwise."""
    match source:
        case {"file": str(name)}:
            return SecretFile(folder / Path(name).expanduser())
    return None
