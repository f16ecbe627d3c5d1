"""The facts that move between the layers."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncexport.errors import ConfigError
from asyncexport.models import (
    AD_PRODUCTS,
    STATES,
    Account,
    Entity,
    Filters,
    Job,
    Limits,
    Profile,
    Region,
    Secret,
    SignedUrl,
    Summary,
    TransferOrder,
)
from tests.support import steady

CANARY = "canary-5f2e"
PROFILE = Profile("acme", Region.EU, "123", type="seller")


def account(**changes: Any) -> Account:
    given = {"region": "EU", "client_id": "id", "client_secret": CANARY, "refresh_token": CANARY}
    return Account(changes.pop("name", "acme"), **(given | changes))


@pytest.mark.parametrize(
    ("region", "api", "token"),
    [
        (Region.NA, "https://advertising-api.amazon.com", "https://api.amazon.com/auth/o2/token"),
        (Region.EU, "https://advertising-api-eu.amazon.com", "https://api.amazon.co.uk/auth/o2/token"),
        (Region.FE, "https://advertising-api-fe.amazon.com", "https://api.amazon.co.jp/auth/o2/token"),
    ],
)
def test_hosts_of_a_region(region: Region, api: str, token: str) -> None:
    """Each region has its own API and token host, and an account has its region's."""
    assert (region.api_url, region.token_url) == (api, token)
    assert (account(region=region).api_url, account(region=region).token_url) == (api, token)


@pytest.mark.parametrize("show", [repr, str, format, "{!s}".format, ascii])
def test_a_secret_shown(show: Callable[[object], str]) -> None:
    """However it is shown, a secret is the same three stars."""
    assert show(Secret(CANARY)) == "Secret(***)"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_in_a_pickle(duplicate: Callable[[object], object]) -> None:
    """A secret is never pickled, nor copied by the same protocol, and the refusal does not hold it."""
    with pytest.raises(TypeError, match="never pickled") as caught:
        duplicate(Secret(CANARY))
    assert CANARY not in str(caught.value)


def test_secrets_that_are_equal() -> None:
    """Two secrets are equal when their texts are; a secret is not equal to its text."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), "a"}) == 2
    assert Secret("a").reveal() == "a"


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


def test_an_account_shown() -> None:
    """No credential is in an account's repr, and the two secrets are not in its fields as text."""
    shown = repr(account(client_id=CANARY))

    assert CANARY not in shown
    assert account().client_secret == Secret(CANARY)
    assert account().refresh_token == Secret(CANARY)


def test_an_account_with_vaults() -> None:
    """A callable is kept as it is: it is asked when the exporter is entered."""

    def vault() -> str:
        return CANARY

    assert account(refresh_token=vault).refresh_token is vault


def test_an_account_with_ids_as_numbers() -> None:
    """Profile ids may be given as numbers and are kept as exact text; without any there is no restriction."""
    assert account(profiles=[12345678901234567890, "7"]).profiles == ("12345678901234567890", "7")
    assert account().profiles is None
    assert account(profiles=[]).profiles == ()


def test_an_account_elsewhere() -> None:
    """URLs that are given replace the region's; a trailing slash of the API's is dropped."""
    made = account(api_url="http://127.0.0.1:8080/", token_url="http://127.0.0.1:8080/auth/o2/token")

    assert made.api_url == "http://127.0.0.1:8080"
    assert made.token_url == "http://127.0.0.1:8080/auth/o2/token"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "an account needs a name"),
        ({"region": "EUROPE"}, "account 'acme': region 'EUROPE' is none of NA, EU, FE"),
        ({"profiles": "123"}, "account 'acme': profiles is a sequence of texts, not one text: ['123']"),
        ({"download_hosts": ".x"}, "account 'acme': download_hosts is a sequence of texts, not one text: ['.x']"),
    ],
)
def test_an_account_that_cannot_work(changes: dict[str, Any], message: str) -> None:
    """What can never work is refused when the account is made, with the account's name and the cause."""
    with pytest.raises(ConfigError) as caught:
        account(**changes)
    assert str(caught.value) == message


@pytest.mark.parametrize("key", ["api_url", "token_url"])
@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "//api.example",
        "https://",
        "ftp://api.example",
        "file:///etc/passwd",
        "https://user:pw@api.example",
        "https://api.example:0",
        "https://api.example:99999",
        "https://[::1",
        "https://api.example/a b",
        "https://api.example/\r\nX: y",
        "https://apí.example",
    ],
)
def test_an_account_with_a_url_that_cannot_be_connected_to(key: str, url: str) -> None:
    """A URL without scheme or host, with credentials, or with characters that no URL holds is refused at once."""
    with pytest.raises(ConfigError, match=f"account 'acme': {key} is no URL of the form https://host/path"):
        account(**{key: url})


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
        ("in_progress", 0, "in_progress must be a whole number of at least 1"),
        ("burst", 0.5, "burst must be a whole number of at least 1"),
        ("downloads", float("nan"), "downloads must be a whole number of at least 1"),
    ],
)
def test_limits_that_cannot_work(name: str, value: float, message: str) -> None:
    """A limit under which nothing would ever move, or which is no limit, is refused."""
    with pytest.raises(ConfigError) as caught:
        Limits(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"limits: {message}"


def test_a_summary_as_numbers_by_name() -> None:
    """The numbers come in the order in which they are printed, and none is left out."""
    names = [each.name for each in dataclasses.fields(Summary)]

    assert list(Summary(rows=3).as_dict()) == names == list(Summary.fields)
    assert Summary(rows=3).as_dict()["rows"] == 3
