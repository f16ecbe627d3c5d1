"""The facts that move between the layers."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.accounts import Region
from asyncexport.errors import ConfigError
from asyncexport.models import (
    AD_PRODUCTS,
    STATES,
    Entity,
    Filters,
    Job,
    Limits,
    Profile,
    Receipt,
    SignedUrl,
    Summary,
    TransferOrder,
)
from tests.support import steady

CANARY = "canary-5f2e"
PROFILE = Profile("acme", Region.EU, "123", type="seller")


SHOWN = [
    ("https://h.example/p/q?X-Amz-Signature=canary", "https://h.example/p/q?<redacted>"),
    ("https://h.example:8443/p", "https://h.example:8443/p"),
    ("https://h.example:0/p", "https://h.example:0/p"),
    ("https://user:canary@h.example/p", "https://h.example/p"),
    ("https://h.example/p#canary", "https://h.example/p"),
    ("https://h.example/p%3FX-Amz-Signature%3Dcanary", "https://h.example/p?<redacted>"),
    ("https://h.example/p%253fX-Amz-Signature%3Dcanary", "https://h.example/p?<redacted>"),
    ("https://h.example/p;X-Amz-Signature=canary", "https://h.example/p?<redacted>"),
    ("https://h.example/p&X-Amz-Signature=canary", "https://h.example/p?<redacted>"),
    ("https://[::1]:80/p", "https://[::1]:80/p"),
    ("X-Amz-Signature=canary", "<unreadable url>"),
    ("https:///p?canary", "<unreadable url>"),
    ("https://h:canary/p", "<unreadable url>"),
    ("https://[canary/p", "<unreadable url>"),
    ("", "<unreadable url>"),
]


@pytest.mark.parametrize(("text", "shown"), SHOWN)
def test_a_signed_url_shown(text: str, shown: str) -> None:
    """Of a signed URL scheme, host and path are shown, and never what grants access."""
    assert str(SignedUrl(text)) == shown
    assert repr(SignedUrl(text)) == f"<SignedUrl {shown}>"
    assert SignedUrl(text).reveal() == text


@steady
@given(st.text())
def test_any_text_as_a_signed_url(query: str) -> None:
    """Showing a URL never fails, and its query is not in what is shown."""
    shown = str(SignedUrl(f"https://h.example/p?{CANARY}{query}"))

    assert CANARY not in shown


def test_signed_urls_that_are_equal() -> None:
    """Two signed URLs are equal when they are the same byte for byte, also after a pickle."""
    order = TransferOrder(Job(PROFILE, Entity.ADS), "e", SignedUrl("https://h/p?a=%2B"))

    assert pickle.loads(pickle.dumps(order)) == order  # noqa: S301
    assert SignedUrl("https://h/p?a=%2B") != SignedUrl("https://h/p?a=%2b")
    assert SignedUrl("https://h/p") != "https://h/p"
    assert len({SignedUrl("https://h/p"), SignedUrl("https://h/p")}) == 1


def test_an_agency() -> None:
    """Agency profiles are known whatever the letter case, others are none."""
    assert Profile("a", Region.NA, "1", type="Agency").is_agency
    assert not Profile("a", Region.NA, "1", type="seller").is_agency
    assert not Profile("a", Region.NA, "1").is_agency


def test_filters_by_default() -> None:
    """By default all products and all three states are asked for, archived too."""
    assert Filters() == Filters(AD_PRODUCTS, STATES)
    assert "ARCHIVED" in Filters().states


def test_filters_with_lists() -> None:
    """Any sequence will do, a word that stands twice counts once, and new words need no release."""
    filters = Filters(["NEW_PRODUCT", "NEW_PRODUCT"], iter(["PAUSED"]), negative=[True, True])  # type: ignore[arg-type]

    assert filters == Filters(("NEW_PRODUCT",), ("PAUSED",), negative=(True,))
    assert hash(filters) == hash(Filters(("NEW_PRODUCT",), ("PAUSED",), negative=(True,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ad_products": ()}, "at least one ad product and one state"),
        ({"states": iter(())}, "at least one ad product and one state"),
        ({"states": "ENABLED"}, "states is a sequence of words, not one alone: ('ENABLED',)"),
        ({"target_types": "AUTO"}, "target_types is a sequence of words, not one alone: ('AUTO',)"),
        ({"negative": True}, "negative is a sequence of words, not one alone: (True,)"),
    ],
)
def test_filters_that_cannot_work(changes: dict[str, Any], message: str) -> None:
    """A single word where several are meant, and filters that leave nothing, are refused."""
    with pytest.raises(ConfigError) as caught:
        Filters(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize("entity", [Entity.CAMPAIGNS, Entity.AD_GROUPS, Entity.ADS])
def test_filters_of_other_entities(entity: Entity) -> None:
    """What applies to targets only is left out of every other entity's filters."""
    filters = Filters(("SPONSORED_BRANDS",), ("PAUSED",), target_types=("AUTO",), negative=(True,))

    assert filters.of(entity) == Filters(("SPONSORED_BRANDS",), ("PAUSED",))
    assert filters.of(Entity.TARGETS) is filters


@steady
@given(st.permutations(STATES), st.permutations(AD_PRODUCTS))
def test_the_order_of_the_words(states: list[str], products: list[str]) -> None:
    """Filters for the same rows have the same fingerprint, whatever the order of their words."""
    assert Filters(tuple(products), tuple(states)).fingerprint == Filters().fingerprint


def test_filters_for_other_rows() -> None:
    """Any other set of words has another fingerprint."""
    made = [
        Filters(),
        Filters(states=("ENABLED",)),
        Filters(ad_products=("SPONSORED_BRANDS",)),
        Filters(target_types=("AUTO",)),
        Filters(target_levels=("CAMPAIGN",)),
        Filters(negative=(True,)),
        Filters(negative=(False,)),
        Filters(negative=(False, True)),
    ]
    assert len({each.fingerprint for each in made}) == len(made)
    assert all(len(each.fingerprint) == 12 for each in made)


def test_jobs_for_the_same_rows() -> None:
    """Filters that do not apply to its entity are no part of a job."""
    plain = Job(PROFILE, Entity.ADS, snapshot="s")
    same = Job(PROFILE, Entity.ADS, Filters(target_types=("AUTO",)), "s")

    assert same == plain
    assert same.key == plain.key == ("s", "acme", "EU", "123", "ads", Filters().fingerprint)
    assert Job(PROFILE, Entity.TARGETS, Filters(target_types=("AUTO",)), "s").filters.target_types == ("AUTO",)


def test_jobs_about_the_same_on_two_nights() -> None:
    """The subject is all of a job's key but the label."""
    tonight, before = Job(PROFILE, Entity.ADS, snapshot="s"), Job(PROFILE, Entity.ADS, snapshot="other")

    assert tonight.subject == before.subject == ("acme", "EU", "123", "ads", Filters().fingerprint)
    assert tonight.key != before.key


@pytest.mark.parametrize(
    "other",
    [
        Job(PROFILE, Entity.TARGETS, snapshot="s"),
        Job(PROFILE, Entity.ADS, snapshot="t"),
        Job(PROFILE, Entity.ADS, Filters(states=("PAUSED",)), snapshot="s"),
        Job(dataclasses.replace(PROFILE, profile_id="124"), Entity.ADS, snapshot="s"),
        Job(dataclasses.replace(PROFILE, account="other"), Entity.ADS, snapshot="s"),
        Job(dataclasses.replace(PROFILE, region=Region.NA), Entity.ADS, snapshot="s"),
    ],
)
def test_jobs_for_other_rows(other: Job) -> None:
    """Label, account, region, profile, entity and filters all tell jobs apart."""
    assert other.key != Job(PROFILE, Entity.ADS, snapshot="s").key


def test_a_job_in_words() -> None:
    """A job says what of whom."""
    assert str(Job(PROFILE, Entity.AD_GROUPS)) == "adGroups of acme/EU/123"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("rate", 0, "rate must be more than 0"),
        ("rate", -1.0, "rate must be more than 0"),
        ("rate", float("nan"), "rate must be more than 0"),
        ("rate", float("inf"), "rate must be finite"),
        ("looks", 0, "looks must be more than 0"),
        ("looks", float("inf"), "looks must be finite"),
        ("sink_timeout", 0, "sink_timeout must be more than 0"),
        ("in_progress", 0, 'in_progress must be a whole number of at least 1 or "auto"'),
        ("in_progress", "many", 'in_progress must be a whole number of at least 1 or "auto"'),
        ("burst", 0.5, "burst must be a whole number of at least 1"),
        ("downloads", float("nan"), "downloads must be a whole number of at least 1"),
    ],
)
def test_limits_that_cannot_work(name: str, value: float | str, message: str) -> None:
    """A limit under which nothing would ever move, or which is no limit, is refused."""
    with pytest.raises(ConfigError) as caught:
        Limits(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"limits: {message}"


def test_a_summary_as_numbers_by_name() -> None:
    """The numbers come in the order in which they are printed, and none is left out."""
    names = [each.name for each in dataclasses.fields(Summary)]

    assert list(Summary(rows=3).as_dict()) == names == list(Summary.fields)
    assert Summary(rows=3).as_dict()["rows"] == 3


def test_an_order_of_a_part() -> None:
    """A part's order says which job somebody asked for; a whole job's is about itself."""
    whole = Job(PROFILE, Entity.ADS)
    part = Job(PROFILE, Entity.ADS, Filters(("SPONSORED_BRANDS",)))
    plain = TransferOrder(whole, "e", SignedUrl(""))
    first = TransferOrder(part, "e", SignedUrl(""), split_from=whole)

    assert (plain.whole, plain.is_part) == (whole, False)
    assert (first.whole, first.is_part, first.part) == (whole, True, 0)
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 - our own bytes


def test_the_receipt_of_parts() -> None:
    """Totals of the parts, the first one's place, the oldest time, and a digest that changes with any of theirs."""
    one = Receipt("e-0", 3, 45, "aa", "part-0", 99, "gzip", ("odd",), "2026-11-23T02:00:02Z")
    two = Receipt("e-1", 1, 15, "bb", "part-1", 9, "length+json", (), "2026-11-23T02:00:01Z")
    whole = Receipt.of_parts([one, two])

    assert (whole.rows, whole.bytes, whole.source_bytes) == (4, 60, 108)
    assert (whole.export_id, whole.location, whole.generated_at) == ("e-0", "part-0", "2026-11-23T02:00:01Z")
    assert whole.sha256 == hashlib.sha256(b"aa\nbb\n").hexdigest()
    assert (whole.integrity, whole.notes) == ("gzip, length+json", ("part 0: odd",))
    assert whole.parts == (one, two)
    assert Receipt.of_parts([dataclasses.replace(each, sha256="") for each in (one, two)]).sha256 == ""
