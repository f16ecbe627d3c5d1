"""Secrets, planted everywhere, stand nowhere: not in logs, errors, events, reprs, pickles, the journal or any file."""

from __future__ import annotations

import asyncio
import logging
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict, WrappedLogger

from asyncexport import Account, Exporter, Failed, Job, Profile, Region, Secret
from asyncexport.adapters.logs import EventLog, describe
from asyncexport.emulator.server import EmulatorServer
from asyncexport.emulator.weather import Weather
from asyncexport.errors import AsyncexportError, AuthError, ConfigError
from asyncexport.events import Event
from asyncexport.models import Entity
from asyncexport.sansio.pacing.backoff import Backoff
from asyncexport.sinks import JsonLines, Memory
from tests.engine.pulling import BRISK, QUICK, planned, pulled
from tests.security.support import CANARY, allowing, chain, contents, everything_said, leaked, living, spying
from tests.test_end_to_end import ROUGH, Desk, text

ONCE_MORE = Backoff(first=0.001, longest=0.002, attempts=2, garbled=1, refusals=2)

FATAL = [
    *(f"{stage} times=99: {word}" for stage in ("token", "profiles", "request", "poll", "download") for word in (
        "return-400", "return-401", "return-403", "return-404", "return-429 retry-after-0", "return-503", "reset",
        "garbage-body", "html-body", "empty-body", "fin-after-1", "broken-after-1", "status-204",
    )),
    *(f"{stage} times=99: {word}" for stage in ("token", "profiles", "request", "poll") for word in (
        "lost-answer", "truncated-body", "huge-body",
    )),
    "token times=99: deny-invalid_grant", "token times=99: deny-invalid_client",
    "token times=99: deny-unauthorized_client", "token times=99: no-access-token", "request times=99: no-id",
    "request times=99: id-a%2Fb", "request times=99: deny-scope", "poll times=99: fail-INTERNAL_ERROR",
    "poll times=99: fail-TIMED_OUT", "poll times=99: no-url", "poll times=99: too-old", "poll times=99: not-found",
    "poll times=99: expire-url", "poll times=99: expire-url-403", "poll times=99: evil-url-https://evil.example/k?X=1",
    "download times=99: slow-down", "download times=99: signature-mismatch", "download times=99: skewed",
    "download times=99: not-found", "download times=99: flip-bit-300", "download times=99: drop-byte-30",
    "download times=99: extra-bytes-9", "download times=99: content-encoding-br", "download times=99: wrong-length",
]  # fmt: skip


async def errors_of(
    exporter: Exporter, *, entities: tuple[Entity, ...] = (Entity.CAMPAIGNS,)
) -> list[AsyncexportError]:
    """Discover and pull; return everything that went wrong."""
    found = await exporter.discover()
    if found.refused:
        return [each.error for each in found.refused]
    outcomes = await pulled(exporter, await planned(exporter, entities), Memory())
    return [each.error for each in outcomes if isinstance(each, Failed)]


@pytest.mark.emulator(profiles=1, accounts=1, rows=200)
@pytest.mark.parametrize("weather", FATAL)
async def test_an_error_of_any_kind(weather: str, emulator: EmulatorServer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever ends a job over real sockets is ours alone, and shows no secret however it is looked at.

    (But for zlib's own error, which knows nothing of the data.)
    """
    caplog.set_level(logging.DEBUG)
    events: list[Event] = []
    emulator.state.weather = Weather.parse(weather)
    async with Exporter(
        emulator.accounts(), schedule=QUICK, backoff=ONCE_MORE, listener=events.append, deadline=1.0
    ) as exporter:
        errors = await errors_of(exporter)
    for error in errors:
        foreign = [each for each in chain(error) if not isinstance(each, AsyncexportError | zlib.error)]
        assert foreign == []
        assert leaked(everything_said(error), emulator) == []
    said = [repr(event) for event in events] + [repr(describe(event)) for event in events]
    assert leaked("\n".join([*said, caplog.text]), emulator) == []


@pytest.mark.emulator(profiles=1, accounts=1, rows=200)
async def test_most_of_them_do_end_a_job(emulator: EmulatorServer) -> None:
    """The test above looks at errors and not at successes: nearly every weather in it is fatal, in many ways."""
    kinds: set[str] = set()
    fatal = 0
    for weather in FATAL[:: len(FATAL) // 20]:
        emulator.state.weather = Weather.parse(weather)
        async with Exporter(emulator.accounts(), schedule=QUICK, backoff=ONCE_MORE, deadline=5.0) as exporter:
            errors = await errors_of(exporter)
        kinds |= {type(error).__name__ for error in errors}
        fatal += bool(errors)
    assert fatal >= 18
    assert len(kinds) >= 7


@pytest.fixture
def everything_logged() -> Iterator[list[logging.LogRecord]]:
    """Collect every record of every logger, at DEBUG, third parties included."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    root, keep = logging.getLogger(), Keep(level=0)
    level = root.level
    root.addHandler(keep)
    root.setLevel(0)
    yield records
    root.removeHandler(keep)
    root.setLevel(level)


@pytest.mark.emulator(profiles=4, weather=ROUGH + "; token nth=2: rotate-token")
async def test_a_whole_run_seen_by_everybody(
    emulator: EmulatorServer, tmp_path: Path, everything_logged: list[logging.LogRecord]
) -> None:
    """Root logger at DEBUG, asyncio's debug mode, structlog's console, every file: no secret in any of them."""
    asyncio.get_running_loop().set_debug(True)
    page: list[str] = []
    console = structlog.dev.ConsoleRenderer(colors=False)

    def show(logger: WrappedLogger, name: str, entry: EventDict) -> str:
        page.append(str(console(logger, name, entry)))
        return page[-1]

    log = EventLog(
        structlog.wrap_logger(
            logging.getLogger("embedder"),
            processors=[show],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
    )
    sink = JsonLines(tmp_path / "exports")
    async with Exporter(
        emulator.accounts(), schedule=QUICK, backoff=BRISK, listener=log, state_dir=tmp_path / "state"
    ) as exporter:
        outcomes = await pulled(exporter, await planned(exporter), sink)
        during = contents(tmp_path / "state")
        reprs = [repr(each) for each in living()]
    asyncio.get_running_loop().set_debug(False)
    files = contents(tmp_path)
    records = [repr(vars(record)) for record in everything_logged]
    said = "\n".join([*page, *records, *during, *files, *reprs, repr(outcomes)])
    assert not [each for each in outcomes if isinstance(each, Failed)]
    assert any("job.finished" in line for line in page)
    assert len(reprs) > 100
    assert len(files) > 30
    assert leaked(said, emulator) == []


@pytest.mark.emulator(profiles=1, accounts=1, rows=100)
async def test_what_can_be_pickled_of_a_run(emulator: EmulatorServer) -> None:
    """Outcomes and errors can be handed to another process and hold no secret; an account cannot."""
    async with Exporter(emulator.accounts(), schedule=QUICK, backoff=BRISK) as exporter:
        good = await pulled(exporter, await planned(exporter), Memory())
        emulator.state.weather = Weather.parse("request times=9: return-403")
        bad = await pulled(exporter, await planned(exporter), Memory(), again=True)
    handed = pickle.dumps((good, bad)).decode("latin-1")
    assert leaked(handed, emulator) == []
    assert pickle.loads(pickle.dumps(good)) == good  # noqa: S301  our own bytes
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(emulator.accounts())


@pytest.mark.emulator(profiles=2, accounts=1, rows=200)
async def test_a_failing_run_of_the_command(emulator: EmulatorServer, tmp_path: Path) -> None:
    """With a revoked grant and a refused profile, at the loudest level: not in what is said, not in what is left."""
    desk = Desk(emulator, tmp_path)
    account = desk.server.accounts()[0]
    table = desk.config.read_text().partition("[[accounts]]")[2]
    gone = table.replace(text(account.refresh_token), f"Atzr|{CANARY}").replace(account.name, "gone", 1)
    desk.config.write_text(f"{desk.config.read_text()}\n[[accounts]]{gone}")
    emulator.state.weather = Weather.parse("request nth=3: return-403; request times=2: return-401; poll nth=2: reset")
    ended = await desk.run("run", "-vv", "--log-format", "json")
    assert ended.status == 3, ended.err
    left = contents(tmp_path)
    left.remove(desk.config.read_text())
    said = "\n".join([ended.out, ended.err, *left])
    assert "invalid_grant" in said
    assert CANARY not in said
    assert leaked(said, emulator) == []


SECRETS = ("client_id", "client_secret", "refresh_token")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", [f"{CANARY}\r\nX-Evil: 1", f"{CANARY}\x00", "", "raises"])
async def test_a_credential_that_cannot_be_used(name: str, value: str) -> None:
    """A text from a vault that is none is refused without being shown, also to those who look at locals."""

    def vault() -> str:
        if value == "raises":
            raise PermissionError(CANARY)
        return value

    given = dict.fromkeys(SECRETS, "x") | {name: vault}
    account = Account("acme", region="NA", **given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=name) as caught:
        await Exporter([account]).__aenter__()
    assert CANARY not in str(caught.value)
    ours = [each for each in chain(caught.value) if isinstance(each, AsyncexportError)]
    assert CANARY not in "".join(repr(vars(each)) for each in ours)


def test_an_account_looked_at_from_all_sides() -> None:
    """Its repr, its fields and what is made of them show that there are secrets, and not which."""
    account = Account("acme", region="NA", client_id="c", client_secret=CANARY, refresh_token=Secret(CANARY))
    seen = [repr(account), str(account), repr([getattr(account, name) for name in account.__slots__])]
    assert CANARY not in "".join(seen)
    assert repr(Secret(CANARY)) == str(Secret(CANARY)) == f"{Secret(CANARY)}" == "Secret(***)"


async def test_an_error_text_of_the_token_host_that_echoes_what_it_got(emulator: EmulatorServer) -> None:
    """A server that quotes the request in its error does not make us quote it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        form = (await reader.readexactly(size)).decode()
        body = f'{{"error":"invalid_grant","error_description":"bad request: {form}"}}'
        writer.write(f"HTTP/1.1 400 Bad\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        await reader.read()

    async with spying(talk) as spy:
        account = allowing(emulator.accounts()[0], token_url=f"{spy.url}/token")
        async with Exporter([account], schedule=QUICK, backoff=BRISK) as exporter:
            errors = await errors_of(exporter)
    assert [type(error) for error in errors] == [AuthError]
    assert "grant_type=refresh_token" in str(errors[0])
    assert leaked(everything_said(errors[0]), emulator) == []


def test_a_job_knows_no_secret() -> None:
    """What names a job everywhere, in paths and keys and texts, is made of ids and words."""
    job = Job(Profile("acme", Region.NA, "1", name=CANARY), Entity.ADS)
    assert CANARY not in str(job) + repr(job.key)
