"""Results: JSON Lines for programs, a table and advice for people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from asyncexport.accounts import Region
from asyncexport.app.manifest import RunRecord
from asyncexport.app.report import (
    MANY_PROFILES,
    JsonReport,
    TextReport,
    advice,
    conclusion,
    failures,
    overview,
    skipped,
    totals,
)
from asyncexport.errors import (
    AuthError,
    ExportDeadline,
    ExportFailed,
    ProfileAccessDenied,
    RequestRejected,
    ServerError,
)
from asyncexport.events import ExportAdopted, JobSplit, PartFinished
from asyncexport.models import Discovery, Entity, Job, Profile, Summary
from asyncexport.sansio.scheduling.splitting import split
from tests.app.support import CANARY, STARTED, exported, failed, in_parts, job, profile, refused, waiting


def record(*jobs: Job, discovery: Discovery | None = None) -> RunRecord:
    made = RunRecord(snapshot="2026-11-23", now=lambda: STARTED, nonce="7f3a")
    made.plan(discovery or Discovery(tuple(each.profile for each in jobs)), jobs)
    return made


def parsed(lines: list[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


ABOUT = {"account": "acme", "region": "EU", "profile_id": "1", "entity": "campaigns"}


def test_json_lines() -> None:
    """Each outcome is a line of its own as it comes, with exactly the keys of the contract."""
    lines: list[str] = []
    report = JsonReport(lines.append)
    report.outcome(exported())
    report.outcome(failed(error=ExportFailed(f"no {CANARY}", export_id="e-1")))
    report.outcome(failed(error=RequestRejected("bad filter")))
    stored = {"export_id": "export-1", "rows": 10, "bytes": 500, "path": "exports/part-0.jsonl.zst"}
    assert parsed(lines) == [
        {"event": "exported", **ABOUT, **stored},
        {"event": "failed", **ABOUT, "export_id": "e-1", "error": "ExportFailed", "message": "no Atzr|***"},
        {"event": "failed", **ABOUT, "error": "RequestRejected", "message": "bad filter"},
    ]


def test_json_of_a_job_in_parts() -> None:
    """A job that was split is one object with its totals, which names the files of all its parts."""
    lines: list[str] = []
    JsonReport(lines.append).outcome(in_parts())
    files = [f"exports/part-{at}.jsonl.zst" for at in range(3)]
    stored = {"export_id": "e-0", "rows": 15, "bytes": 150, "path": files[0], "parts": files}
    assert parsed(lines) == [{"event": "exported", **ABOUT, **stored}]


def test_json_of_what_was_never_a_job() -> None:
    """An account that could not be looked at fails without a profile, a profile of it with one."""
    lines: list[str] = []
    report = JsonReport(lines.append)
    report.refused(refused(AuthError("revoked")))
    report.refused(refused(ProfileAccessDenied("gone"), profile_id="8"))
    where = {"event": "failed", "account": "acme", "region": "EU"}
    assert parsed(lines) == [
        {**where, "error": "AuthError", "message": "revoked"},
        {**where, "profile_id": "8", "error": "ProfileAccessDenied", "message": "gone"},
    ]


def test_the_last_json_line() -> None:
    """The summary comes last, in the order of the contract, and counts every failed line."""
    lines: list[str] = []
    made = record(discovery=Discovery((), refused=(refused(AuthError("revoked")),)))
    JsonReport(lines.append).finish(made, Summary(exported=2, failed=1, rows=20, seconds=1.5, requests=9))
    (summary,) = parsed(lines)
    assert list(summary.items()) == [
        ("event", "summary"),
        ("exported", 2),
        ("failed", 2),
        ("skipped", 0),
        ("rows", 20),
        ("seconds", 1.5),
        ("requests", 9),
        ("throttled", 0),
        ("possibly_orphaned", 0),
    ]


def test_json_and_terminals() -> None:
    """A JSON line is ASCII without control characters, whatever a message holds."""
    lines: list[str] = []
    JsonReport(lines.append).outcome(failed(error=RequestRejected("a\x1b\n\u202eb")))
    assert lines[0].isascii()
    assert lines[0].isprintable()


def test_a_table_by_profile() -> None:
    """A row a profile, a column an entity: rows where they came, a word where they did not."""
    jobs = [job("1"), job("1", Entity.ADS), job("2"), job("2", Entity.ADS)]
    made = record(*jobs)
    made.add(exported(jobs[0], rows=1234, size=1500))
    made.add(exported(jobs[1], rows=5, size=500, found=True))
    made.add(failed(jobs[2]))
    assert overview(made) == [
        "account  region  profile  name  campaigns       ads    size",
        "acme     EU      1        Shop      1,234         5  2.0 kB",
        "acme     EU      2        Shop     failed  not done     0 B",
    ]


def test_an_entity_that_one_profile_lacks() -> None:
    """Where nothing was asked for there is a dash."""
    made = record(job("1"), job("2", Entity.ADS))
    assert overview(made)[1].split() == ["acme", "EU", "1", "Shop", "not", "done", "-", "0", "B"]


def test_a_table_by_account() -> None:
    """Many profiles are put together by account and region, what has no rows is counted."""
    jobs = [job(str(number)) for number in range(MANY_PROFILES + 1)]
    made = record(*jobs)
    made.add(failed(jobs[0]))
    for each in jobs[2:]:
        made.add(exported(each))
    assert overview(made) == [
        "account  region  profiles                  campaigns     size",
        "acme     EU            41  390, 1 failed, 1 not done  19.5 kB",
    ]


@pytest.mark.parametrize(
    ("width", "first", "row"),
    [
        (
            None,
            "account      region  profile           name                campaigns  adGroups  targets    ads    size",
            "acme-europe  EU      1234567890123456  Bücher & Mehr GmbH      1,234       314   78,200  9,992  2.0 kB",
        ),
        (
            100,
            "account      region  profile           name              campaigns  adGroups  targets    ads    size",
            "acme-europe  EU      1234567890123456  Bücher & Mehr G…      1,234       314   78,200  9,992  2.0 kB",
        ),
        (
            80,
            "account      region  profile           name  campaigns  adGroups  targets    ads",
            "acme-europe  EU      1234567890123456  Büc…      1,234       314   78,200  9,992",
        ),
        (
            72,
            "acc…  regi…  profile           name  campaigns  adGroups  targets    ads",
            "acm…  EU     1234567890123456  Büc…      1,234       314   78,200  9,992",
        ),
        (40, "profile             rows    size", "1234567890123456  89,740  2.0 kB"),
        (20, "profile     rows   …", "1234567…  89,740  2…"),
    ],
)
def test_a_narrow_terminal(width: int | None, first: str, row: str) -> None:
    """Names are cut first, the size goes, account and region are cut, the entities summed up; no line is too wide."""
    about = Profile("acme-europe", Region.EU, "1234567890123456", name="Bücher & Mehr GmbH")
    jobs = [Job(about, entity, snapshot="2026-11-23") for entity in Entity]
    made = record(*jobs)
    for each, rows in zip(jobs, (1234, 314, 78_200, 9_992), strict=True):
        made.add(exported(each, rows=rows))
    assert overview(made, width) == [first, row]


@pytest.mark.parametrize("width", [100, 80, 40])
def test_many_profiles_on_a_narrow_terminal(width: int) -> None:
    """A table by account fits too."""
    jobs = [job(str(number), entity) for number in range(MANY_PROFILES + 1) for entity in Entity]
    made = record(*jobs)
    for each in jobs[3:]:
        made.add(exported(each, rows=1_000_000))
    lines = overview(made, width)
    assert len(lines) == 2
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("acme")


def test_failures() -> None:
    """Every failure is told with its cause, the job said once; what to do stands once for all that share it."""
    revoked = AuthError("account 'acme': access token: revoked", code="invalid_grant")
    made = record(job("1"), job("2"), job("3"), discovery=Discovery((), refused=(refused(revoked),)))
    made.add(failed(job("1"), ExportDeadline(f"{job('1')}: still running after 5 s")))
    made.add(failed(job("2"), RequestRejected(f"bad {CANARY}\x1b")))
    made.add(failed(job("3"), ExportDeadline("still running after 7 s")))
    lines = failures(made)
    assert lines[:5] == [
        "failed (4)",
        "  account acme/EU: AuthError: access token: revoked",
        "    -> put the new refresh token in place of the old one",
        "  campaigns of acme/EU/1: ExportDeadline: still running after 5 s",
        "  campaigns of acme/EU/3: ExportDeadline: still running after 7 s",
    ]
    assert lines[5].startswith("    -> run the same command again later")
    assert lines[6] == "  campaigns of acme/EU/2: RequestRejected: bad Atzr|***"


def test_failures_that_are_alike() -> None:
    """Equal causes are one line with their number and the first few jobs, whatever ids they carry."""
    jobs = [job(str(number)) for number in range(1, 6)]
    made = record(*jobs)
    for at, each in enumerate(jobs[:2]):
        made.add(failed(each, ServerError(f"{each}: down (request {at}-R)", request_id=f"{at}-R")))
    assert failures(made)[1] == (
        "  ServerError: down (request ...) (2: campaigns of acme/EU/1, campaigns of acme/EU/2)"
    )
    for at, each in enumerate(jobs[2:], start=2):
        made.add(failed(each, ServerError(f"{each}: down (request {at}-R)", request_id=f"{at}-R")))
    heading, line, _ = failures(made)
    assert heading == "failed (5)"
    assert line.endswith("(5: campaigns of acme/EU/1, campaigns of acme/EU/2, campaigns of acme/EU/3 and 2 more)")


def test_a_job_in_parts_that_failed() -> None:
    """How many of its parts are in the output folder stands beside the cause."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, job().entity))
    made = record(job())
    made(JobSplit(job(), parts))
    for at, in_the_tree in enumerate(("0 of 3 parts are", "1 of 3 parts is", "2 of 3 parts are")):
        made.add(failed(job(), RequestRejected("bad filter")))
        assert failures(made)[1] == (
            f"  campaigns of acme/EU/1: RequestRejected: bad filter; {in_the_tree} in the tree"
        )
        made(PartFinished(job(), exported(parts[at])))


def test_parts_that_wait_for_the_others() -> None:
    """Those that no reader sees yet are not called parts in the tree."""
    parts = tuple(replace(job(), filters=filters) for filters in split(job().filters, job().entity))
    made = record(job())
    made(JobSplit(job(), parts))
    made.add(failed(job(), RequestRejected("no")))
    made(PartFinished(job(), waiting(parts[0])))
    assert failures(made)[1].endswith(
        "no; 0 of 3 parts are in the tree, 1 waits for the others beside what stood before"
    )
    made(PartFinished(job(), waiting(parts[1])))
    assert failures(made)[1].endswith(
        "no; 0 of 3 parts are in the tree, 2 wait for the others beside what stood before"
    )


def test_a_profile_that_was_refused() -> None:
    """A single profile that could not become jobs is called a profile."""
    made = record(discovery=Discovery((), refused=(refused(ProfileAccessDenied("gone"), profile_id="8"),)))
    assert failures(made)[1] == "  profile acme/EU/8: ProfileAccessDenied: gone"


def test_agency_profiles() -> None:
    """Skipped profiles are named, safely."""
    made = record(discovery=Discovery((), skipped=(profile("9", name="Big\x1b Agency"), profile("10", name=""))))
    assert skipped(made) == ["skipped: agency profiles have no exports (2)", "  9 Big\\x1b Agency", "  10"]


def test_a_conclusion() -> None:
    """The run in one line, with what is not zero."""
    assert (
        conclusion(Summary(exported=1, rows=1, seconds=2, requests=1))
        == "1 export committed, 1 row in 2.0 s, 1 request"
    )
    whole = Summary(
        exported=5, failed=2, skipped=3, rows=1000, seconds=75, requests=40, throttled=4, possibly_orphaned=1
    )
    assert conclusion(whole, 6) == (
        "5 exports committed, 3 already there, 2 failed, 6 not done, 1,000 rows in 1 min 15 s, "
        "40 requests (4 throttled), 1 possibly orphaned"
    )
    assert conclusion(Summary(exported=5), 1, 4).startswith(
        "5 exports committed, 4 exports taken up from an earlier run, 1 not done"
    )


def test_a_text_report() -> None:
    """Sections are divided by blank lines; nothing is written before the end."""
    made = record(job())
    made.add(exported())
    lines: list[str] = []
    report = TextReport(lines.append)
    report.refused(refused(AuthError("x")))
    report.outcome(exported())
    assert lines == []
    report.finish(made, Summary(exported=1, rows=10))
    assert lines[0].startswith("account  region")
    assert lines[2:] == ["", "1 export committed, 10 rows in 0.0 s, 0 requests"]


def test_a_text_report_of_a_run_that_went_on() -> None:
    """How many exports an earlier run had asked for is told."""
    made = record(job())
    made(ExportAdopted(job(), "e"))
    made.add(exported())
    lines: list[str] = []
    TextReport(lines.append, brief=True).finish(made, Summary(exported=1, rows=10))
    assert lines == ["1 export committed, 1 export taken up from an earlier run, 10 rows in 0.0 s, 0 requests"]


def test_a_brief_text_report() -> None:
    """When brief, only failures and totals are left."""
    made = record(job(), job("2"))
    made.add(exported())
    made.add(failed(job("2")))
    lines: list[str] = []
    TextReport(lines.append, brief=True).finish(made, Summary(exported=1, failed=1))
    assert lines[0] == "failed (1)"


def test_a_run_without_jobs() -> None:
    """Without jobs there is no table."""
    assert overview(record()) == []
    assert totals(record(), Summary(failed=1)).failed == 1


def test_advice() -> None:
    """After something that another run can do, the way to it is told; after success or a lost cause, nothing."""
    whole = record(job())
    whole.add(exported())
    assert advice(whole) == ""
    whole.add(failed(error=RequestRejected("never")))
    assert advice(whole) == ""
    left = record(job(), job("2"), job("3"))
    left.add(exported())
    left.add(failed(job("2")))
    again = "Run the same command again with --snapshot 2026-11-23 to do only what is missing."
    assert advice(left) == f"1 of 3 exports committed. {again}"
    assert advice(left, 2) == (
        "1 of 3 exports committed, 2 jobs with exports under way on Amazon's side. "
        "Run the same command again with --snapshot 2026-11-23 to collect these and to ask only for the rest."
    )
    assert advice(record(discovery=Discovery((), refused=(refused(ExportDeadline("x")),)))) == again


def test_the_conclusion_of_a_run_with_jobs_in_parts() -> None:
    """It says how many there were and how many exports that made; those of an earlier run are that run's affair."""
    made = record(job("1"), job("2"), job("3"))
    for outcome in (in_parts(job("1")), exported(job("2")), replace(in_parts(job("3")), found=True)):
        made.add(outcome)
    lines: list[str] = []
    TextReport(lines.append).finish(made, Summary(exported=2, skipped=1))
    assert lines[-1].startswith("2 exports committed (1 in 3 parts), 1 already there, ")


def test_names_that_meet_twice() -> None:
    """The same profile id under two accounts makes two rows."""
    other = Profile("beta", Region.NA, "1", name="Shop")
    made = record(job("1"), Job(other, Entity.CAMPAIGNS))
    assert [line.split()[:3] for line in overview(made)[1:]] == [["acme", "EU", "1"], ["beta", "NA", "1"]]
