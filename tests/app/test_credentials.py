"""Secrets come from a text, the environment or a file nobody else can read, and never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport.accounts import Secret
from asyncexport.app.credentials import refuse_readable, secret
from asyncexport.app.rotation import SecretFile
from asyncexport.app.table import Table
from asyncexport.errors import AuthError, ConfigError, StateError
from asyncexport.ports import Response
from asyncexport.sansio.redact import safe_line
from asyncexport.sansio.wire import Grant, read_token

CANARY = "Atzr|canary-in-a-coal-mine"
HOW = '{ env = "NAME" } or { file = "PATH" }'


def read(value: object, *, folder: Path = Path(), **environ: str) -> Secret:
    return secret(
        Table({"refresh_token": value}, "[[accounts]] 'acme'"), "refresh_token", environ=environ, folder=folder
    )


def kept(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_text() -> None:
    """A text is the secret itself, without the blanks around it."""
    assert read(f" {CANARY}\n").reveal() == CANARY


def test_a_variable() -> None:
    """``env`` names the variable that holds the secret."""
    assert read({"env": "TOKEN"}, TOKEN=CANARY).reveal() == CANARY


def test_a_private_file(tmp_path: Path) -> None:
    """``file`` is relative to the configuration's folder and may end in a newline."""
    kept(tmp_path, f"{CANARY}\n".encode())
    assert read({"file": "token"}, folder=tmp_path).reveal() == CANARY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o440])
def test_a_file_that_others_can_read(tmp_path: Path, mode: int) -> None:
    """A credential file that group or others may read is refused, with the command that mends it."""
    path = kept(tmp_path, CANARY.encode(), mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        read({"file": str(path)})
    assert CANARY not in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A missing credential file is named."""
    with pytest.raises(ConfigError, match=rf"'acme': refresh_token \(there is no file {tmp_path}/token\)"):
        read({"file": "token"}, folder=tmp_path)


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    """Something that is no regular file is not read."""
    with pytest.raises(ConfigError, match="there is no file"):
        read({"file": str(tmp_path)})


def test_a_path_the_system_refuses(tmp_path: Path) -> None:
    """What the operating system says about a path is told without its traceback."""
    with pytest.raises(ConfigError, match=r"cannot be read|there is no file"):
        read({"file": str(tmp_path / ("x" * 5000))})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x" * (64 * 1024 + 1), "is larger than 65536 bytes"),
        (b"two\nlines", "holds white space"),
        (b"nul\x00l", "holds white space"),
    ],
)
def test_a_file_that_holds_no_credential(tmp_path: Path, content: bytes, reason: str) -> None:
    """A malformed credential file is refused without a byte of it in the message."""
    path = kept(tmp_path, content)
    with pytest.raises(ConfigError, match=reason) as caught:
        read({"file": str(path)})
    assert "lines" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, f"refresh_token is missing; give a string, {HOW}"),
        (5, f"refresh_token must be a string, {HOW}, not an integer"),
        ({"env": "A", "file": "b"}, f"refresh_token must be a string, {HOW}, not a table"),
        ({"vault": "A"}, f"refresh_token must be a string, {HOW}"),
        ({"env": 5}, f"refresh_token must be a string, {HOW}"),
        ({"file": ""}, f"refresh_token must be a string, {HOW}"),
        ({"env": "UNSET"}, "refresh_token is in the environment variable UNSET, which is not set"),
        ("  ", "refresh_token is empty"),
        (
            "Atzr|pasted with a blank",
            "refresh_token holds white space or characters that no credential has; was it pasted whole?",
        ),
        ("Atzr|…", "refresh_token holds white space or characters that no credential has; was it pasted whole?"),
    ],
)
def test_a_source_that_is_none(value: object, reason: str) -> None:
    """What is no source of a secret is refused in one line that names account and key, never the text."""
    with pytest.raises(ConfigError) as caught:
        read(value)
    assert str(caught.value) == f"[[accounts]] 'acme': {reason}"


def test_the_mode_of_a_file() -> None:
    """Only the owner's rights pass."""
    refuse_readable(Path("x"), 0o100600, "it holds a secret")
    with pytest.raises(ConfigError, match="it holds a secret, and other users may read x"):
        refuse_readable(Path("x"), 0o100640, "it holds a secret")


@pytest.mark.parametrize("key", ["client_secret", "refresh_token"])
@pytest.mark.parametrize(
    "trouble", ["missing", "readable", "unset", "binary", "large", "blank", "long", "typed", "folder"]
)
def test_redaction_leaves_a_refusal_alone(tmp_path: Path, key: str, trouble: str) -> None:
    """No refusal looks like a secret: a person reads the whole of it, even of a file called like the key."""
    path = tmp_path / key
    content = {"binary": b"\xff", "large": b"x" * (64 * 1024 + 1), "blank": b"two words"}.get(trouble, b"s")
    if trouble not in ("missing", "folder"):
        path.write_bytes(content)
        path.chmod(0o644 if trouble == "readable" else 0o600)
    source: dict[str, object] = {
        "unset": {"env": key.upper()},
        "long": {"file": "x" * 5000},
        "typed": {"file": 5},
        "folder": {"file": "."},
    }
    table = Table({key: source.get(trouble, {"file": str(path)})}, "[[accounts]] 'acme'")
    with pytest.raises(ConfigError) as caught:
        secret(table, key, environ={}, folder=tmp_path)
    assert safe_line(str(caught.value)) == str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize("code", ["invalid_client", "invalid_grant", "unauthorized_client"])
def test_redaction_leaves_a_refused_grant_alone(code: str) -> None:
    """What to check after the token host refused is read whole."""
    grant = Grant("id", Secret("s"), Secret("t"))
    with pytest.raises(AuthError) as caught:
        read_token(Response(400, {}, b'{"error": "%s"}' % code.encode()), grant, "acme")
    assert safe_line(str(caught.value)) == str(caught.value)


async def test_redaction_leaves_a_token_that_cannot_be_kept_alone(tmp_path: Path) -> None:
    """A refresh token that cannot be stored names its file and the reason, whole."""
    with pytest.raises(StateError) as caught:
        await SecretFile(tmp_path / "refresh_token")(Secret("t"))
    assert safe_line(str(caught.value)) == str(caught.value)
