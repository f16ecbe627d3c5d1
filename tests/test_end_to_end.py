"""The command, as a scheduler runs it, against the emulator over real sockets: what it leaves, says and never says."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asyncexport.accounts import Secret, SecretSource
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.records.data import rows
from asyncexport.emulator.server import EmulatorServer
from asyncexport.models import Entity, Filters

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROUGH = """
    token nth=1: return-503
    profiles nth=1: garbage-body
    request every=7: return-429 no-retry-after
    request entity=ads nth=2: lost-answer
    poll every=11: return-503
    poll entity=campaigns nth=1: no-url
    poll entity=adGroups nth=2: fail-INTERNAL_ERROR
    download entity=targets nth=1: broken-after-50%
    download entity=ads nth=1: expire-url
    download entity=campaigns nth=2: flip-bit-200
"""


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects of standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


class Desk:
    """A folder with a configuration for the emulator, and the command run in it."""

    def __init__(self, server: EmulatorServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        tables = ['[run]\nstate_dir = "state"\n']
        for account in server.accounts():
            tables.append(
                "[[accounts]]\n"
                f'name = "{account.name}"\nregion = "{account.region.value}"\n'
                f'client_id = "{text(account.client_id)}"\nclient_secret = "{text(account.client_secret)}"\n'
                f'refresh_token = "{text(account.refresh_token)}"\n'
                f'api_url = "{account.api_url}"\ntoken_url = "{account.token_url}"\ndownload_hosts = ["127.0.0.1"]\n'
            )
        self.config = folder / "asyncexport.toml"
        self.config.write_text("\n".join(tables))
        self.config.chmod(0o600)

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start the command."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-X", "dev", "-W", "error", "-m", "asyncexport", *arguments),
            cwd=self.folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin"},
        )

    async def run(self, *arguments: str) -> Ended:
        """Run the command to its end."""
        process = await self.start(*arguments)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    def stored(self, out: str = "exports") -> dict[tuple[str, str], bytes]:
        """Read every committed file with a reader that is not ours."""
        files = (self.folder / out).glob("entity=*/snapshot=*/profile_id=*/part-0.jsonl.zst")
        return {
            (file.parent.name.partition("=")[2], file.parts[-4].partition("=")[2]): zstd.decompress(file.read_bytes())
            for file in files
        }

    def truth(self) -> dict[tuple[str, str], bytes]:
        """What the server has, from its own books."""
        world = self.server.state.world
        return {
            (profile_id, entity.value): b"".join(
                row + b"\n" for row in rows(advertiser, entity, Filters().of(entity), world.seed)
            )
            for profile_id, advertiser in world.profiles.items()
            for entity in Entity
        }


def text(source: SecretSource) -> str:
    """Return a credential of the emulator as text."""
    if isinstance(source, Secret):
        return source.reveal()
    assert isinstance(source, str)
    return source


@pytest.fixture
def desk(emulator: EmulatorServer, tmp_path: Path) -> Desk:
    """Return a configured folder."""
    return Desk(emulator, tmp_path)


@pytest.mark.emulator(profiles=6, rows=3000)
async def test_a_run_commits_every_row_and_says_so(desk: Desk) -> None:
    """The main job: files equal to the server's rows, one JSON line a job, a summary, a manifest, exit status 0."""
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.stored() == desk.truth()
    assert Counter(event["event"] for event in ended.events) == {"exported": 24, "summary": 1}
    assert ended.events[-1]["rows"] == sum(text.count(b"\n") for text in desk.truth().values())
    assert desk.server.state.counters.requests["token"] == 2
    assert desk.server.state.counters.throttled == Counter()
    assert len(list((desk.folder / "exports/_runs").iterdir())) == 1


@pytest.mark.emulator(profiles=6, rows=3000, weather=ROUGH)
async def test_rough_weather_changes_no_row(desk: Desk) -> None:
    """429s, cut and flipped downloads, dead URLs and failed exports are dealt with inside the run."""
    ended = await desk.run("run", "--json")
    assert ended.status == 0, ended.err
    assert desk.stored() == desk.truth()
    assert [str(fault) for fault in desk.server.state.weather.unmet() if not fault.every] == []
    assert ended.events[-1]["possibly_orphaned"] == 1
    assert ended.events[-1]["throttled"] > 0


@pytest.mark.emulator(profiles=4, weather=ROUGH)
async def test_no_secret_is_ever_said(desk: Desk) -> None:
    """At debug level, through all weather, no token, secret or signature stands in any output or file."""
    ended = await desk.run("run", "--json", "-vv")
    assert ended.status == 0, ended.err
    written = [file.read_text("utf-8", "replace") for file in (desk.folder / "exports").rglob("*.json")]
    said = "\n".join([ended.out, ended.err, *written])
    assert "export.requested" in said
    secrets = set(canaries(desk.server))
    assert len(secrets) > 20
    assert [secret for secret in secrets if secret in said] == []
    assert re.search(r"X-Amz-(Signature|Credential|Security-Token)=(?!\*\*\*)", said, re.IGNORECASE) is None


def canaries(server: EmulatorServer) -> Iterator[str]:
    """Yield everything that grants access: credentials, tokens, and signatures of the URLs that were minted."""
    for account in server.accounts():
        yield text(account.client_secret)
        yield text(account.refresh_token)
        yield text(account.refresh_token).removeprefix("Atzr|")
    yield from server.state.tokens._out
    yield from (token.removeprefix("Atza|") for token in server.state.tokens._out)
    yield from server.state._signer._minted


async def test_a_second_run_under_the_label_asks_for_nothing(desk: Desk) -> None:
    """What is committed is compared and skipped; --again pulls it anew."""
    await desk.run("run", "--snapshot", "night")
    asked = len(desk.server.state.journal)
    second = await desk.run("run", "--json", "--snapshot", "night")
    assert second.status == 0
    assert (second.events[-1]["exported"], second.events[-1]["skipped"]) == (0, 16)
    assert len(desk.server.state.journal) == asked
    again = await desk.run("run", "--json", "--snapshot", "night", "--again")
    assert again.events[-1]["exported"] == 16
    assert desk.stored() == desk.truth()


@pytest.mark.emulator(generation=Constant(20.0))
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_two_signals_stop_at_once_and_leave_nothing_partial(desk: Desk, number: int, status: int) -> None:
    """The second signal ends the run with its own exit status; no .part and no final file is there."""
    process = await desk.start("run")
    while not desk.server.state.journal:  # noqa: ASYNC110  another process's progress has no event to wait for
        await asyncio.sleep(0.01)
    process.send_signal(number)
    assert process.stderr is not None
    while "finish" not in (line := (await process.stderr.readline()).decode()):
        assert line, "the first signal was not answered"
    process.send_signal(number)
    _, err = await process.communicate()
    assert process.returncode == status, err
    assert list((desk.folder / "exports").rglob("part-*")) == []


@pytest.mark.emulator(profiles=8, generation=Constant(0.3))
async def test_a_killed_run_is_completed_by_the_next(desk: Desk) -> None:
    """A killed process leaves whole files only; the same command finishes the job."""
    process = await desk.start("run", "--snapshot", "night")
    while not desk.stored():  # noqa: ASYNC110  another process's progress has no event to wait for
        await asyncio.sleep(0.01)
    process.kill()
    await process.communicate()
    before = desk.stored()
    assert all(desk.truth()[key] == text for key, text in before.items())
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.stored() == desk.truth()
    assert ended.events[-1]["skipped"] >= len(before)
    assert list((desk.folder / "exports").rglob("*.part")) == []


async def test_a_second_run_at_the_same_time_is_refused(desk: Desk) -> None:
    """The state folder's lock says who has it; the status says try later."""
    from asyncexport.adapters.lock import StateLock

    lock = StateLock(desk.folder / "state")
    lock.acquire()
    ended = await desk.run("run")
    lock.release()
    assert ended.status == 75
    assert "another run" in ended.err


async def test_a_revoked_grant_is_told_and_the_other_account_goes_on(desk: Desk) -> None:
    """Exit status 3; everything else is committed."""
    account = desk.server.accounts()[0]
    desk.config.write_text(desk.config.read_text().replace(text(account.refresh_token), "Atzr|gone"))
    ended = await desk.run("run", "--json")
    assert ended.status == 3
    failed = [event for event in ended.events if event["event"] == "failed"]
    assert [(event["account"], event["error"]) for event in failed] == [(account.name, "AuthError")]
    assert ended.events[-1]["exported"] == 8


async def test_a_profile_of_another_region_is_told_and_the_others_go_on(desk: Desk) -> None:
    """A profile that the account does not list fails alone, with what to check."""
    config = desk.config.read_text().replace("[[accounts]]\n", '[[accounts]]\nprofiles = ["4711"]\n', 1)
    desk.config.write_text(config)
    ended = await desk.run("run", "--json")
    assert ended.status == 1
    assert [event["error"] for event in ended.events if event["event"] == "failed"] == ["ProfileAccessDenied"]
    assert ended.events[-1]["exported"] == 8


async def test_an_unwritable_folder_is_refused_before_anything_is_asked(desk: Desk) -> None:
    """Nothing is requested that could not be stored."""
    (desk.folder / "taken").write_text("a file")
    ended = await desk.run("run", "--out", "taken")
    assert ended.status == 74
    assert "taken" in ended.err
    assert desk.server.state.counters.requests == Counter()


async def test_a_mistyped_key_is_one_line_that_names_it(desk: Desk) -> None:
    """Exit status 2, the table, the key, and what was probably meant."""
    desk.config.write_text(desk.config.read_text().replace("region =", "regoin =", 1))
    ended = await desk.run("run")
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1
    assert "regoin" in ended.err
    assert "region" in ended.err


async def test_a_file_that_is_no_export_is_one_line(desk: Desk) -> None:
    """``rows`` reads exports and says what else it was given."""
    (desk.folder / "page.html").write_text("<html>log in</html>")
    ended = await desk.run("rows", "page.html")
    assert ended.status == 1
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 1
