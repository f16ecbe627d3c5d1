"""How every command is called: one environment variable means the same to all of them, and both forms of help work."""

from __future__ import annotations

from typing import Any, Final

CONTEXT: Final[dict[str, Any]] = {
    "auto_envvar_prefix": "ASYNCEXPORT",
    "help_option_names": ["-h", "--help"],
    "show_default": True,
}
