"""How many cores there are: by affinity, and by the quotas of control groups of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncexport.adapters.cores import cores


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have eight cores to run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def system(folder: Path, groups: str, **files: str) -> Path:
    """Make a system with these groups; in the names of files ``__`` stands for a slash and ``_`` for a dot."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        path = folder / "sys/fs/cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(("text", "found"), [("200000 100000\n", 2), ("150000 100000\n", 2), ("max 100000\n", 8)])
def test_a_container_of_version_2(tmp_path: Path, text: str, found: int) -> None:
    """Its own group is what is mounted; a part of a core counts as one."""
    assert cores(system(tmp_path, "0::/\n", cpu_max=text)) == found


def test_a_group_rations_those_in_it(tmp_path: Path) -> None:
    """The least of all counts, wherever in the path it stands."""
    files = {"a__b__cpu_max": "max 100000", "a__cpu_max": "300000 100000", "cpu_max": "700000 100000"}
    assert cores(system(tmp_path, "0::/a/b\n", **files)) == 3


def test_groups_above_a_container_are_not_there(tmp_path: Path) -> None:
    """Their names are the host's, and the container's own files stand where they would begin."""
    assert cores(system(tmp_path, "0::/docker/0a1b\n", cpu_max="100000 100000")) == 1


@pytest.mark.parametrize(("quota", "found"), [("250000", 3), ("-1", 8)])
def test_version_1(tmp_path: Path, quota: str, found: int) -> None:
    """Quota and period stand in files of their own, below the hierarchy of that controller."""
    groups = "9:name=systemd:/a\n4:cpu,cpuacct:/a\n3:memory:/\n"
    files = {"cpu__a__cpu_cfs_quota_us": f"{quota}\n", "cpu__a__cpu_cfs_period_us": "100000\n"}
    assert cores(system(tmp_path, groups, **files)) == found


@pytest.mark.parametrize("text", ["", "a lot", "100000", "100000 0", "\N{SUPERSCRIPT TWO} 1", "1 2 3"])
def test_what_is_not_understood_rations_nothing(tmp_path: Path, text: str) -> None:
    """Nor does a line that names no group."""
    assert cores(system(tmp_path, "\nnothing\n0::/\n", cpu_max=text)) == 8


def test_more_than_there_is_grants_nothing(tmp_path: Path) -> None:
    """A quota of more cores than the process may run on is none."""
    assert cores(system(tmp_path, "0::/\n", cpu_max="6400000 100000")) == 8


def test_where_there_are_no_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor an affinity, as on other systems, all cores count."""
    assert cores(tmp_path) == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(tmp_path) == 1


def test_this_machine() -> None:
    """There is at least one, and what is there can be read."""
    assert 1 <= cores() <= 8
