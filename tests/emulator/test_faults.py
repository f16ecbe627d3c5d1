"""One fault: read, printed, and what it fits."""

from __future__ import annotations

import pytest

from asyncexport.emulator.faults import Call, Fault
from asyncexport.models import Entity

LINES = [
    "token: reset",
    "request entity=targets nth=2: return-429 retry-after-3",
    "poll profile=1234567890 entity=ads: no-url",
    "download every=5: broken-after-40% no-etag",
    "profiles nth=2 times=3: return-503",
    "request profile=7 every=1 until=600: return-429",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_prints_as_it_reads(line: str) -> None:
    """Reading a fault and printing it gives the line again."""
    assert str(Fault.parse(line)) == line


def test_conditions_become_fields() -> None:
    """Each condition stands in the field it is about."""
    fault = Fault.parse("download profile=7 entity=adGroups nth=3 times=2: reset")
    assert (fault.profile_id, fault.entity, fault.nth, fault.times) == ("7", Entity.AD_GROUPS, 3, 2)
    assert Fault.of("download", "reset", profile_id="7").profile_id == "7"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "does not read"),
        ("download reset", "does not read"),
        ("upload: reset", "does not read"),
        ("download: ", "no word"),
        ("download entity=portfolios: reset", "entity=portfolios"),
        ("download nth=0: reset", "nth=0"),
        ("download profile=: reset", "profile="),
        ("download loudly: reset", "loudly"),
        ("download until=noon: reset", "until=noon"),
        ("download: explode", "unknown word 'explode'"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_with_its_reason(line: str, complaint: str) -> None:
    """The error quotes what is wrong."""
    with pytest.raises(ValueError, match=complaint):
        Fault.parse(line)


def test_words_about_a_finished_export_wait_for_one() -> None:
    """A look at a running export does not fit a word that needs a completed one."""
    fault = Fault.parse("poll: no-url")
    assert not fault.fits(Call("poll"))
    assert fault.fits(Call("poll", ready=True))


def test_a_fault_can_end_with_the_time() -> None:
    """From the named second on it fits no call."""
    fault = Fault.parse("request every=1 until=600: return-429")
    assert fault.fits(Call("request", now=599.9))
    assert not fault.fits(Call("request", now=600.0))


def test_words_about_ranges_wait_for_a_range() -> None:
    """A download from the start does not fit a word about ranges."""
    fault = Fault.parse("download: wrong-range")
    assert not fault.fits(Call("download", ready=True))
    assert fault.fits(Call("download", ready=True, ranged=True))
