"""Which texts may become part of a path."""

from __future__ import annotations

import pytest

from asyncexport.errors import ConfigError
from asyncexport.sinks.labels import check_label


@pytest.mark.parametrize(
    "text", ["2026-11-23", "a", "_", "v1.2_3-x", "x" * 100, "console", "18446744073709551616", "COM"]
)
def test_an_ordinary_label_is_taken(text: str) -> None:
    """Letters, digits, dots, underscores and dashes, up to a hundred."""
    assert check_label(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ".",
            "..",
            ".hidden",
            "../x",
            "a/b",
            "a\\b",
            "a b",
            "a\n",
            "a\0",
            "ü",
            "１",
            "a\u202e",
            "x" * 101,
            "a:b",
            "~",
        ),
        *("con", "NUL", "nul.txt", "Com1", "LPT9.a.b", "aux"),
    ],
)
def test_a_label_that_leaves_hides_or_is_reserved_is_refused(text: str) -> None:
    """Separators, leading dots, control characters, other alphabets and device names never reach a path."""
    with pytest.raises(ConfigError, match="snapshot label"):
        check_label(text, what="snapshot label")


def test_a_long_label_is_shown_in_part() -> None:
    """The message stays readable whatever was given."""
    with pytest.raises(ConfigError) as caught:
        check_label("/" * 10_000)
    assert len(str(caught.value)) < 250
