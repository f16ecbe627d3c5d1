"""The promise about secrets: what grants access is never said, wherever the library says something.

The canaries are the real ones of the schedule: credentials, every token the server gave out, every signature it minted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from asyncexport.errors import AsyncexportError
from asyncexport.models import Failed
from tests.faults.bench import Observed, Visit

_SIGNED = re.compile(r"X-Amz-(Signature|Credential|Security-Token)=(?!\*\*\*|<)", re.IGNORECASE)


def no_secret_is_said(seen: Observed) -> Iterator[str]:
    """Nothing that grants access stands in an error, an event, a log entry, a file or the journal."""
    said = "\n".join(_said(seen))
    for secret in _canaries(seen):
        if secret in said:
            at = said.index(secret)
            yield f"a secret was said: {said[max(0, at - 200) : at]}..."
    if _SIGNED.search(said):
        yield "a signature was said"


def visits(seen: Observed) -> list[Visit]:
    """Return the runs there were."""
    return [seen.first] if seen.second is None else [seen.first, seen.second]


def errors(visit: Visit) -> list[AsyncexportError]:
    """Return every error that a run told."""
    failed = [outcome.error for outcome in visit.outcomes if isinstance(outcome, Failed)]
    return [each.error for each in visit.refused] + failed


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield what a traceback of the error would also show."""
    cause, context = error.__cause__, None if error.__suppress_context__ else error.__context__
    for each in (cause, context):
        if each is not None:
            yield each
            yield from chain(each)


def _said(seen: Observed) -> Iterator[str]:
    yield from seen.log
    for visit in visits(seen):
        yield from map(repr, visit.events)
        for error in errors(visit):
            yield from (f"{each} {each!r} {vars(each)}" for each in (error, *chain(error)))
    for folder in (seen.folder, seen.state):
        if folder is not None:
            yield from (path.read_bytes().decode("latin-1") for path in _plain_files(folder))


def _plain_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".zst")


def _canaries(seen: Observed) -> Iterator[str]:
    for grant in seen.server.world.grants:
        yield from (grant.client_secret, grant.refresh_token.removeprefix("Atzr|")[:80])
    yield from (token.removeprefix("Atzr|")[:80] for token in seen.server.tokens._grants)
    yield from (token.removeprefix("Atza|")[:80] for token in seen.server.tokens._out)
    yield from seen.server._signer._minted
