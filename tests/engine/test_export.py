"""One job's export on the server: from the request to a terminal status and a URL."""

from __future__ import annotations

from typing import Any

import pytest

from asyncexport.engine.desk import Desk, Desks, World
from asyncexport.engine.export import Ready
from asyncexport.engine.tally import Tally
from asyncexport.errors import (
    AsyncexportError,
    ConnectionLost,
    ExportDeadline,
    ExportExpired,
    ExportFailed,
    ProfileAccessDenied,
    ProtocolError,
    RequestRejected,
    ServerError,
    Throttled,
    UrlRefused,
)
from asyncexport.models import ExportStatus, Known, Limits, Requested, SignedUrl
from asyncexport.ports import Response
from asyncexport.sansio.backoff import Backoff
from asyncexport.sansio.polling import Schedule
from asyncexport.testing import Answer, FakeClock, FakeTransport, json_response
from tests.engine.support import (
    ACCOUNT,
    JOB,
    URL,
    Events,
    Notebook,
    export_response,
    order,
    token_response,
)

RUNNING = export_response("PROCESSING")
DONE = export_response("COMPLETED", url=URL)
BUSY = json_response('{"message":"Too Many Requests"}', 429)


class Counter:
    """A desk whose server plays a script, after one token."""

    def __init__(self, *answers: Answer, deadline: float = 1800.0, token: Response | None = None) -> None:
        self.transport = FakeTransport(token or token_response(), *answers)
        self.clock = FakeClock()
        self.events = Events()
        self.tally = Tally()
        self.notebook = Notebook()
        self.world = World(
            transport=self.transport,
            clock=self.clock,
            spread=lambda: 0.5,
            listener=self.events,
            limits=Limits(),
            schedule=Schedule(),
            backoff=Backoff(),
            deadline=deadline,
            tally=self.tally,
            journal=self.notebook,
        )

    async def desk(self) -> Desk:
        """Open the account."""
        return await Desks(self.world).open(ACCOUNT)

    async def make(self, known: Known | None = None) -> Ready:
        """Make JOB's export, or take up the one that is known."""
        return await (await self.desk()).exports.make(JOB, known)

    @property
    def sent(self) -> list[str]:
        """Methods and paths of what was sent."""
        return [f"{request.method} {request.url.removeprefix('https://')}" for request in self.transport.requests]


async def fails(counter: Counter) -> AsyncexportError:
    """Make it in vain."""
    with pytest.raises(AsyncexportError) as caught:
        await counter.make()
    return caught.value


async def test_an_export_is_requested_once_and_watched_until_it_is_complete() -> None:
    """One POST, looks at growing distances, the first of them early."""
    counter = Counter(RUNNING, RUNNING, export_response("IN_PROGRESS"), DONE)
    ready = await counter.make()
    assert ready.export.status is ExportStatus.COMPLETED
    assert counter.sent == [
        "POST token.test/auth/o2/token",
        "POST api.test/campaigns/export",
        *["GET api.test/exports/export-1"] * 3,
    ]
    assert counter.clock.now() == pytest.approx(0.5 + 0.625 + 0.78125)
    assert [event.name for event in counter.events] == ["token.refreshed", "export.requested", "export.finished"]
    assert counter.tally.requests == 5


async def test_an_unknown_status_word_is_still_running_and_is_told() -> None:
    """A word that is in no table neither ends nor fails the wait."""
    counter = Counter(RUNNING, export_response("WARMING_UP"), export_response(""), DONE)
    await counter.make()
    assert len(counter.events.of("oddity.noticed")) == 2


async def test_an_export_that_never_ends_meets_its_deadline() -> None:
    """The deadline holds whatever the server says, to the second, and the error names the export."""
    counter = Counter(*[RUNNING] * 200, deadline=100.0)
    error = await fails(counter)
    assert isinstance(error, ExportDeadline)
    assert error.export_id == "export-1"
    assert error.temporary
    assert counter.clock.now() == pytest.approx(100.0)


async def test_an_internal_error_is_asked_for_again_twice() -> None:
    """The third INTERNAL_ERROR is the error."""
    failed = export_response("FAILED", error="INTERNAL_ERROR")
    counter = Counter(RUNNING, failed, RUNNING, failed, RUNNING, failed)
    error = await fails(counter)
    assert isinstance(error, ExportFailed)
    assert error.code == "INTERNAL_ERROR"
    assert sum("POST api" in line for line in counter.sent) == 3
    lucky = Counter(RUNNING, failed, RUNNING, DONE)
    assert (await lucky.make()).export.status is ExportStatus.COMPLETED


async def test_an_export_that_timed_out_is_not_asked_for_again() -> None:
    """The same export would time out again; the error says what to do."""
    counter = Counter(RUNNING, export_response("FAILED", error="TIMED_OUT"))
    error = await fails(counter)
    assert isinstance(error, ExportFailed)
    assert "filters" in str(error)
    assert not error.temporary


async def test_not_found_within_the_first_minute_is_a_look_that_came_too_early() -> None:
    """The API is eventually consistent: a fresh id may be unknown for a moment."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counter(RUNNING, unknown, unknown, DONE)
    assert (await counter.make()).export.status is ExportStatus.COMPLETED


async def test_not_found_later_means_the_export_is_lost() -> None:
    """After a minute an unknown id stays unknown."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counter(RUNNING, *[unknown] * 40)
    assert isinstance(await fails(counter), ExportExpired)
    assert 60 <= counter.clock.now() < 80


async def test_an_export_older_than_a_day_is_lost_at_once() -> None:
    """The API says so in words, with a status nobody documented."""
    counter = Counter(json_response('{"message":"Snapshot requested is older than 24 hours"}', 400))
    desk = await counter.desk()
    with pytest.raises(ExportExpired):
        await desk.exports.renew(JOB, "export-1")


async def test_a_429_is_obeyed_and_slows_the_profile() -> None:
    """Retry-After is waited for in full, before any other call of that profile."""
    counter = Counter(json_response("{}", 429, retry_after="42"), RUNNING, DONE)
    await counter.make()
    assert counter.clock.now() >= 42
    assert counter.tally.throttled == 1


async def test_a_retry_after_beyond_the_deadline_fails_now() -> None:
    """Sleeping longer than the job may last helps nobody."""
    counter = Counter(json_response("{}", 429, retry_after="1000000000"))
    assert isinstance(await fails(counter), Throttled)
    assert counter.clock.now() < 1


async def test_a_server_that_stays_down_ends_the_call_after_ten_attempts() -> None:
    """Retries are bounded, and the waits between them are jittered and growing."""
    counter = Counter(*[json_response("<html>", 503)] * 10)
    assert isinstance(await fails(counter), ServerError)
    assert counter.clock.now() == pytest.approx(0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60))
    retries = counter.events.of("call.retried")
    assert len(retries) == 9


async def test_a_lost_answer_is_asked_again_and_counted_as_possibly_orphaned() -> None:
    """A POST is not idempotent; what may run unseen is at least counted."""
    counter = Counter(ConnectionLost("gone"), RUNNING, DONE)
    await counter.make()
    assert counter.tally.possibly_orphaned == 1
    assert len(counter.events.of("export.orphaned")) == 1


async def test_an_answer_without_an_id_is_asked_once_more_and_then_is_the_error() -> None:
    """A garbled 202 comes again, so it is not tried ten times."""
    counter = Counter(json_response('{"status":"PROCESSING"}', 202), json_response('{"exportId":""}', 202))
    assert isinstance(await fails(counter), ProtocolError)
    assert counter.tally.possibly_orphaned == 2


@pytest.mark.parametrize("status", [400, 406, 415, 422])
async def test_a_rejected_request_is_final(status: int) -> None:
    """The same request would be refused again."""
    counter = Counter(json_response('{"code":"BAD","details":"filter"}', status, x_amz_rid="RID1"))
    error = await fails(counter)
    assert isinstance(error, RequestRejected)
    assert (error.code, error.request_id, error.status) == ("BAD", "RID1", status)


async def test_a_401_about_the_token_fetches_one_and_replays_the_call() -> None:
    """A token may die early; the call then goes through with the next."""
    counter = Counter(json_response('{"code":"UNAUTHORIZED"}', 401), token_response("Atza|two"), RUNNING, DONE)
    await counter.make()
    used = [request.headers.get("Authorization") for request in counter.transport.requests]
    assert used == [None, "Bearer Atza|one", None, "Bearer Atza|two", "Bearer Atza|two"]


async def test_a_401_with_a_fresh_token_is_the_profiles_fault() -> None:
    """It does not loop through tokens."""
    refused = json_response('{"code":"UNAUTHORIZED"}', 401)
    counter = Counter(refused, token_response("Atza|two"), refused)
    assert isinstance(await fails(counter), ProfileAccessDenied)


async def test_a_401_about_the_profile_touches_no_token() -> None:
    """Texts that name scope or advertiser are about the profile."""
    counter = Counter(json_response('{"code":"401","details":"Not authorized to access scope 1234567890"}', 401))
    assert isinstance(await fails(counter), ProfileAccessDenied)
    assert len(counter.sent) == 2


async def test_a_token_host_that_is_down_is_not_multiplied_by_the_call() -> None:
    """The token source has tried ten times; the call that needed the token does not try ten times that."""
    down = json_response("", 503)
    counter = Counter(*[down] * 9, token=down)
    assert isinstance(await fails(counter), ServerError)
    assert counter.tally.requests == 10


async def test_complete_without_a_url_is_looked_at_again() -> None:
    """The URL may be a moment behind the status."""
    bare = export_response("COMPLETED")
    counter = Counter(RUNNING, bare, bare, DONE)
    desk = await counter.desk()
    ready = await desk.exports.make(JOB)
    located = await desk.exports.locate(JOB, ready)
    assert located.url == SignedUrl(URL)


async def test_complete_that_never_has_a_url_is_the_error() -> None:
    """Three looks are enough."""
    bare = export_response("COMPLETED")
    counter = Counter(bare, bare, bare)
    desk = await counter.desk()
    with pytest.raises(ProtocolError, match="no URL"):
        await desk.exports.renew(JOB, "export-1")


async def test_a_url_that_grew_old_in_the_queue_is_fetched_anew() -> None:
    """A URL is used only while it has time left; otherwise the export is looked at right before the download."""
    counter = Counter(RUNNING, DONE, token_response("Atza|two"), export_response("COMPLETED", url=f"{URL}&fresh"))
    desk = await counter.desk()
    ready = await desk.exports.make(JOB)
    counter.clock.advance(3545)
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(f"{URL}&fresh")


async def test_a_url_with_time_left_is_used_as_it_is() -> None:
    """No look is wasted on a URL that was just minted."""
    counter = Counter(RUNNING, DONE)
    desk = await counter.desk()
    ready = await desk.exports.make(JOB)
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(URL)


async def test_an_export_that_turns_out_failed_when_renewed_is_the_error() -> None:
    """The last answer rules."""
    counter = Counter(export_response("FAILED", error=""))
    desk = await counter.desk()
    with pytest.raises(ExportFailed):
        await desk.exports.renew(JOB, "export-1")


async def test_a_url_to_another_host_makes_no_order() -> None:
    """The guard stands before every order and every fresh URL."""
    evil = "https://evil.test/x"
    counter = Counter(RUNNING, export_response("COMPLETED", url=evil), export_response("COMPLETED", url=evil))
    desk = await counter.desk()
    ready = await desk.exports.make(JOB)
    located = await desk.exports.locate(JOB, ready)
    with pytest.raises(UrlRefused):
        desk.order(JOB, located)
    with pytest.raises(UrlRefused):
        await desk.renew(order())


async def test_the_journal_hears_of_a_post_before_and_after_it() -> None:
    """The intent is on the disk before the POST, the export id before anything else is done."""
    counter = Counter(RUNNING, DONE)
    sent_when_noted: list[int] = []
    write = counter.notebook.note

    async def note(*noted: Any) -> None:
        sent_when_noted.append(sum("POST api" in line for line in counter.sent))
        await write(*noted)

    counter.notebook.note = note  # type: ignore[method-assign, assignment]
    await counter.make()
    assert counter.notebook.kinds == ["Intended", "Requested"]
    assert counter.notebook.notes[1] == (JOB, Requested("export-1"))
    assert sent_when_noted == [0, 1]


async def test_an_export_of_an_earlier_run_is_watched_and_not_asked_for_again() -> None:
    """What was asked for within a day is collected: no POST, and the next look comes at once."""
    counter = Counter(RUNNING, DONE)
    ready = await counter.make(Known("requested", "export-1", 3600.0))
    assert ready.export.status is ExportStatus.COMPLETED
    assert not any("POST api" in line for line in counter.sent)
    assert counter.notebook.notes == []
    assert [event.name for event in counter.events] == ["export.adopted", "token.refreshed", "export.finished"]


@pytest.mark.parametrize(
    "known",
    [
        Known("requested", "export-0", 86_400.0),
        Known("intended", "", 1.0),
        Known("failed", "", 1.0),
        Known("requested", "../../v2/profiles", 1.0),
    ],
)
async def test_an_export_that_cannot_be_collected_is_asked_for_anew(known: Known) -> None:
    """Too old, never answered, given up, or an id that nobody gave us."""
    counter = Counter(RUNNING, DONE)
    await counter.make(known)
    assert sum("POST api" in line for line in counter.sent) == 1


async def test_an_adopted_export_that_the_server_has_forgotten_is_asked_for_anew_at_once() -> None:
    """A known id that is not found is no look that came too early."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counter(unknown, RUNNING, DONE)
    await counter.make(Known("requested", "export-0", 3600.0))
    assert counter.clock.now() < 5
    assert counter.notebook.kinds == ["Intended", "Requested"]


async def test_an_adopted_export_that_failed_inside_the_server_is_asked_for_anew() -> None:
    """INTERNAL_ERROR of an earlier run's export is treated like our own."""
    counter = Counter(export_response("FAILED", error="INTERNAL_ERROR"), RUNNING, DONE)
    ready = await counter.make(Known("requested", "export-1", 3600.0))
    assert ready.export.status is ExportStatus.COMPLETED
