"""One job's export on the server: from the request to a terminal status and a URL."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import orjson
import pytest

from asyncexport.errors import (
    ConnectError,
    ConnectionLost,
    ExportDeadline,
    ExportExpired,
    ExportFailed,
    ProtocolError,
    UrlRefused,
)
from asyncexport.events import CallEnded
from asyncexport.models import ExportStatus, SignedUrl
from asyncexport.notes import Known, Requested
from asyncexport.ports import Request, Response
from asyncexport.testing import json_response
from tests.engine.counterpart import DONE, RUNNING, Counterpart, fails
from tests.engine.support import (
    JOB,
    OTHER_JOB,
    URL,
    export_response,
    order,
    token_response,
)


async def test_an_export_is_requested_once_and_watched_until_it_is_complete() -> None:
    """One POST, looks at growing distances, the first of them early."""
    counter = Counterpart(RUNNING, RUNNING, export_response("IN_PROGRESS"), DONE)
    ready = await counter.make()
    assert ready.export.status is ExportStatus.COMPLETED
    assert counter.sent == [
        "POST token.test/auth/o2/token",
        "POST api.test/campaigns/export",
        *["GET api.test/exports/export-1"] * 3,
    ]
    assert counter.clock.now() == pytest.approx(0.5 + 0.625 + 0.78125)
    names = [event.name for event in counter.events if not isinstance(event, CallEnded)]
    assert names == ["token.refreshed", "export.requested", "export.finished"]
    assert counter.tally.requests == 5


async def test_an_unknown_status_word_is_still_running_and_is_told() -> None:
    """A word that is in no table neither ends nor fails the wait."""
    counter = Counterpart(RUNNING, export_response("WARMING_UP"), export_response(""), DONE)
    await counter.make()
    assert len(counter.events.of("oddity.noticed")) == 2


async def test_an_export_that_never_ends_meets_its_deadline() -> None:
    """The deadline holds whatever the server says, to the second, and the error names the export."""
    counter = Counterpart(*[RUNNING] * 200, deadline=100.0)
    error = await fails(counter)
    assert isinstance(error, ExportDeadline)
    assert error.export_id == "export-1"
    assert error.temporary
    assert counter.clock.now() == pytest.approx(100.0)


async def test_a_deadline_with_an_outage_before_it() -> None:
    """Time in which nobody could call does not count: the export is looked at for as long as it may run."""
    counter = Counterpart(deadline=100.0)

    async def send(request: Request) -> Response:
        await anyio.lowlevel.checkpoint()
        if "token" in request.url:
            return token_response()
        if 10.0 <= counter.clock.now() < 500.0:
            raise ConnectError("refused")
        return RUNNING

    counter.transport.send = send  # type: ignore[method-assign]
    desk = await counter.desk()
    made = await asyncio.gather(*(counter.make(job=job) for job in (JOB, OTHER_JOB)), return_exceptions=True)

    assert [type(each) for each in made] == [ExportDeadline] * 2
    assert counter.clock.now() == pytest.approx(100.0 + desk.api.down_seconds(0.0))
    assert desk.api.down_seconds(0.0) > 480.0


async def test_a_last_look_that_is_lost_leaves_the_deadline_as_the_error() -> None:
    """What ends the wait is our patience, not the connection of the look that it cut off."""

    def cut_off(_: Request) -> Response:
        counter.clock.advance(100.0)
        raise ConnectionLost("cut off")

    counter = Counterpart(RUNNING, RUNNING, cut_off, deadline=60.0)
    error = await fails(counter)
    assert isinstance(error, ExportDeadline)
    assert error.export_id == "export-1"


async def test_an_internal_error_is_asked_for_again_twice() -> None:
    """The third INTERNAL_ERROR is the error."""
    failed = export_response("FAILED", error="INTERNAL_ERROR")
    counter = Counterpart(RUNNING, failed, RUNNING, failed, RUNNING, failed)
    error = await fails(counter)
    assert isinstance(error, ExportFailed)
    assert error.code == "INTERNAL_ERROR"
    assert sum("POST api" in line for line in counter.sent) == 3
    lucky = Counterpart(RUNNING, failed, RUNNING, DONE)
    assert (await lucky.make()).export.status is ExportStatus.COMPLETED


async def test_an_export_that_timed_out_is_not_asked_for_again() -> None:
    """The same export would time out again; the error says what is the matter."""
    counter = Counterpart(RUNNING, export_response("FAILED", error="TIMED_OUT"))
    error = await fails(counter)
    assert isinstance(error, ExportFailed)
    assert "too large for one export" in str(error)
    assert not error.temporary


async def test_not_found_within_the_first_minute_is_a_look_that_came_too_early() -> None:
    """The API is eventually consistent: a fresh id may be unknown for a moment."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counterpart(RUNNING, unknown, unknown, DONE)
    assert (await counter.make()).export.status is ExportStatus.COMPLETED


async def test_not_found_later_means_the_export_is_lost() -> None:
    """After a minute an unknown id stays unknown."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counterpart(RUNNING, *[unknown] * 40)
    assert isinstance(await fails(counter), ExportExpired)
    assert 60 <= counter.clock.now() < 80


async def test_an_export_older_than_a_day_is_lost_at_once() -> None:
    """The API says so in words, with a status nobody documented."""
    counter = Counterpart(json_response('{"message":"Snapshot requested is older than 24 hours"}', 400))
    desk = await counter.desk()
    with pytest.raises(ExportExpired):
        await desk.exports.renew(JOB, "export-1")


async def test_complete_without_a_url_is_looked_at_again() -> None:
    """The URL may be a moment behind the status."""
    bare = export_response("COMPLETED")
    counter = Counterpart(RUNNING, bare, bare, DONE)
    desk = await counter.desk()
    ready = await counter.make()
    located = await desk.exports.locate(JOB, ready)
    assert located.url == SignedUrl(URL)


async def test_complete_that_never_has_a_url_is_the_error() -> None:
    """It is looked at three times again, over some seconds; that is enough."""
    bare = export_response("COMPLETED")
    counter = Counterpart(bare, bare, bare, bare)
    desk = await counter.desk()
    with pytest.raises(ProtocolError, match="no URL"):
        await desk.exports.renew(JOB, "export-1")


async def test_a_url_that_grew_old_in_the_queue_is_fetched_anew() -> None:
    """A URL is used only while it has time left; otherwise the export is looked at right before the download."""
    counter = Counterpart(RUNNING, DONE, token_response("Atza|two"), export_response("COMPLETED", url=f"{URL}&fresh"))
    desk = await counter.desk()
    ready = await counter.make()
    counter.clock.advance(3545)
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(f"{URL}&fresh")


async def test_a_url_with_time_left_is_used_as_it_is() -> None:
    """No look is wasted on a URL that was just minted."""
    counter = Counterpart(RUNNING, DONE)
    desk = await counter.desk()
    ready = await counter.make()
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(URL)


async def test_an_export_that_turns_out_failed_when_renewed_is_the_error() -> None:
    """The last answer rules."""
    counter = Counterpart(export_response("FAILED", error=""))
    desk = await counter.desk()
    with pytest.raises(ExportFailed):
        await desk.exports.renew(JOB, "export-1")


async def test_a_url_to_another_host_makes_no_order() -> None:
    """The guard stands before every order and every fresh URL."""
    evil = "https://evil.test/x"
    counter = Counterpart(RUNNING, export_response("COMPLETED", url=evil), export_response("COMPLETED", url=evil))
    desk = await counter.desk()
    ready = await counter.make()
    located = await desk.exports.locate(JOB, ready)
    with pytest.raises(UrlRefused):
        desk.order(JOB, located)
    with pytest.raises(UrlRefused):
        await desk.renew(order())


async def test_the_journal_hears_of_a_post_before_and_after_it() -> None:
    """The intent is on the disk before the POST, the export id before anything else is done."""
    counter = Counterpart(RUNNING, DONE)
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
    counter = Counterpart(RUNNING, DONE)
    ready = await counter.make(Known("requested", "export-1", 3600.0))
    assert ready.export.status is ExportStatus.COMPLETED
    assert not any("POST api" in line for line in counter.sent)
    assert counter.notebook.notes == []
    names = [event.name for event in counter.events if not isinstance(event, CallEnded)]
    assert names == ["export.adopted", "token.refreshed", "export.finished"]
    assert counter.clock.now() == pytest.approx(0.625)


async def test_how_long_an_export_took_is_the_servers_word() -> None:
    """The two times of its last answer, as far as they agree with what was seen; otherwise the middle between looks."""
    times = {"createdAt": "2026-11-23T02:00:00Z", "generatedAt": "2026-11-23T02:00:00.800Z"}
    body = {"exportId": "export-1", "status": "COMPLETED", "url": URL}
    told = json_response(orjson.dumps(body | times))
    garbled = json_response(orjson.dumps(body | times | {"generatedAt": "2026-11-23T03:00:00Z"}))

    took = [(await Counterpart(RUNNING, RUNNING, last).make()).seconds for last in (told, garbled, DONE)]

    assert took == pytest.approx([0.8, 0.5 + 0.625, 0.5 + 0.625 / 2])


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
    counter = Counterpart(RUNNING, DONE)
    await counter.make(known)
    assert sum("POST api" in line for line in counter.sent) == 1


async def test_an_adopted_export_that_the_server_has_forgotten_is_asked_for_anew_at_once() -> None:
    """A known id that is not found is no look that came too early."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counterpart(unknown, RUNNING, DONE)
    await counter.make(Known("requested", "export-0", 3600.0))
    assert counter.clock.now() < 5
    assert counter.notebook.kinds == ["Intended", "Requested"]


async def test_an_adopted_export_that_is_not_found_within_its_first_minute() -> None:
    """An earlier run asked for it just now, and a fresh id may be unknown for a moment: it is not asked for twice."""
    unknown = json_response('{"message":"not found"}', 404)
    counter = Counterpart(unknown, unknown, DONE)
    ready = await counter.make(Known("requested", "export-1", 5.0))
    assert ready.adopted
    assert not any("POST api" in line for line in counter.sent)


async def test_an_adopted_export_that_failed_inside_the_server_is_asked_for_anew() -> None:
    """INTERNAL_ERROR of an earlier run's export is treated like our own."""
    counter = Counterpart(export_response("FAILED", error="INTERNAL_ERROR"), RUNNING, DONE)
    ready = await counter.make(Known("requested", "export-1", 3600.0))
    assert ready.export.status is ExportStatus.COMPLETED


async def test_a_completed_export_that_runs_again_is_waited_for() -> None:
    """A status that flaps is no error; the last answer rules."""
    bare = export_response("COMPLETED")
    counter = Counterpart(RUNNING, bare, *[RUNNING] * 8, bare, DONE)
    desk = await counter.desk()
    ready = await counter.make()
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(URL)


async def test_an_earlier_runs_export_that_gives_no_url_is_lost() -> None:
    """After a day the API calls an export complete and gives no URL: it is asked for anew."""
    bare = export_response("COMPLETED")
    counter = Counterpart(*[bare] * 5)
    desk = await counter.desk()
    ready = await counter.make(Known("requested", "export-1", 84_600.0))
    with pytest.raises(ExportExpired, match="cannot be collected any more"):
        await desk.exports.locate(JOB, ready)


async def test_an_earlier_runs_export_that_may_not_be_looked_at_is_asked_for_anew() -> None:
    """A refused look would be refused at every later run too."""
    refused = json_response('{"message":"no"}', 400)
    counter = Counterpart(refused, RUNNING, DONE)
    ready = await counter.make(Known("requested", "export-0", 60.0))
    assert ready.export.export_id == "export-1"


async def test_a_completed_export_is_taken_whatever_error_stands_beside_it() -> None:
    """The status decides, not the presence of an error object."""
    odd = json_response(
        f'{{"exportId":"export-1","status":"COMPLETED","url":"{URL}","error":{{"errorCode":"INTERNAL_ERROR"}}}}'
    )
    counter = Counterpart(RUNNING, odd)
    assert (await counter.make()).export.status is ExportStatus.COMPLETED
