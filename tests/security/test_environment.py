"""What surrounds the process has no say in it, and gets nothing from it: environment, arguments, children."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import pytest

from asyncexport.app.cli import main
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from tests.security.support import CANARY, leaked, spying
from tests.test_end_to_end import Desk, Ended, text

PLAIN = {"PATH": "/usr/bin:/bin"}
LONELY = """
import sys

def watch(event, args):
    if event in {"subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn"}:
        sys.stderr.write(f"another process: {event}\\n")
        raise SystemExit(99)

sys.addaudithook(watch)
from asyncexport.app.cli import main
main()
"""


async def start(desk: Desk, *arguments: str, program: tuple[str, ...], **more: str) -> asyncio.subprocess.Process:
    """Start the command with more in its environment."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *arguments,
        cwd=desk.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=PLAIN | more,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for its end."""
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def hostile(folder: Path, proxy: str) -> dict[str, str]:
    """Return an environment that would lead clients astray, and write the files that it speaks of."""
    (folder / ".netrc").write_text(f"machine 127.0.0.1 login {CANARY} password {CANARY}\ndefault login a password b\n")
    (folder / ".netrc").chmod(0o600)
    (folder / "empty.pem").write_text("")
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "FTP_PROXY")
    proxies = {spelt: proxy for name in names for spelt in (name, name.lower())}
    return proxies | {
        "NO_PROXY": "",
        "HOME": str(folder),
        "NETRC": str(folder / ".netrc"),
        "SSL_CERT_FILE": str(folder / "empty.pem"),
        "SSL_CERT_DIR": str(folder),
        "REQUESTS_CA_BUNDLE": str(folder / "empty.pem"),
        "CURL_CA_BUNDLE": str(folder / "empty.pem"),
        "SSLKEYLOGFILE": str(folder / "keys.log"),
        "AWS_ACCESS_KEY_ID": CANARY,
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "AWS_PROFILE": CANARY,
        "AMAZON_ADS_CLIENT_ID": CANARY,
        "AMAZON_ADS_CLIENT_SECRET": CANARY,
        "AMAZON_ADS_REFRESH_TOKEN": CANARY,
        "AIOHTTP_NO_EXTENSIONS": "",
        "LC_ALL": "C",
    }


@pytest.mark.emulator(profiles=2)
async def test_a_hostile_environment(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Proxies, netrc, certificate and key-log variables change nothing: same files, and nobody else is called."""
    desk = Desk(emulator, tmp_path)
    async with spying() as proxy:
        around = hostile(tmp_path, proxy.url)
        done = await ended(await start(desk, "run", "--json", "-vv", program=("-m", "asyncexport"), **around))
        assert done.status == 0, done.err
        assert proxy.connects == 0
    assert desk.stored() == desk.truth()
    keys = tmp_path / "keys.log"
    said = keys.read_text() if keys.exists() else ""  # importing aiohttp makes one, with a heading
    assert [line for line in said.splitlines() if not line.startswith("#")] == []
    assert CANARY not in done.out + done.err


@pytest.mark.emulator(profiles=1, accounts=1, generation=Constant(0.4))
async def test_arguments_environment_and_children(emulator: EmulatorServer, tmp_path: Path) -> None:
    """In mid-run no secret stands in the process's arguments or environment, and it starts no other process, ever."""
    desk = Desk(emulator, tmp_path)
    secret = text(emulator.accounts()[0].refresh_token)
    (tmp_path / "token").write_text(secret)
    (tmp_path / "token").chmod(0o600)
    desk.config.write_text(desk.config.read_text().replace(f'"{secret}"', '{ file = "token" }'))
    process = await start(desk, "run", "--json", program=("-c", LONELY))
    while not emulator.state.journal and process.returncode is None:  # noqa: ASYNC110  another process has no event
        await asyncio.sleep(0.01)
    assert process.returncode is None, await ended(process)
    about = Path(f"/proc/{process.pid}")
    seen = [(about / name).read_bytes().decode("latin-1") for name in ("cmdline", "environ")]
    children = [task.joinpath("children").read_text() for task in about.joinpath("task").iterdir()]
    done = await ended(process)
    assert done.status == 0, done.err
    assert leaked("\n".join(seen), emulator) == []
    assert set(children) == {""}
    assert "another process" not in done.err


def test_no_option_takes_a_secret() -> None:
    """Secrets come from a file or the environment: there is no option by which one could get into the arguments."""
    assert isinstance(main, click.Group)
    context = click.Context(main)
    words = ("secret", "token", "password", "credential", "client-id", "key")
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        options = [option for each in command.params for option in each.opts]
        assert not [option for option in options if any(word in option.lower() for word in words)]
