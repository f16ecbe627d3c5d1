"""A refresh token that replaces another is stored before it is used, and never lost on the way."""

from __future__ import annotations

import asyncio
import errno
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from asyncexport import Account, Exporter, Secret
from asyncexport.adapters import tokens
from asyncexport.adapters.retrying import Retrying
from asyncexport.adapters.tokens import TokenSource
from asyncexport.app.rotation import SecretFile, keeper_of
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import StateError
from asyncexport.events import Event, OddityNoticed
from asyncexport.ports import Request, Response
from asyncexport.sansio import wire
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.testing import FakeClock, FakeTransport, json_response
from tests.engine.pulling import BRISK
from tests.security import killed
from tests.security.support import CANARY, allowing, leaked
from tests.sinks.support import Died, FaultyFiles
from tests.test_end_to_end import Desk, text

OLD, NEW = "Atzr|old", f"Atzr|{CANARY}"
Keeper = Callable[[Secret], Awaitable[None] | None]


def answer(access: str, refresh: str = NEW, seconds: int = 3600) -> Response:
    return json_response(f'{{"access_token":"{access}","expires_in":{seconds},"refresh_token":"{refresh}"}}')


class Host:
    """A token source in front of a token host that gives out another refresh token at the first call."""

    def __init__(self, keeper: Keeper | None, *more: Response) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.transport = FakeTransport(answer("a"), *more)
        account = Account(
            "acme", region="NA", client_id="c", client_secret="s", refresh_token=OLD, on_new_refresh_token=keeper
        )
        self.tokens = TokenSource(
            account,
            wire.Grant("c", Secret("s"), Secret(OLD)),
            transport=self.transport,
            clock=self.clock,
            retrying=Retrying(Backoff(), clock=self.clock, spread=lambda: 0.5, listener=self.events.append),
            listener=self.events.append,
            count=lambda: None,
        )

    @property
    def oddities(self) -> list[str]:
        return [event.what for event in self.events if isinstance(event, OddityNoticed)]


async def test_a_keeper_of_either_kind() -> None:
    """A function and a coroutine function are both given the new token, once, before the access token is handed on."""
    kept: list[str] = []

    def at_once(secret: Secret) -> None:
        kept.append(secret.reveal())

    async def in_a_while(secret: Secret) -> None:
        await anyio.lowlevel.checkpoint()
        kept.append(secret.reveal())

    for keeper in (at_once, in_a_while):
        kept.clear()
        host = Host(keeper, answer("b"))
        await host.tokens.token()
        assert kept == [NEW]
        assert host.oddities == ["account 'acme': the token host gave another refresh token, and it was stored"]
        host.clock.advance(4000)
        await host.tokens.token()
        assert kept == [NEW]


async def test_nobody_uses_the_access_token_before_the_refresh_token_is_stored() -> None:
    """While the keeper works, whoever asks for a token waits."""
    may_finish = asyncio.Event()

    async def keeper(_: Secret) -> None:
        await may_finish.wait()

    host = Host(keeper)
    asking = [asyncio.create_task(host.tokens.token()) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(each.done() for each in asking)
    may_finish.set()
    assert {(await each).token.reveal() for each in asking} == {"a"}


@pytest.mark.parametrize("error", [OSError(errno.EROFS, "no"), StateError("the vault is sealed"), KeyError(NEW)])
async def test_a_keeper_that_fails(error: Exception) -> None:
    """It is told loudly, without the token, and the run goes on with the new token in memory."""

    def keeper(_: Secret) -> None:
        raise error

    host = Host(keeper, answer("b"))
    assert (await host.tokens.token()).token.reveal() == "a"
    assert "could not be stored" in host.oddities[0]
    assert "consent" in host.oddities[0]
    assert CANARY not in repr(host.events)
    host.clock.advance(4000)
    await host.tokens.token()
    assert CANARY.encode() in host.transport.requests[1].body


async def test_no_keeper() -> None:
    """It is said that nothing is there to store it, and what would."""
    host = Host(None)
    await host.tokens.token()
    assert "on_new_refresh_token" in host.oddities[0]


async def test_a_keeper_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a time; after that it counts as failed."""
    monkeypatch.setattr(tokens, "_KEEPING_SECONDS", 0.01)

    async def keeper(_: Secret) -> None:
        await asyncio.Event().wait()

    host = Host(keeper)
    assert (await host.tokens.token()).token.reveal() == "a"
    assert "not done within" in host.oddities[0]


async def test_a_caller_that_leaves_while_the_keeper_works() -> None:
    """The token is stored all the same: the old one may be worthless by now."""
    stored: list[str] = []
    working = asyncio.Event()

    async def keeper(secret: Secret) -> None:
        working.set()
        for _ in range(5):
            await asyncio.sleep(0)
        stored.append(secret.reveal())

    host = Host(keeper, answer("b"))
    asking = asyncio.create_task(host.tokens.token())
    await working.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert stored == [NEW]
    assert (await host.tokens.token()).token.reveal() == "b"
    assert CANARY.encode() in host.transport.requests[1].body


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_scope_that_is_left_while_the_token_comes(is_async: bool) -> None:
    """A scope cancels again and again; the token is stored all the same, and nothing is left behind."""
    stored: list[str] = []

    async def in_a_while(secret: Secret) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        stored.append(secret.reveal())

    def at_once(secret: Secret) -> None:
        stored.append(secret.reveal())

    host = Host(in_a_while if is_async else at_once)
    tasks_before = asyncio.all_tasks()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(host.tokens.token)
        for _ in range(4):
            await asyncio.sleep(0)
        assert host.transport.requests
        tasks.cancel_scope.cancel()
    assert stored == [NEW]
    assert asyncio.all_tasks() == tasks_before


def before(folder: Path) -> Path:
    """Return a secret's file as it is before the token is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "acme.token"
    path.write_text(f"{OLD}\n")
    path.chmod(0o600)
    return path


async def operations(folder: Path) -> int:
    """Return how many operations of the file system the store takes."""
    files = FaultyFiles()
    await SecretFile(before(folder), files=files)(Secret(NEW))
    files.end()
    return len(files.log)


@pytest.mark.parametrize("power_lost", [False, True])
async def test_killed_at_any_operation_of_the_store(power_lost: bool, tmp_path: Path) -> None:
    """For every N: the process or the power ends before operation N; the file holds the old token or the new one."""
    contents = []
    for at in range(await operations(tmp_path / "count")):
        path = before(tmp_path / f"{at}")
        files = FaultyFiles(at=at, failure=Died)
        with pytest.raises(Died):
            await SecretFile(path, files=files)(Secret(NEW))
        files.end(power_lost=power_lost)
        contents.append(path.read_text())
        await SecretFile(path)(Secret(NEW))
        assert path.read_text() == f"{NEW}\n"
        assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert set(contents) == {f"{OLD}\n", f"{NEW}\n"}
    assert contents == sorted(contents, key=lambda content: content == f"{NEW}\n")


async def test_killed_by_the_system_at_any_operation_of_the_store(tmp_path: Path) -> None:
    """The same with real processes and SIGKILL."""
    count = await operations(tmp_path / "count")
    killing = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.security.killed", str(tmp_path), str(count), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await killing.communicate()
    contents = said.decode().split()
    assert killing.returncode == 0
    assert len(contents) == count
    assert set(contents) == {killed.OLD, killed.NEW}
    assert contents == sorted(contents, key=lambda content: content == killed.NEW)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS])
async def test_a_store_that_fails_at_any_operation(code: int, tmp_path: Path) -> None:
    """For every N: operation N fails; the error names the file, not the token, and the file is whole."""
    for at in range(await operations(tmp_path / "count")):
        path = before(tmp_path / f"{at}")
        with pytest.raises(StateError, match=r"acme\.token") as caught:
            await SecretFile(path, files=FaultyFiles(at=at, failure=code))(Secret(NEW))
        assert CANARY not in str(caught.value)
        assert path.read_text() in {f"{OLD}\n", f"{NEW}\n"}
        assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """A secret is not put where none was."""
    with pytest.raises(StateError, match="No such file"):
        await SecretFile(tmp_path / "acme.token")(Secret(NEW))
    assert not (tmp_path / "acme.token").exists()


async def test_something_else_in_the_way(tmp_path: Path) -> None:
    """What is not ours is not removed: the error says what stands there, and the old token is still in place."""
    path = before(tmp_path)
    (tmp_path / "acme.token.part").mkdir()
    with pytest.raises(StateError, match=r"acme\.token cannot be replaced \(acme\.token\.part is no file of ours"):
        await SecretFile(path)(Secret(NEW))
    assert path.read_text() == f"{OLD}\n"


async def test_a_link_to_the_secret(tmp_path: Path) -> None:
    """What the link leads to is replaced; the link stays."""
    path = before(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(path)
    await SecretFile(link)(Secret(NEW))
    assert link.is_symlink()
    assert path.read_text() == f"{NEW}\n"


def test_where_a_configuration_says_the_secret_is(tmp_path: Path) -> None:
    """A file can be rewritten; a text in the configuration and the environment cannot."""
    keeper = keeper_of({"file": "acme.token"}, tmp_path)
    assert repr(keeper) == f"<SecretFile {tmp_path / 'acme.token'}>"
    assert [keeper_of(source, tmp_path) for source in ({"env": "X"}, "Atzr|x", None)] == [None] * 3


@pytest.mark.emulator(profiles=1, accounts=1, weather="token: rotate-token")
async def test_the_command_rewrites_the_file(emulator: EmulatorServer, tmp_path: Path) -> None:
    """The run goes on, says that it was stored, and leaves a file with which the next one works too."""
    desk = Desk(emulator, tmp_path)
    given = text(emulator.accounts()[0].refresh_token)
    path = tmp_path / "acme.token"
    path.write_text(given)
    path.chmod(0o600)
    desk.config.write_text(desk.config.read_text().replace(f'"{given}"', '{ file = "acme.token" }'))
    first = await desk.run("run", "--json", "-vv")
    assert first.status == 0, first.err
    assert "it was stored" in first.err
    stored = path.read_text().strip()
    assert stored.startswith("Atzr|")
    assert stored != given
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stored not in first.out + first.err
    assert leaked(first.out + first.err, emulator) == []
    del emulator.state.tokens._grants[given]
    second = await desk.run("run", "--json", "--snapshot", "again")
    assert second.status == 0, second.err


@pytest.mark.emulator(profiles=1, accounts=1, weather="token: rotate-token")
async def test_an_embedder_is_given_the_token(emulator: EmulatorServer) -> None:
    """The callback of the account gets what the token host gave out, and its next exporter is let in with it."""
    kept: list[Secret] = []
    account = allowing(emulator.accounts()[0], on_new_refresh_token=kept.append)
    async with Exporter([account], backoff=BRISK) as exporter:
        assert await exporter.profiles()
    assert len(kept) == 1
    async with Exporter([allowing(account, refresh_token=kept[0])], backoff=BRISK) as exporter:
        assert await exporter.profiles()


def test_what_a_request_shows() -> None:
    """The token request carries the token in its body, which its repr does not show."""
    request = wire.token_request("https://t.example", wire.Grant("c", Secret("s"), Secret(NEW)))
    assert isinstance(request, Request)
    assert CANARY.encode() in request.body
    assert CANARY not in repr(request)
