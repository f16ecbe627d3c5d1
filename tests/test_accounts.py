"""Who asks: regions, secrets that are never shown, and accounts."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from asyncexport.accounts import Account, Region, Secret
from asyncexport.errors import ConfigError

CANARY = "canary-5f2e"


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
