"""What the package promises to those who import it."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import asyncexport
from asyncexport import errors
from asyncexport.accounts import Account, Secret
from asyncexport.errors import AsyncexportError
from asyncexport.models import SignedUrl
from asyncexport.ports import Request, Response
from asyncexport.sansio.wire import Grant, Token

CANARY = "canary-5f2e"

PROBE = """
import anyio, asyncio, dataclasses, email.utils, hashlib, json, logging, orjson, os, signal, sys, threading, warnings

class Environment(dict):
    def __getitem__(self, name):
        asked.append(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        asked.append(name)
        return super().get(name, default)

def world():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    logs = logging.root.handlers[:], logging.root.level
    return logs, handlers, threading.active_count(), sys.excepthook, warnings.filters[:]

asked = []
os.environ = Environment(os.environ)
before = world()
import asyncexport
print(before == world())
print(sorted(name for name in asked if name.upper().startswith(("AMAZON", "ASYNCEXPORT", "HTTP", "SSL"))))
print(sorted({"aiohttp", "rich", "click", "structlog"} & set(sys.modules)))
"""


def test_all_is_complete() -> None:
    """``__all__`` names what the package offers its users, and nothing twice."""
    names = {name for name in dir(asyncexport) if not name.startswith("_")}
    modules = {name for name in names if inspect.ismodule(getattr(asyncexport, name))}

    assert len(asyncexport.__all__) == len(set(asyncexport.__all__))
    assert set(asyncexport.__all__) == names - modules | {"__version__"}


@pytest.mark.parametrize("name", asyncexport.__all__)
def test_a_public_name(name: str) -> None:
    """Every public name can be imported and says in its own words what it is."""
    value = getattr(asyncexport, name)

    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__doc__
        assert not value.__doc__.startswith(f"{name}(")


def public_members() -> Iterator[tuple[str, object]]:
    for name in asyncexport.__all__:
        value = getattr(asyncexport, name)
        if inspect.isclass(value):
            for member, what in vars(value).items():
                function = what.fget if isinstance(what, property) else what
                if not member.startswith("_") and inspect.isfunction(function):
                    yield f"{name}.{member}", function


@pytest.mark.parametrize(("name", "member"), list(public_members()))
def test_a_public_member(name: str, member: object) -> None:
    """Every public method and property says what it gives or does, and every parameter and result has a type."""
    assert inspect.isfunction(member), name
    assert member.__doc__, name
    hints = set(typing.get_type_hints(member, vars(sys.modules[member.__module__]) | {"aiohttp": asyncexport}))
    assert hints >= set(inspect.signature(member).parameters) - {"self", "cls"} | {"return"}


@pytest.mark.parametrize("module", ["errors", "events", "ports", "sinks", "testing", "accounts", "models", "notes"])
def test_a_module_for_users(module: str) -> None:
    """The modules that the package's docstring points to are there, and every class in them has a docstring."""
    loaded = importlib.import_module(f"asyncexport.{module}")
    own = [value for value in vars(loaded).values() if inspect.isclass(value) and value.__module__ == loaded.__name__]

    assert loaded.__doc__
    assert [kind.__name__ for kind in own if not kind.__doc__] == []


def test_importing_the_package() -> None:
    """Importing configures nothing, reads no environment, and loads neither aiohttp nor what the command line needs."""
    probe = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", PROBE],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )

    assert probe.stderr == ""
    assert probe.stdout.splitlines() == ["True", "[]", "[]"]


def test_the_version() -> None:
    """The version is a version."""
    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", asyncexport.__version__)


# the tree of errors

KINDS = [getattr(errors, name) for name in errors.__all__]


def drawn() -> dict[str, str]:
    """Return each error in the drawing of the docstring with its parent."""
    parents: dict[str, str] = {}
    line_of: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    (?P<branches>[│├└─ ]*)(?P<name>[A-Z]\w+)", line)
        if match and (match["name"] == "AsyncexportError" or "─" in match["branches"]):
            depth = len(match["branches"]) // 4
            line_of[depth:] = [match["name"]]
            parents[match["name"]] = line_of[depth - 1] if depth else ""
    return parents


def test_the_drawn_tree() -> None:
    """The tree in the docstring of the errors is the tree of the classes, every one at its depth."""
    classes = {kind.__name__: "" if kind is AsyncexportError else kind.__bases__[0].__name__ for kind in KINDS}

    assert drawn() == classes


def test_errors_that_are_public() -> None:
    """Every class of the module is in its ``__all__``, in alphabetical order, and has one base and a docstring."""
    defined = [name for name, value in vars(errors).items() if inspect.isclass(value)]

    assert errors.__all__ == sorted(defined)
    assert all(len(kind.__bases__) == 1 and kind.__doc__ for kind in KINDS)


def filled(kind: type[AsyncexportError]) -> AsyncexportError:
    """Make an error with every attribute set to something that is no default."""
    values: dict[str, object] = {
        "status": 418,
        "code": "Teapot",
        "request_id": "RID",
        "retry_after": 2.5,
        "export_id": "e-1",
        "offset": 7,
        "row": 3,
        "sent": False,
        "committed": ("exports/part-0.jsonl.zst",),
    }
    names = [name for name in inspect.signature(kind.__init__).parameters if name in values]
    return kind("cause; fix", **{name: values[name] for name in names})


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_in_a_pickle(kind: type[AsyncexportError]) -> None:
    """An error comes back from a worker process as the same kind, with its text and all its attributes."""
    error = filled(kind)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301

    assert type(back) is kind
    assert str(back) == "cause; fix"
    assert vars(back) == vars(error)


# secrets


@pytest.mark.parametrize(
    "value",
    [
        Account("a", region="EU", client_id=CANARY, client_secret=CANARY, refresh_token=CANARY),
        Grant("id", Secret(CANARY), Secret(CANARY)),
        Token(Secret(CANARY), 1.0, Secret(CANARY)),
        Request("POST", "https://t.test/", {"Authorization": CANARY}, CANARY.encode()),
        Response(200, {}, CANARY.encode()),
        Secret(CANARY),
        SignedUrl(f"https://b.test/k?X-Amz-Signature={CANARY}"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_holds_a_secret(value: object) -> None:
    """However a value is shown, alone or in a container, the secret in it is not."""
    shown = [repr(value), str(value), f"{value}", repr([value]), repr({"k": value}), ascii(value)]

    assert not [text for text in shown if CANARY in text]


@pytest.mark.parametrize(
    "value",
    [
        Secret(CANARY),
        Account("a", region="EU", client_id="c", client_secret=CANARY, refresh_token=CANARY),
        Grant("id", Secret(CANARY), Secret(CANARY)),
        Token(Secret(CANARY), 1.0, Secret(CANARY)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_secret_on_its_way_into_a_pickle(value: object) -> None:
    """What holds a secret cannot be pickled, by any protocol."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=r"never pickled|cannot pickle"):
            pickle.dumps(value, protocol)
