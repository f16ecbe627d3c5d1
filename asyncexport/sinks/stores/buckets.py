"""Object stores as the library ``obstore`` speaks to them, and what they say when they fail.

Contract: :func:`connect` gives the store of a URL (``s3://``, ``gs://``, ``az://``, ``file://``); what obstore is not
told it looks up itself, in the environment and from the machine it runs on. :func:`asking` turns whatever a call raises
into the library's errors, built from the store's own code (``AccessDenied``) and never from its text, which may echo
keys and signatures. A call is tried again for at most :data:`_PATIENCE`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeAlias

from asyncexport.accounts import Secret
from asyncexport.errors import ConfigError, SinkError, SinkRejected, SinkUnreachable
from asyncexport.sansio.scarcity import no_descriptor

Store: TypeAlias = Any
"""A store of obstore's; there are several kinds without a common class."""

_PATIENCE: Final = timedelta(seconds=60)
_CODE = re.compile(r"<Code>(\w+)</Code>|\"(?:code|reason)\":\s*\"?(\w+)")
_STATUS = re.compile(r"status code: (\d{3})")
_SYSTEM = re.compile(r"\bOs \{\s*code: (\d{1,4}),")
_TEMPORARY = frozenset({"408", "429", "500", "502", "503", "504"})
_MISSING = frozenset({"NoSuchBucket", "ContainerNotFound"})
_FIXES: Final = {
    "AccessDenied": "let these credentials read, write and delete there",
    "NoSuchBucket": "create the bucket or choose another path",
    "InvalidAccessKeyId": "check the credentials",
    "SignatureDoesNotMatch": "check the credentials and the region",
}


def is_url(path: str) -> bool:
    """Return whether a sink's path is in an object store."""
    return "://" in path


def split_url(url: str) -> tuple[str, str]:
    """Return the part of a URL that names the bucket, and the key below it, without slashes around it."""
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return url.rstrip("/"), ""
    bucket, _, key = rest.partition("/")
    return f"{scheme}://{bucket}", key.strip("/")


def connect(url: str, options: Mapping[str, Secret]) -> Store:
    """Return the store at the bucket's ``url``. Raises :class:`ConfigError` for what is no store.

    It is raised where no frame holds a secret, and without the error that obstore raised, whose frames do.
    """
    store, reason = _opened(url, options)
    if store is None:
        raise ConfigError(f"{url} is no object store that can be opened: {reason}")
    return store


def _opened(url: str, options: Mapping[str, Secret]) -> tuple[Store | None, str]:
    """Return the store, or None and the reason."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - needs the extra
    from obstore.store import from_url  # noqa: PLC0415

    config = {name: value.reveal() for name, value in options.items()}
    retry = {"max_retries": 8, "retry_timeout": _PATIENCE}
    more: dict[str, Any] = {"mkdir": True} if url.startswith("file:") else {"retry_config": retry}
    if config:
        more["config"] = config
    if config.get("endpoint", "").startswith("http://"):
        more["client_options"] = {"allow_http": True}
    try:
        return from_url(url, **more), ""
    except (BaseError, ValueError, TypeError, OSError) as error:
        return None, _reason(error, options)


def _reason(error: Exception, names: Iterable[str]) -> str:
    """Return the kind of an error, or for an unknown option its name: ours, nothing of the error's text."""
    if type(error).__name__ == "UnknownConfigurationKeyError":
        for name in names:
            if f"'{name}'" in str(error):
                return f"it has no option {name!r}"
    return type(error).__name__


@contextmanager
def asking(url: str, doing: str) -> Iterator[None]:
    """Raise the library's errors for what goes wrong inside, ``FileNotFoundError`` where there is no such object.

    They are :class:`SinkError` and its children, and :class:`TooManyOpenFiles`.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, PreconditionError  # noqa: PLC0415 - needs the extra

    try:
        yield
    except FileNotFoundError as error:
        if (code := _code_of(error)) in _MISSING:
            raise _failure(url, doing, code, "") from None
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from None
    except (AlreadyExistsError, PreconditionError):
        raise SinkRejected(
            f"{doing} {url} failed: somebody else has stored it meanwhile; see what else writes there"
        ) from None
    except PermissionDeniedError as error:
        raise _failure(url, doing, _code_of(error) or "AccessDenied", _status_of(error)) from None
    except BaseError as error:
        scarcity = no_descriptor(OSError(_system_code_of(error), ""), f"{doing} {url} failed")
        raise scarcity or _failure(url, doing, _code_of(error), _status_of(error)) from None


def _failure(url: str, doing: str, code: str, status: str) -> SinkError:
    said = " ".join(filter(None, (code, status and f"(status {status})")))
    if status in _TEMPORARY or not said:
        return SinkUnreachable(f"{doing} {url} failed: {said or 'no answer'}; is the store there?")
    return SinkError(f"{doing} {url} failed: {said}; {_FIXES.get(code, 'see to the store, then run again')}")


def _code_of(error: Exception) -> str:
    found = _CODE.search(str(error))
    return "" if found is None else found[1] or found[2]


def _system_code_of(error: Exception) -> int:
    found = _SYSTEM.search(str(error))
    return 0 if found is None else int(found[1])


def _status_of(error: Exception) -> str:
    found = _STATUS.search(str(error))
    return "" if found is None else found[1]
