"""The command into a bucket of a real S3 server: after rough weather, after a kill, and where there is no bucket."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asyncexport.emulator.laws import Constant
from asyncexport.emulator.server import EmulatorServer
from tests.sinks.moto_server import Bucket
from tests.test_end_to_end import ROUGH, Desk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class BucketDesk(Desk):
    """A configured folder whose sink is a bucket."""

    def __init__(self, server: EmulatorServer, folder: Path, bucket: Bucket) -> None:
        super().__init__(server, folder)
        options = "".join(f'{name} = "{value}"\n' for name, value in bucket.options.items())
        self.config.write_text(f'{self.config.read_text()}\n[sink]\npath = "{bucket.url}"\n{options}')
        self.bucket = bucket

    def stored(self, out: str = "") -> dict[tuple[str, str], bytes]:
        """Read every committed object by the store's own listing."""
        tree = self.bucket.tree()
        keys = [key for key in tree if not key.startswith(f"{out}_") and not key.rpartition("/")[2].startswith("_")]
        parts = {key: [each.partition("=")[2] for each in key.split("/")] for key in keys}
        return {(parts[key][2], parts[key][0]): zstd.decompress(tree[key]) for key in keys}


@pytest.mark.emulator(profiles=2, accounts=1, rows=1000, weather=ROUGH)
async def test_rough_weather_changes_no_row(emulator: EmulatorServer, bucket: Bucket, tmp_path: Path) -> None:
    """Rows in are rows out; the manifest is in the bucket and no credential is told anywhere."""
    desk = BucketDesk(emulator, tmp_path, bucket)
    ended = await desk.run("run", "--json", "-vv")
    assert ended.status == 0, ended.err
    assert desk.stored() == desk.truth()
    assert all(event["path"].startswith(f"{bucket.url}/entity=") for event in ended.events[:-1])
    (manifest,) = (key for key in bucket.tree() if key.startswith("_runs/"))
    assert "canary-s3-secret" not in ended.out + ended.err + bucket.tree()[manifest].decode()
    assert not (tmp_path / "exports").exists()
    checked = await desk.run("check")
    assert f"output: {bucket.url} can be written to\n" in checked.out


@pytest.mark.emulator(profiles=3, accounts=1, generation=Constant(0.3))
async def test_a_killed_run_is_completed_by_the_next(emulator: EmulatorServer, bucket: Bucket, tmp_path: Path) -> None:
    """No row is lost, none stands twice, and what is committed is not moved again."""
    desk = BucketDesk(emulator, tmp_path, bucket)
    process = await desk.start("run", "--json", "--snapshot", "night")
    assert process.stdout is not None
    for _ in range(3):
        assert b"exported" in await process.stdout.readline()
    process.kill()
    await process.communicate()
    before, truth = desk.stored(), desk.truth()
    assert len(before) > 2
    assert all(truth[key] == text for key, text in before.items())
    ended = await desk.run("run", "--json", "--snapshot", "night")
    assert ended.status == 0, ended.err
    assert desk.stored() == truth
    assert ended.events[-1]["skipped"] > 2
    assert bucket.unfinished() == 0
    plan = await desk.run("plan", "--snapshot", "night", "--json")
    assert plan.events[-1]["there"] == 12


async def test_no_bucket_ends_the_run_before_it_begins(
    emulator: EmulatorServer, bucket: Bucket, tmp_path: Path
) -> None:
    """One line and the status of storage; nothing was asked for."""
    desk = BucketDesk(emulator, tmp_path, Bucket(bucket.endpoint, "no-such-bucket"))
    ended = await desk.run("run")
    assert ended.status == 74
    assert ended.err.startswith("error: listing s3://no-such-bucket/ads/nightly/ failed: NoSuchBucket")
    assert emulator.state.counters.requests["request"] == 0
