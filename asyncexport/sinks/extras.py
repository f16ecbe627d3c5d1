"""Libraries that only some need: they come with an extra of the package, and the sink or listener that uses them asks.

Contract: a sink asks when it is made, so that a run without the library ends before it begins.
"""

from __future__ import annotations

from importlib import import_module

from asyncexport.errors import ConfigError


def require(library: str, *, extra: str, by: str | None = None) -> None:
    """Load ``library``, and ``by``, the module of ours that uses it: later the loop would be held by loading.

    Raises :class:`ConfigError` that names the extra to install.
    """
    try:
        import_module(library)
    except ImportError:
        raise ConfigError(f"this needs {library}, which is not installed: pip install 'asyncexport[{extra}]'") from None
    if by is not None:
        import_module(by)
