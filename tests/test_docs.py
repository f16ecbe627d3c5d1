"""The README says what is true: its program runs, its configuration loads, its options and layers are all there are."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from asyncexport.accounts import Account, Secret
from asyncexport.adapters.journal import LabelCount, Slow
from asyncexport.app.cli import main
from asyncexport.app.commands.changes import Difference
from asyncexport.app.commands.emulate import configuration
from asyncexport.app.commands.plan import as_json as plan_lines
from asyncexport.app.commands.profiles import as_json as profile_lines
from asyncexport.app.commands.status import as_json as status_lines
from asyncexport.app.estimate import Estimate
from asyncexport.app.exits import MEANINGS
from asyncexport.app.manifest import RunRecord
from asyncexport.app.present import Present
from asyncexport.app.report import JsonReport, outcome_facts
from asyncexport.app.settings import load
from asyncexport.app.standing import Gap, Standing
from asyncexport.batch import Batch
from asyncexport.emulator.server import EmulatorServer
from asyncexport.errors import AuthError, ExportFailed
from asyncexport.models import Discovery, Entity, Summary
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.stored import snapshots
from tests.app.support import STARTED, failed, in_parts, job, profile, refused
from tests.sinks.support import order, store
from tests.test_layers import LAYERS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def options() -> Iterator[tuple[str, str]]:
    """Yield every command and long option of the command line."""
    assert isinstance(main, click.Group)
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, max(parameter.opts, key=len)


@pytest.mark.emulator(profiles=2, accounts=1)
async def test_the_program_runs_as_it_stands(emulator: EmulatorServer, tmp_path: Path) -> None:
    """A new user's first paste works; only the address and the credentials are the emulator's."""
    (account,) = emulator.accounts()
    assert isinstance(account.client_secret, Secret)
    assert isinstance(account.refresh_token, Secret)
    place = f'api_url="{account.api_url}", token_url="{account.token_url}", download_hosts=["127.0.0.1"],'
    program = blocks("python")[0].replace('region="EU",', f'region="{account.region.value}", {place}')
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "program.py",
        cwd=tmp_path,
        env={
            "AMAZON_ADS_CLIENT_ID": str(account.client_id),
            "AMAZON_ADS_CLIENT_SECRET": account.client_secret.reveal(),
            "AMAZON_ADS_REFRESH_TOKEN": account.refresh_token.reveal(),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert len(lines) == 8
    assert all(" rows in exports/entity=" in line for line in lines)
    assert len(list((tmp_path / "exports").rglob("part-0.jsonl.zst"))) == 8


def test_the_configuration_loads(tmp_path: Path) -> None:
    """The documented file is accepted, and its values are the documented defaults."""
    (document,) = blocks("toml")
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    file = tmp_path / "asyncexport.toml"
    file.write_text(document.replace("/run/secrets/acme", str(secret)))
    settings = load(file, {"ACME_CLIENT_ID": "id", "ACME_REFRESH_TOKEN": "token"})
    defaults = load(
        None, {f"AMAZON_ADS_{key}": "EU" for key in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "REGION")}
    )
    assert settings.limits == defaults.limits
    assert settings.run.entities == defaults.run.entities
    assert settings.run.filters == defaults.run.filters
    assert settings.run.deadline == defaults.run.deadline
    assert settings.sink.compression == defaults.sink.compression
    assert set(tomllib.loads(document)) == {"run", "limits", "accounts", "sink"}


def section(command: str) -> str:
    """Return what the README says about the options of one command: a table for ``run``, a sentence for others."""
    if command == "run":
        return README.split("| option | means |")[1].split("\n\n")[0]
    (said,) = re.findall(rf"`{command}` (?:also )?takes ([^;.]*)[;.]", README)
    return str(said)


def shared(option: str) -> bool:
    """Tell whether the option is one of ``run``, whose table holds for the others too."""
    return ("run", option) in set(options())


@pytest.mark.parametrize(("command", "option"), sorted(set(options())))
def test_every_option_is_documented(command: str, option: str) -> None:
    """What can be typed can be read about where its command is described."""
    assert re.search(rf"^\| `asyncexport {command}\b", README, re.MULTILINE)
    place = section("run" if shared(option) else command)
    assert re.search(rf"`(?:[^`]* )?{re.escape(option)}[ `]", place), f"{option} of {command}"


def test_no_option_is_documented_that_is_none() -> None:
    """What can be read about can be typed."""
    there = {option for _, option in options()}
    rows = README.split("## The command")[1].split("## Configuration")[0]
    assert set(re.findall(r"`(?:-\w`, `)?(--[a-z][a-z-]*)", rows)) - {"--help"} <= there


def documented_keys() -> dict[tuple[str, str], set[str]]:
    """Return the keys of each command's JSON lines, by command and event, as the README's table has them."""
    table = README.split("its other keys |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[set(re.findall(r"`(\w+)`", cell)) for cell in row.strip("| ").split(" | ")] for row in table.splitlines()]
    return {(command, event): keys for commands, events, keys in rows for command in commands for event in events}


def change_lines(folder: Path) -> list[str]:
    """Return what ``changes`` prints of two small snapshots."""
    for label, ids in {"a": "12", "b": "23"}.items():
        rows = [{"campaignId": each, "adProduct": "SPONSORED_PRODUCTS", "name": each + label} for each in ids]
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        asyncio.run(store(JsonLines(folder), order(snapshot=label), (Batch(text, 2),)))
    return [
        json.dumps(facts)
        for facts in Difference(partial(snapshots, folder), "here", "a", "b").events([Entity.CAMPAIGNS])
    ]


def printed_keys(folder: Path) -> dict[tuple[str, str], set[str]]:
    """Return the keys of the JSON lines that the commands print of facts that lack nothing."""
    broken = refused(AuthError("no"), profile_id="1")
    discovery = Discovery((profile("1"),), skipped=(profile("2", kind="agency"),), refused=(broken,))
    slow = Slow("acme", "EU", "1", "ads", 40.0)
    gap = Gap("x", "acme", "EU", "1", "ads", "failed", error="ExportFailed", message="no", export_id="e", age=1.0)
    label = LabelCount("x", 1, 1, 1, 1, 1, 1, 0.0, 0.0)
    found = Standing(Path("m.json"), {}, (label,), missing=(gap,), earlier=(gap,), slowest=(slow,))
    outcomes = [outcome_facts(in_parts()), outcome_facts(failed(error=ExportFailed("no", export_id="e")))]
    lines: list[str] = []
    end = JsonReport(lines.append)
    end.finish(RunRecord(snapshot="x", now=lambda: STARTED, nonce=""), Summary())
    printed = {
        "run": [*map(json.dumps, outcomes), *lines],
        "plan": plan_lines(discovery, [job()], Present(), Estimate(())),
        "profiles": profile_lines(discovery),
        "status": list(status_lines(found, 1.0)),
        "changes": change_lines(folder),
    }
    keys: dict[tuple[str, str], set[str]] = {}
    for command, texts in printed.items():
        for facts in map(json.loads, texts):
            keys.setdefault((command, facts["event"]), set()).update(facts.keys() - {"event"})
    return keys


def test_every_key_of_json_lines_is_documented(tmp_path: Path) -> None:
    """Whoever reads the lines by a program finds each event with its keys, and none that is not printed."""
    documented, printed = documented_keys(), printed_keys(tmp_path)
    assert documented.keys() == printed.keys()
    exceptions = {(command, "failed"): {"entity", "export_id"} for command in ("plan", "profiles")}
    for where, keys in printed.items():
        assert documented[where] - exceptions.get(where, set()) == keys, where


def test_every_exit_status_is_documented() -> None:
    """A scheduler's author finds each number, and only those, with the meaning that --help gives it."""
    table = README.split("| exit status | means |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()]
    assert {int(number): meaning for number, meaning in rows} == {
        int(status): text for status, text in MEANINGS.items()
    }


def test_every_variable_of_the_environment_is_read() -> None:
    """A variable the README names sets a parameter of some command."""
    there = {
        f"ASYNCEXPORT_{parameter.name.upper()}"
        for command in main.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name != "settings"
    }
    named = set(re.findall(r"ASYNCEXPORT_\w+", README))
    assert named
    assert named <= there | {"ASYNCEXPORT_CONFIG"}


def test_a_variable_of_the_environment_works(tmp_path: Path) -> None:
    """The list in the README's example is read as a list, and the folder as the folder."""
    (example,) = re.findall(r"`ASYNCEXPORT_ENTITY=\"([^\"]*)\"`", README)
    environ = {f"AMAZON_ADS_{key}": "EU" for key in ("CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "REGION")}
    environ |= {"ASYNCEXPORT_ENTITY": example, "ASYNCEXPORT_OUT": str(tmp_path)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        for name, value in environ.items():
            patch.setenv(name, value)
        context = main.commands["run"].make_context("run", [])
    assert (context.params["entity"], context.params["out"]) == (("campaigns", "ads"), str(tmp_path))


def test_every_layer_is_documented() -> None:
    """The table of layers is the one that the imports are held to."""
    table = README.split("| layer | holds |")[1]
    assert [layer for layer in LAYERS if f"`{layer}`" not in table and f"`{layer}/`" not in table] == []


def test_the_way_from_the_program_to_the_emulator() -> None:
    """What the program needs to run against the emulator is told by the names that Account and emulate use."""
    (told,) = [text for text in README.split("\n\n") if "against `asyncexport emulate`" in text]
    names = set(re.findall(r"`(\w+)=`", told.split("against `asyncexport emulate`")[1]))
    printed = configuration([Account("a", region="EU", client_id="i", client_secret="s", refresh_token="t")])
    assert names == {"api_url", "token_url", "download_hosts"}
    assert names <= set(re.findall(r"^(\w+) = ", printed, re.MULTILINE)) & set(Account.__dataclass_fields__)


def test_every_file_the_readme_points_to_is_there() -> None:
    """A pointer leads somewhere."""
    named = set(re.findall(r"`((?:tests|benchmarks)/[\w/.]*)`", README)) | set(
        re.findall(r"\]\((?!http)([^)#]+)\)", README)
    )
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
