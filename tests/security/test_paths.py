"""Names and labels of others never lead out of the output folder, and links in it are not followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncexport import Exporter, Failed, Job
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.world import World
from asyncexport.errors import AsyncexportError, ConfigError, SinkRejected, StateError
from asyncexport.models import Entity, Exported
from asyncexport.sinks import JsonLines
from asyncexport.sinks.files.disk import Files
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.engine.support import ACCOUNT
from tests.security.support import named
from tests.sinks.support import order, store
from tests.test_end_to_end import Desk

NAMES = [
    "../../escaped",
    "/etc/passwd",
    "..",
    "a/b",
    "a\\b",
    "C:\\windows",
    "\x00",
    "n" * 300,
    "\u202egnp.exe",
    "🦊" * 60,
    "CON",
    "$(touch escaped)",
    "`touch escaped`",
    "; touch escaped",
    "%2e%2e%2f",
    "name\nwith\nlines",
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "",
]
LABELS = [*NAMES[:-3], "a b", "a=b", "é", ".", ".hidden", "nul.txt", "LPT1", "x" * 101, "a%2fb", "a:b", "a\tb", " "]


def tree(folder: Path) -> set[str]:
    """Return every path below ``folder``."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_profiles_with_hostile_names(tmp_path: Path) -> None:
    """A name is shown and never becomes a path: the tree holds ids, and nothing stands outside of it."""
    world = named(World.generate(seed=3, accounts=1, profiles=len(NAMES), rows=0), NAMES)
    async with (
        EmulatorServer(AdsState(world, rate=None, generation=None, speed=10_000)) as server,
        Exporter(server.accounts(), schedule=QUICK, backoff=BRISK) as exporter,
    ):
        profiles = await exporter.profiles()
        outcomes = await pulled(exporter, await planned(exporter, [Entity.CAMPAIGNS]), JsonLines(tmp_path / "exports"))
    assert {profile.name for profile in profiles} == set(NAMES)
    assert all(isinstance(each, Exported) for each in outcomes)
    stored = {path for path in tree(tmp_path) if path.endswith(".zst")}
    assert stored == {
        f"exports/entity=campaigns/snapshot=night/profile_id={profile.profile_id}/part-0.jsonl.zst"
        for profile in profiles
    }
    assert {path.partition("/")[0] for path in tree(tmp_path)} == {"exports"}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("place", ["snapshot", "profile_id"])
async def test_a_label_that_is_no_name_of_a_file(label: str, place: str, tmp_path: Path) -> None:
    """Whoever makes a job by hand cannot lead the sink elsewhere: refused, and nothing is made."""
    wanted = order(snapshot=label) if place == "snapshot" else order(profile_id=label)
    with pytest.raises(ConfigError, match="cannot be part of a path"):
        await store(JsonLines(tmp_path / "exports"), wanted)
    assert {path for path in tree(tmp_path) if path != "exports"} == set()


@pytest.mark.emulator(profiles=1, accounts=1)
async def test_a_hostile_label_ends_its_own_job_only(emulator: EmulatorServer, tmp_path: Path) -> None:
    """The job with such a label fails before anything is asked for it; the others are committed."""
    async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
        good = await planned(exporter, [Entity.CAMPAIGNS])
        bad = [Job(good[0].profile, Entity.ADS, snapshot="../../escaped")]
        outcomes = await pulled(exporter, [*bad, *good], JsonLines(tmp_path / "exports"))
    failed = [each for each in outcomes if isinstance(each, Failed)]
    assert [(each.job, type(each.error)) for each in failed] == [(bad[0], ConfigError)]
    assert len(outcomes) == 2
    assert not emulator.state.counters.requests["ads"]


@pytest.mark.emulator(profiles=1, accounts=1)
@pytest.mark.parametrize("label", ["../../escaped", "a\x1b[31mb", ".hidden", "CON"])
async def test_a_hostile_label_on_the_command_line(label: str, emulator: EmulatorServer, tmp_path: Path) -> None:
    """Exit status 2 before anything is asked, with the label made harmless in the message."""
    desk = Desk(emulator, tmp_path)
    done = await desk.run("run", "--snapshot", label)
    assert done.status == 2
    assert "cannot be part of a path" in done.err
    assert "\x1b" not in done.err
    assert not emulator.state.counters.requests
    assert tree(tmp_path) == {"asyncexport.toml"}


@pytest.mark.parametrize("planted", ["entity=campaigns", "entity=campaigns/snapshot=night"])
async def test_a_link_in_place_of_a_folder(planted: str, tmp_path: Path) -> None:
    """Somebody who may write into the output folder cannot have us write elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "exports" / planted
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(SinkRejected, match="is a link"):
        await store(JsonLines(tmp_path / "exports"))
    assert tree(elsewhere) == set()


@pytest.mark.parametrize("name", ["part-0.jsonl.zst", "part-0.jsonl.zst.part", "_part-0.receipt.json.part"])
async def test_a_link_in_place_of_a_file(name: str, tmp_path: Path) -> None:
    """What a planted link points to is neither written nor removed, whichever file of the commit it stands for."""
    treasure = tmp_path / "treasure"
    treasure.write_text("precious")
    folder = tmp_path / "exports" / "entity=campaigns/snapshot=night/profile_id=123"
    folder.mkdir(parents=True)
    (folder / name).symlink_to(treasure)
    with pytest.raises(AsyncexportError):
        await store(JsonLines(tmp_path / "exports"))
    assert treasure.read_text() == "precious"


async def test_a_link_planted_between_look_and_open(tmp_path: Path) -> None:
    """The race: a link appears under the name right before the file is made; it is not followed."""
    treasure = tmp_path / "treasure"
    treasure.write_text("precious")
    folder = tmp_path / "exports" / "entity=campaigns/snapshot=night/profile_id=123"

    class Racing(Files):
        def create(self, parent: int, name: str) -> int:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(treasure)
            return super().create(parent, name)

    with pytest.raises(SinkRejected):
        await store(JsonLines(tmp_path / "exports", files=Racing()))
    assert treasure.read_text() == "precious"


async def test_a_state_folder_whose_files_are_links(tmp_path: Path) -> None:
    """Neither lock nor journal is written through a link."""
    treasure = tmp_path / "treasure"
    for name in ("lock", "journal.sqlite3"):
        treasure.write_text("precious")
        state = tmp_path / name / "state"
        state.mkdir(parents=True)
        (state / name).symlink_to(treasure)
        with pytest.raises(StateError, match="state"):
            await Exporter([ACCOUNT], state_dir=state).__aenter__()
        assert treasure.read_text() == "precious"
