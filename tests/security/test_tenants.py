"""Two hundred profiles at once under two grants: no row, no token and no file ends up with somebody else."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from asyncexport import Exporter, Limits
from asyncexport.emulator.answers import Answer
from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.state import AdsState
from asyncexport.emulator.store.objects import ObjectKey
from asyncexport.emulator.world import World
from asyncexport.models import Entity, Exported
from asyncexport.ports import Request
from asyncexport.sinks import JsonLines
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.test_end_to_end import text

PROFILES = 200
ENTITIES = (Entity.CAMPAIGNS, Entity.ADS)


def marked(key: ObjectKey) -> Iterable[bytes]:
    """Return an export in which every row says whose it is."""
    rows = [{"profileId": key.profile_id, "entity": key.entity.value, "at": at} for at in range(7)]
    return [gzip.compress(orjson.dumps(rows), mtime=0)]


class Watched(AdsState):
    """A server that also notes which token came with which scope and client."""

    def __init__(self, world: World) -> None:
        super().__init__(world, generation=Constant(0.01), cap=None, rate=None)
        self.seen: set[tuple[str, str, str]] = set()

    def answer(self, request: Request, now: float) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "authorization" in headers:
            client = headers["amazon-advertising-api-clientid"]
            scope = headers.get("amazon-advertising-api-scope", "")
            self.seen.add((headers["authorization"].removeprefix("Bearer "), client, scope))
        return super().answer(request, now)


async def test_two_hundred_profiles_at_once(tmp_path: Path) -> None:
    """Every file holds the rows of the profile in its path and no others; every call the token of its own grant."""
    world = World.generate(seed=5, accounts=2, profiles=PROFILES, rows=0)
    state = Watched(world)
    async with (
        EmulatorServer(state, content=marked) as server,
        Exporter(
            server.accounts(),
            schedule=QUICK,
            backoff=BRISK,
            limits=Limits(in_progress=100, rate=1000.0, burst=1000, downloads=50),
            state_dir=tmp_path / "state",
        ) as exporter,
    ):
        jobs = await planned(exporter, ENTITIES)
        outcomes = await pulled(exporter, jobs, JsonLines(tmp_path / "exports", compression="none"))
    assert sum(isinstance(each, Exported) for each in outcomes) == PROFILES * len(ENTITIES)
    assert crossings(tmp_path / "exports") == []
    assert len(list((tmp_path / "exports").rglob("part-0.jsonl"))) == PROFILES * len(ENTITIES)
    owner = {profile.profile_id: grant for grant in world.grants for profile in grant.profiles}
    for token, client, scope in state.seen:
        holder = state.tokens.holder(token, 0.0)
        assert holder is not None
        assert holder.client_id == client
        assert scope == "" or owner[scope] is holder
    assert state.tokens.issued == Counter({grant.account: 1 for grant in world.grants})
    assert {scope for _, _, scope in state.seen} == {"", *owner}


def crossings(folder: Path) -> list[str]:
    """Return every row and every record that does not belong where it is."""
    wrong = []
    for file in folder.rglob("part-0.jsonl"):
        profile_id, entity = file.parent.name.partition("=")[2], file.parts[-4].partition("=")[2]
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        wrong += [str(file) for row in rows if (row["profileId"], row["entity"]) != (profile_id, entity)]
        record = json.loads((file.parent / "_part-0.receipt.json").read_text())
        if (record["profile_id"], record["entity"], record["rows"]) != (profile_id, entity, len(rows)):
            wrong.append(f"{file}: {record}")
    return wrong


def test_crossings_are_found(tmp_path: Path) -> None:
    """The test above can fail: a row of another profile is seen."""
    folder = tmp_path / "entity=ads" / "snapshot=night" / "profile_id=1"
    folder.mkdir(parents=True)
    (folder / "_part-0.receipt.json").write_text('{"profile_id": "1", "entity": "ads", "rows": 1}')
    (folder / "part-0.jsonl").write_text('{"profileId": "1", "entity": "ads"}\n')
    assert crossings(tmp_path) == []
    (folder / "part-0.jsonl").write_text('{"profileId": "2", "entity": "ads"}\n')
    assert len(crossings(tmp_path)) == 1


@pytest.mark.emulator(profiles=6, accounts=2)
async def test_two_credentials_in_one_process(emulator: EmulatorServer) -> None:
    """Each account has its own token, and one that is refused takes nothing from the other."""
    first, second = emulator.accounts()
    assert text(first.refresh_token) != text(second.refresh_token)
    async with Exporter([first, second], backoff=BRISK) as exporter:
        both = await exporter.discover()
        emulator.state.tokens.withdraw(next(iter(emulator.state.tokens._out)))
        again = await exporter.discover()
    assert {profile.account for profile in both.profiles} == {first.name, second.name}
    assert both == again
    assert sorted(emulator.state.tokens.issued.values()) == [1, 2]
