"""The contract of the API in both directions: builds its requests, deciphers its answers.

Source: the official OpenAPI of exports and of profiles, the official exports tutorial, captured answers, and what
public clients observed. Strict in what is sent (media types and headers exactly as documented, filters always
explicit), tolerant in what is read: unknown fields pass, unknown status words mean "still running", ids may be
numbers or texts, times may be missing. What cannot be used at all becomes a :class:`ProtocolError`; what is no
success becomes what :mod:`asyncexport.sansio.failures` says.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from asyncexport._version import __version__
from asyncexport.accounts import Account, Secret
from asyncexport.errors import AsyncexportError, AuthError, ProtocolError, RequestRejected, ServerError, Throttled
from asyncexport.models import Entity, Export, ExportStatus, Filters, Job, Profile, SignedUrl
from asyncexport.ports import Request, Response
from asyncexport.sansio.failures import complaint, failure, http_date, request_id_of
from asyncexport.sansio.redact import EXCERPT, printable, scrub

MEDIA_TYPES = {
    Entity.CAMPAIGNS: "application/vnd.campaignsexport.v1+json",
    Entity.AD_GROUPS: "application/vnd.adgroupsexport.v1+json",
    Entity.TARGETS: "application/vnd.targetsexport.v1+json",
    Entity.ADS: "application/vnd.adsexport.v1+json",
}
USER_AGENT = f"asyncexport/{__version__}"

TOKEN_SECONDS = (60.0, 3600.0)
"""Access tokens are taken to live at least and at most this long, whatever ``expires_in`` says."""

_FIX_CLIENT = "Check client_id and client_secret, which do not belong together"
_REFUSED_FOR_GOOD = {"invalid_grant", "invalid_client", "unauthorized_client"}
_COMPLETED = {"COMPLETED", "SUCCESS"}
_FAILED = {"FAILED", "FAILURE", "CANCELLED", "CANCELED"}
_RUNNING = {"PROCESSING", "IN_PROGRESS", "PENDING", "QUEUED"}
_LONGEST_ID = 256
_LARGEST_LIST = 16 << 20
_URL_AGES = (0.0, 86_400.0)
_MOMENT = re.compile(r"[0-9TZ.:+-]{0,40}")
_LONGEST_GENERATION = 86_400.0


@dataclass(frozen=True, slots=True)
class Grant:
    """An account's credentials once they have been fetched."""

    client_id: str
    client_secret: Secret
    refresh_token: Secret


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, the seconds it is good for, and the refresh token to use from now on."""

    access: Secret
    seconds: float
    refresh: Secret


def token_request(token_url: str, grant: Grant) -> Request:
    """Ask the token host for an access token."""
    form = {
        "grant_type": "refresh_token",
        "refresh_token": grant.refresh_token.reveal(),
        "client_id": grant.client_id,
        "client_secret": grant.client_secret.reveal(),
    }
    headers = {
        "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
    }
    return Request("POST", token_url, headers, urlencode(form).encode("ascii"), endpoint="token")


def read_token(response: Response, grant: Grant, account: str) -> Token:
    """Read the answer to :func:`token_request`.

    Raises :class:`AuthError` when the grant is refused for good, :class:`RequestRejected` when the token host would
    only refuse again for another reason, another error where trying again can help.
    """
    what = f"account {account!r}: access token"
    if response.status != 200:
        raise _no_token(response, what)
    document = _object(response, what)
    access, refresh = (_taken(document, name) for name in ("access_token", "refresh_token"))
    if access is None:
        raise _protocol(response, what, "the answer holds no access_token")
    return Token(access, _token_seconds(document.get("expires_in")), refresh or grant.refresh_token)


def _taken(document: dict[str, Any], name: str) -> Secret | None:
    """Take a secret out of an answer, so that nothing that shows the rest shows it."""
    text = document.pop(name, None)
    return Secret(text) if isinstance(text, str) and text and text.isprintable() else None


def profiles_request(account: Account, client_id: str, access: Secret) -> Request:
    """Ask for every profile of the account's region: up to 5,000 (official), which are more than a MiB."""
    headers = {**_identity(client_id, access), "Accept": "application/json"}
    return Request("GET", f"{account.api_url}/v2/profiles", headers, largest=_LARGEST_LIST, endpoint="profiles")


def read_profiles(response: Response, account: Account) -> tuple[Profile, ...]:
    """Read the answer to :func:`profiles_request`: exact ids, each once, in the order of the answer."""
    what = f"account {account.name!r}: profiles"
    if response.status != 200:
        raise failure(response, what)
    document = _load(response, what, exact=True)
    if not isinstance(document, list):
        raise _protocol(response, what, "the answer is no array")
    found: dict[str, Profile] = {}
    for entry in document:
        profile = _profile(entry, account)
        if profile is None:
            raise _protocol(response, what, "an entry has no usable profileId")
        found.setdefault(profile.profile_id, profile)
    return tuple(found.values())


def export_request(account: Account, client_id: str, access: Secret, job: Job) -> Request:
    """Ask for an export: ``POST /campaigns/export`` and its three sisters."""
    body = orjson.dumps(_filter_body(job.filters.of(job.entity)))
    word = job.entity.value
    headers = _export_headers(client_id, access, job)
    return Request("POST", f"{account.api_url}/{word}/export", headers, body, endpoint=word)


def status_request(account: Account, client_id: str, access: Secret, job: Job, export_id: str) -> Request:
    """Look at an export; each look that finds it complete mints a fresh URL."""
    url = f"{account.api_url}/exports/{quote(export_id, safe='')}"
    return Request("GET", url, _export_headers(client_id, access, job), endpoint="exports")


def read_export(response: Response, what: str) -> Export:
    """Read the answer to either of the two requests above."""
    if response.status not in {200, 202}:
        raise failure(response, what)
    document = _object(response, what)
    export_id = document.get("exportId")
    if not isinstance(export_id, str) or not is_usable_id(export_id):
        raise _protocol(response, what, "the answer holds no usable exportId")
    word = document.get("status")
    word = word if isinstance(word, str) else ""
    error = document.get("error")
    error = error if isinstance(error, dict) else {}
    return Export(
        export_id=export_id,
        status=_status(word),
        word=printable(word[:100]),
        url=_url(document.get("url")),
        file_size=_size(document.get("fileSize")),
        url_seconds=_url_seconds(document.get("urlExpiresAt"), response),
        generated_at=_shown(document.get("generatedAt")),
        created_at=_shown(document.get("createdAt")),
        error_code=_shown(error.get("errorCode")),
        error_message=_shown(error.get("message")),
    )


def is_known_word(word: str) -> bool:
    """Tell whether a status word stands in the contract; others count as "still running"."""
    return word.upper() in _COMPLETED | _FAILED | _RUNNING


def _identity(client_id: str, access: Secret) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {access.reveal()}",
        "Amazon-Advertising-API-ClientId": client_id,
        "User-Agent": USER_AGENT,
    }


def _export_headers(client_id: str, access: Secret, job: Job) -> dict[str, str]:
    media_type = MEDIA_TYPES[job.entity]
    return {
        **_identity(client_id, access),
        "Amazon-Advertising-API-Scope": job.profile.profile_id,
        "Content-Type": media_type,
        "Accept": media_type,
    }


def _filter_body(filters: Filters) -> dict[str, Any]:
    body: dict[str, Any] = {"adProductFilter": filters.ad_products, "stateFilter": filters.states}
    if filters.target_types:
        body["targetTypeFilter"] = filters.target_types
    if filters.target_levels:
        body["targetLevelFilter"] = filters.target_levels
    if filters.negative:
        body["negativeFilter"] = filters.negative
    return body


def _no_token(response: Response, what: str) -> AsyncexportError:
    """Say what the token host means: its 401 and 403 are about the grant or the caller, not about a profile."""
    said, request_id = complaint(response.body), request_id_of(response.headers)
    if said.code in _REFUSED_FOR_GOOD:
        return _refused(what, said.code, said.text, request_id)
    error = failure(response, what)
    if response.status == 401:
        return AuthError(f"{error}. {_FIX_CLIENT}.", code=said.code, request_id=request_id)
    if not 400 <= response.status < 500 or isinstance(error, Throttled | ServerError):
        return error
    return RequestRejected(str(error), status=response.status, code=said.code, request_id=request_id)


def _refused(what: str, code: str, text: str, request_id: str) -> AuthError:
    fix = {
        "invalid_grant": "the refresh token was revoked or never granted: let the user give consent again",
        "invalid_client": _FIX_CLIENT,
        "unauthorized_client": "this client may not use the Ads API: ask for access, or check client_id",
    }[code]
    return AuthError(f"{what}: {code}: {text}. {fix[0].upper()}{fix[1:]}.", code=code, request_id=request_id)


def _token_seconds(value: object) -> float:
    shortest, longest = TOKEN_SECONDS
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return shortest
    return min(max(seconds, shortest), longest) if seconds == seconds else shortest  # noqa: PLR0124


def _profile(entry: object, account: Account) -> Profile | None:
    if not isinstance(entry, dict):
        return None
    profile_id = entry.get("profileId")
    if isinstance(profile_id, bool) or not isinstance(profile_id, int | str):
        return None
    profile_id = str(profile_id)
    if not (profile_id.isascii() and profile_id.isdigit()) or len(profile_id) > 40:
        return None
    info = entry.get("accountInfo")
    info = info if isinstance(info, dict) else {}
    return Profile(
        account=account.name,
        region=account.region,
        profile_id=profile_id,
        name=_text(info.get("name")),
        type=_text(info.get("type")),
        country_code=_text(entry.get("countryCode")),
        currency_code=_text(entry.get("currencyCode")),
        timezone=_text(entry.get("timezone")),
        marketplace_id=_text(info.get("marketplaceStringId")),
        account_id=_text(info.get("id")),
    )


def _status(word: str) -> ExportStatus:
    if word.upper() in _COMPLETED:
        return ExportStatus.COMPLETED
    return ExportStatus.FAILED if word.upper() in _FAILED else ExportStatus.RUNNING


def generation_seconds(export: Export) -> float | None:
    """Return how long the server took over an export, by its own clock; None if it does not say, or not sanely."""
    try:
        began, ended = datetime.fromisoformat(export.created_at), datetime.fromisoformat(export.generated_at)
        seconds = (ended - began).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds if 0.0 < seconds <= _LONGEST_GENERATION else None


def _url(value: object) -> SignedUrl | None:
    return SignedUrl(value) if isinstance(value, str) and value else None


def _size(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 2**63 else None


def _url_seconds(value: object, response: Response) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        until = datetime.fromisoformat(value)
    except ValueError:
        return None
    now = http_date(response.headers.get("date", ""))
    if now is None or until.tzinfo is None:
        return None
    seconds = (until - now).total_seconds()
    return seconds if _URL_AGES[0] < seconds <= _URL_AGES[1] else None


def _text(value: object) -> str:
    """Return a text as it is, but for halves of surrogate pairs, which no file and no terminal takes."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else ""


def _shown(value: object) -> str:
    """Return a text that people and logs get to see, fit for both. Nothing can be hidden in a moment."""
    text = _text(value)
    return text if _MOMENT.fullmatch(text) else printable(scrub(text, EXCERPT))


def is_usable_id(export_id: str) -> bool:
    """Ids are opaque, but go into a path: none may leave its place there, whoever decodes it on the way."""
    climbs = "/" in export_id or "\\" in export_id or export_id.strip(".") == ""
    return len(export_id) <= _LONGEST_ID and export_id.isprintable() and not climbs


def _load(response: Response, what: str, *, exact: bool = False) -> object:
    """Parse the body; ``exact`` keeps integers beyond 64 bits, which orjson would turn into floats.

    The error is raised outside the ``except`` block: a parser's own error carries the whole body, token and all.
    """
    with suppress(ValueError, RecursionError):
        document: object = json.loads(response.body) if exact else orjson.loads(response.body)
        return document
    raise _protocol(response, what, "the answer is not JSON, or was cut")


def _object(response: Response, what: str) -> dict[str, Any]:
    document = _load(response, what)
    if not isinstance(document, dict):
        raise _protocol(response, what, "the answer is no object")
    return document


def _protocol(response: Response, what: str, why: str) -> AsyncexportError:
    request_id = request_id_of(response.headers)
    ending = f" (request id {request_id})" if request_id else ""
    return ProtocolError(f"{what}: {why}{ending}", status=response.status, request_id=request_id)
