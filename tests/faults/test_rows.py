"""Rows of the matrix that no module's own tests hold."""

from __future__ import annotations

import pytest

from asyncexport.models import SignedUrl
from asyncexport.testing import json_response
from tests.engine.counterpart import DONE, RUNNING, Counterpart
from tests.engine.support import JOB, URL, export_response, token_response


async def test_a_request_answered_200() -> None:
    """A 200 with a usable body is as good as a 202 (Q8)."""
    for status in (200, 202):
        counter = Counterpart(json_response('{"exportId": "export-1", "status": "PROCESSING"}', status), DONE)
        assert (await counter.make()).export.export_id == "export-1"
        assert counter.events.of("oddity.noticed") == []


@pytest.mark.parametrize("flaps", [1, 2])
async def test_an_export_that_flaps(flaps: int) -> None:
    """Complete, then running, then complete: the wait ended at the first, and the last answer gives the URL (L9)."""
    fresh = export_response("COMPLETED", url=f"{URL}&fresh")
    counter = Counterpart(RUNNING, DONE, token_response("Atza|two"), *[RUNNING] * flaps, fresh)
    desk = await counter.desk()
    ready = await counter.make()
    counter.clock.advance(3545)
    assert (await desk.exports.locate(JOB, ready)).url == SignedUrl(f"{URL}&fresh")
    assert sum("POST api" in line for line in counter.sent) == 1
