"""Log entries can be shown to anybody: no secret, no control character, third parties included."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from asyncexport.accounts import Secret
from asyncexport.adapters.logs import (
    NAME,
    THIRD_PARTIES,
    EventLog,
    StderrHandler,
    configure,
    describe,
    get_logger,
    level_of,
    redact_entry,
)
from asyncexport.errors import ServerError
from asyncexport.events import (
    CallRetried,
    Event,
    ExportAbandoned,
    ExportAdopted,
    ExportRequested,
    JobFinished,
    JobSplit,
    OddityNoticed,
    OutageContinued,
    OutageEnded,
    OutageStarted,
    PartFinished,
    ProfilesDiscovered,
    RunFinished,
    TokenRefreshed,
)
from asyncexport.models import Discovery, SignedUrl, Summary
from tests.app.support import CANARY, exported, failed, job, profile

URL = "https://s3.example/key?X-Amz-Signature=deadbeef"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in THIRD_PARTIES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def test_an_entry_as_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An entry is one line: time, level, event, then key=value, quoted where they hold blanks."""
    configure("info")
    get_logger().warning("export.orphaned", entity="ads", reason="it was lost", empty="", quote='"')
    line = capsys.readouterr().err
    stamp, rest = line.split(" ", 1)
    assert stamp.endswith("Z")
    assert rest == 'warning export.orphaned entity=ads reason="it was lost" empty="" quote="\\""\n'


def test_control_characters_in_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of others cannot forge a line or drive the terminal."""
    configure("info")
    get_logger().warning("a\nb", **{"name": "\x1b[2J", "rtl\u202e": "x"})
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "a\\nb name=\\x1b[2J rtl\\u202e=x" in line


def test_secrets_in_an_entry(capsys: pytest.CaptureFixture[str]) -> None:
    """Secrets are blanked by the name of their key, at any depth, and by their shape in any text."""
    configure("debug", json=True)
    get_logger().info(
        f"got {CANARY}",
        refresh_token="plain-canary",
        headers={"Authorization": "Bearer canary", "X-Amz-Security-Token": "canary", "n": 1},
        urls=[URL, SignedUrl(URL), (URL,)],
        raw=f"x {CANARY}".encode(),
        secret_thing=Secret("canary"),
        thing=Secret("canary"),
    )
    text = capsys.readouterr().err
    assert "canary" not in text
    assert "deadbeef" not in text
    entry = json.loads(text)
    assert entry["headers"] == {"Authorization": "***", "X-Amz-Security-Token": "***", "n": 1}
    assert entry["urls"] == ["https://s3.example/key?<redacted>"] * 2 + [["https://s3.example/key?<redacted>"]]
    assert entry["thing"] == "Secret(***)"


def test_an_entry_that_is_nested_without_end() -> None:
    """What is nested deeper than anything sensible is cleaned as text, secrets included."""
    value: dict[str, Any] = {"x": CANARY}
    for _ in range(20):
        value = {"x": value}
    assert CANARY not in str(redact_entry(None, "", {"event": "e", "deep": value}))


def test_values_that_hold_no_text() -> None:
    """Numbers, booleans and None pass as they are."""
    entry = {"event": "e", "n": 1, "f": 1.5, "b": True, "none": None}
    assert redact_entry(None, "", dict(entry)) == entry


def test_a_third_party_that_logs_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """Third parties are heard from WARNING on even at debug, and through the same filters."""
    configure("debug")
    logger = logging.getLogger("aiohttp.client")
    logger.info("connecting to %s", URL)
    logger.warning("lost %s\n%s", URL, CANARY)
    lines = capsys.readouterr().err
    assert lines.count("\n") == 1
    assert "deadbeef" not in lines
    assert CANARY not in lines
    assert "lost https://s3.example/key?<redacted>" in lines


def test_a_level_above_the_third_parties_own(capsys: pytest.CaptureFixture[str]) -> None:
    """At error, third parties are no louder than the rest."""
    configure("error")
    logging.getLogger("asyncio").warning("slow callback")
    get_logger().warning("call.retried")
    assert capsys.readouterr().err == ""


def test_a_traceback_that_holds_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback follows its entry line by line, redacted, and without local variables."""
    configure("debug")

    def broken(hidden: str) -> None:
        raise ValueError(f"{len(hidden)} is bad: {CANARY} \x1b")

    try:
        broken("canary".upper() * 2)
    except ValueError:
        get_logger().error("it broke", exc_info=True)
    text = capsys.readouterr().err
    assert "\n    ValueError: 12 is bad: Atzr|*** \\x1b" in text
    assert "CANARYCANARY" not in text
    assert CANARY not in text
    assert "\x1b" not in text


def test_configuring_twice(capsys: pytest.CaptureFixture[str]) -> None:
    """A second configuration replaces the first and leaves other people's handlers alone."""
    other = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(other)
    configure("info")
    configure("info", json=True)
    get_logger().info("once")
    assert json.loads(capsys.readouterr().err)["event"] == "once"
    assert other in logging.getLogger().handlers


def test_where_entries_go(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries go to what sys.stderr is when they come, so that a live display may stand in for it."""
    configure("info")
    stand_in = io.StringIO()
    monkeypatch.setattr("sys.stderr", stand_in)
    get_logger().info("here")
    assert "here" in stand_in.getvalue()
    assert capsys.readouterr().err == ""
    with pytest.raises(AttributeError, match=r"always sys\.stderr"):
        StderrHandler().stream = stand_in


LEVELS: list[tuple[Event, int]] = [
    (TokenRefreshed("acme", 3600), logging.DEBUG),
    (ExportRequested(job(), "e-1"), logging.DEBUG),
    (ExportAdopted(job(), "e-1"), logging.INFO),
    (ExportAbandoned(job(), "e-1", 0.0), logging.INFO),
    (CallRetried("acme", "1", "POST", "429", 2.0, throttled=True), logging.INFO),
    (JobFinished(exported()), logging.INFO),
    (JobSplit(job(), (job(), job())), logging.INFO),
    (PartFinished(job(), failed()), logging.INFO),
    (OddityNoticed("a new word"), logging.WARNING),
    (OutageStarted("api.example", 10.0, "ConnectError", 2.0), logging.WARNING),
    (OutageContinued("api.example", 12.0, "ConnectError", 4.0), logging.DEBUG),
    (OutageEnded("api.example", 16.0), logging.INFO),
    (JobFinished(failed()), logging.ERROR),
]


@pytest.mark.parametrize(("event", "level"), LEVELS)
def test_how_loud_an_event_is(event: Event, level: int) -> None:
    """Failures are errors, oddities warnings, news info, everything else detail."""
    assert level_of(event) == level


def test_what_an_event_says() -> None:
    """Jobs, outcomes, discoveries and summaries are unfolded into plain values."""
    about = {"account": "acme", "profile_id": "1", "entity": "campaigns"}
    stored = {"export_id": "export-1", "rows": 10, "bytes": 500, "path": "exports/part-0.jsonl.zst"}
    error = {"error": "ServerError", "message": "the API is down"}
    assert describe(ExportRequested(job(), "e-1")) == {**about, "export_id": "e-1"}
    assert describe(JobSplit(job(), (job(), job()))) == {**about, "parts": 2}
    assert describe(JobFinished(exported())) == {"outcome": "exported", **about, **stored}
    assert describe(JobFinished(failed(error=ServerError("the API is down")))) == {
        "outcome": "failed",
        **about,
        **error,
    }
    assert describe(ProfilesDiscovered(Discovery((profile(),)))) == {"profiles": 1, "skipped": 0, "refused": 0}
    assert describe(RunFinished(replace(Summary(), rows=5)))["rows"] == 5
    assert describe(OddityNoticed("x")) == {"what": "x"}


def test_an_entry_for_other_handlers(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever else listens to the package's logger gets entries without secrets too."""
    get_logger().warning(f"got {CANARY}", refresh_token="canary")
    (record,) = caplog.records
    assert "canary" not in record.getMessage()


def test_an_event_nobody_listens_to(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level nothing is written, above it the event's constant name is."""
    configure("warning")
    listen = EventLog()
    listen(TokenRefreshed("acme", 3600))
    listen(JobFinished(failed()))
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "error   job.finished outcome=failed" in text
    assert repr(listen) == f"<EventLog {NAME}>"


@pytest.mark.parametrize("event", [JobFinished(failed()), OutageStarted("api.example", 10.0, "ConnectError", 2.0)])
def test_what_is_told_elsewhere(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    """Where a person is told of a failed job or an outage, the log does so only for those who ask for news."""
    for level, entries in (("warning", 0), ("info", 1)):
        configure(level)
        EventLog(told=True)(event)
        assert capsys.readouterr().err.count(event.name) == entries
