"""``GET /v2/profiles``: what a grant manages in a region, profile ids as JSON numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from asyncexport.emulator.records.words import Met
from asyncexport.emulator.world import Advertiser


def profile_list(profiles: Iterable[Advertiser], query: str, met: Met) -> list[dict[str, Any]]:
    """Return those of the profiles that pass the query's filters, as the weather would have them."""
    asked = parse_qs(query)
    kinds = ",".join(asked.get("profileTypeFilter", ["seller,vendor,agency"])).split(",")
    paying = asked.get("validPaymentMethodFilter", [""])[0]
    found = [
        profile_object(profile)
        for profile in profiles
        if profile.type in kinds and (not paying or profile.valid_payment == (paying == "true"))
    ]
    if "empty-list" in met:
        return []
    if "ids-as-text" in met:
        found = [{**each, "profileId": str(each["profileId"])} for each in found]
    return found * 2 if "doubled-list" in met else found


def profile_object(profile: Advertiser) -> dict[str, Any]:
    """Return one profile as the API writes it; sellers have a daily budget."""
    budget = {"dailyBudget": 999999999.0} if profile.type == "seller" else {}
    return {
        "profileId": int(profile.profile_id),
        "countryCode": profile.country_code,
        "currencyCode": profile.currency_code,
        **budget,
        "timezone": profile.timezone,
        "accountInfo": {
            "marketplaceStringId": profile.marketplace_id,
            "id": profile.account_id,
            "type": profile.type,
            "name": profile.name,
            "validPaymentMethod": profile.valid_payment,
        },
    }
