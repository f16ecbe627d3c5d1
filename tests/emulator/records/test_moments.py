"""Moments as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from asyncexport.emulator.records.moments import amz_date, date, http_date, instant, stamp

FEBRUARY = datetime(2019, 2, 7, 7, 58, 58, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (int(FEBRUARY * 1000), "2019-02-07T07:58:58Z"),
        (int(FEBRUARY * 1000) + 759, "2019-02-07T07:58:58.759Z"),
        (int(FEBRUARY * 1000) + 5, "2019-02-07T07:58:58.005Z"),
    ],
)
def test_the_fraction_is_dropped_when_it_is_zero(milliseconds: int, text: str) -> None:
    """A stamp has three digits of fraction or none at all."""
    assert stamp(milliseconds) == text
    assert instant(milliseconds / 1000) == text


def test_stamps_agree_with_the_calendar_all_over_the_table() -> None:
    """A stamp read back is the moment it was made of, from the first year of the table to the last."""
    first = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp() * 1000)
    last = int(datetime(2028, 12, 31, tzinfo=UTC).timestamp() * 1000)
    for milliseconds in range(first, last, 86_399_123):
        text = stamp(milliseconds)
        assert round(datetime.fromisoformat(text).timestamp() * 1000) == milliseconds
        assert date(milliseconds) == text[:10]


def test_headers_have_their_own_forms() -> None:
    """A Date header is an HTTP date, X-Amz-Date the compact form."""
    assert http_date(FEBRUARY) == "Thu, 07 Feb 2019 07:58:58 GMT"
    assert amz_date(FEBRUARY) == "20190207T075858Z"
