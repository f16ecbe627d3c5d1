"""What survives the journey between an exporter and a worker: ours do, what somebody derives may not.

Contract: each function returns its argument if that can be sent and read at the other end, and otherwise what says the
same and can. A message that cannot be read would end the worker that sent it, with everything in it.
"""

from __future__ import annotations

import copy
import logging
import pickle

from asyncexport.errors import AsyncexportError
from asyncexport.models import Receipt
from asyncexport.sansio.redact import EXCERPT, printable, scrub


def travels(thing: object) -> bool:
    """Return whether a thing can be pickled and unpickled."""
    try:
        pickle.loads(pickle.dumps(thing))  # noqa: S301  our own bytes
    except Exception:  # noqa: BLE001  whatever somebody's class raises
        return False
    return True


def portable_error(error: AsyncexportError, otherwise: type[AsyncexportError]) -> AsyncexportError:
    """Return the error; one that does not travel becomes an ``otherwise`` that tells its class and its text."""
    if travels(error):
        return error
    return otherwise(f"{type(error).__name__}: {printable(scrub(str(error), EXCERPT))}")


def portable_receipt(receipt: Receipt) -> Receipt:
    """Return the receipt; of one that does not travel, what every receipt has. Raises what making that raises."""
    if travels(receipt):
        return receipt
    texts = (str(receipt.sha256), str(receipt.location))
    return Receipt(str(receipt.export_id), int(receipt.rows), int(receipt.bytes), *texts)


def portable_entry(record: logging.LogRecord) -> logging.LogRecord:
    """Return a log entry, whose text is complete, with nothing in it but numbers and texts, whatever was ``extra``."""
    entry = copy.copy(record)
    entry.__dict__ = {name: _plain(value) for name, value in record.__dict__.items()}
    return entry


def _plain(value: object) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, int):
        return int(value)
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  whatever somebody's class raises
        return f"a {type(value).__name__} that cannot be shown: {type(error).__name__}"
