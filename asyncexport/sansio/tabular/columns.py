"""The common models as columns: what campaigns, ad groups, targets and ads are known to hold, and of what type.

Contract: the names are the API's own, in the order of its documentation; where two sources differ the field is the one
that the official examples show. Ids are text, for they may be longer than a double is exact. Enumerations are open, so
their words are text. The models are an open set too: what is not here stands in a column of its own as JSON
(:mod:`asyncexport.sansio.tabular.fitting`), and a field that is added here makes :data:`SCHEMA_VERSION` one more.

Source: the common models of the Amazon Ads documentation (campaign, ad group, target, ad), and the fields
``targetLevel`` and, of ads, ``campaignId``, which it leaves out and which every row has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from asyncexport.models import Entity

SCHEMA_VERSION: Final = 1


class Scalar(Enum):
    """A column of single values. ``NUMBER`` is a double, ``MOMENT`` an instant in UTC, ``DATE`` a day of nowhere."""

    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    MOMENT = "moment"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Many:
    """A column of lists."""

    of: Column


Fields: TypeAlias = Mapping[str, "Column"]
"""A column of objects, or a whole row."""

Column: TypeAlias = Scalar | Many | Fields

TEXT, NUMBER, INTEGER, BOOLEAN = Scalar.TEXT, Scalar.NUMBER, Scalar.INTEGER, Scalar.BOOLEAN

_SERVING: Final[Fields] = {"state": TEXT, "deliveryStatus": TEXT, "deliveryReasons": Many(TEXT)}
_TIMES: Final[Fields] = {"creationDateTime": Scalar.MOMENT, "lastUpdatedDateTime": Scalar.MOMENT}

_CAMPAIGN: Final[Fields] = {
    "campaignId": TEXT,
    "portfolioId": TEXT,
    "adProduct": TEXT,
    "name": TEXT,
    "startDate": Scalar.DATE,
    "endDate": Scalar.DATE,
    **_SERVING,
    "brandEntityId": TEXT,
    "optimization": {
        "bidStrategy": TEXT,
        "placementBidAdjustments": Many({"placement": TEXT, "percentage": NUMBER}),
        "shopperSegmentBidAdjustment": Many({"shopperSegment": TEXT, "percentage": NUMBER}),
        "shopperCohortBidAdjustment": Many(
            {
                "shopperCohortType": TEXT,
                "percentage": NUMBER,
                "audienceSegments": Many({"audienceId": TEXT, "audienceSegmentType": TEXT}),
            }
        ),
    },
    "budgetCaps": {
        "recurrenceTimePeriod": TEXT,
        "budgetType": TEXT,
        "budgetValue": {"monetaryBudget": {"currencyCode": TEXT, "amount": NUMBER, "ruleAmount": NUMBER}},
    },
    "targetingSettings": TEXT,
    "costType": TEXT,
    "tags": Many({"key": TEXT, "value": TEXT}),
    **_TIMES,
}

_AD_GROUP: Final[Fields] = {
    "adGroupId": TEXT,
    "campaignId": TEXT,
    "adProduct": TEXT,
    "name": TEXT,
    **_SERVING,
    "creativeType": TEXT,
    "bid": {"defaultBid": NUMBER, "currencyCode": TEXT},
    "optimization": {"goalSettings": {"goalType": TEXT, "goalKpi": TEXT}},
    **_TIMES,
}

_TARGET: Final[Fields] = {
    "targetId": TEXT,
    "adGroupId": TEXT,
    "campaignId": TEXT,
    "adProduct": TEXT,
    **_SERVING,
    "negative": BOOLEAN,
    "targetType": TEXT,
    "targetLevel": TEXT,
    "bid": {"bid": NUMBER, "currencyCode": TEXT},
    "targetDetails": {
        "matchType": TEXT,
        "keyword": TEXT,
        "nativeLanguageKeyword": TEXT,
        "nativeLanguageLocale": TEXT,
        "asin": TEXT,
        "productCategoryId": TEXT,
        "productCategoryResolved": TEXT,
        "productBrand": TEXT,
        "productBrandResolved": TEXT,
        "productGenre": TEXT,
        "productGenreResolved": TEXT,
        "productPriceLessThan": NUMBER,
        "productPriceGreaterThan": NUMBER,
        "productRatingLessThan": NUMBER,
        "productRatingGreaterThan": NUMBER,
        "productAgeRange": TEXT,
        "productAgeRangeResolved": TEXT,
        "productPrimeShippingEligible": BOOLEAN,
        "audienceId": TEXT,
        "event": TEXT,
        "lookback": INTEGER,
    },
    **_TIMES,
}

_ASSET: Final[Fields] = {"assetId": TEXT, "assetVersion": TEXT}
_PICTURE: Final[Fields] = {
    **_ASSET,
    "formatProperties": {"top": INTEGER, "left": INTEGER, "width": INTEGER, "height": INTEGER},
}
_LANDING_PAGE: Final[Fields] = {"landingPageType": TEXT, "landingPageUrl": TEXT}
_PRODUCT: Final[Fields] = {"productIdType": TEXT, "productId": TEXT}

_AD: Final[Fields] = {
    "adId": TEXT,
    "adGroupId": TEXT,
    "campaignId": TEXT,
    "adProduct": TEXT,
    "name": TEXT,
    "adType": TEXT,
    "adVersionId": TEXT,
    **_SERVING,
    "creative": {
        "products": Many(_PRODUCT),
        "headline": TEXT,
        "brandName": TEXT,
        "brandLogo": _PICTURE,
        "customImages": Many(_PICTURE),
        "videos": Many(_ASSET),
        "landingPage": _LANDING_PAGE,
        "cards": Many({"headline": TEXT, "landingPage": _LANDING_PAGE, "product": _PRODUCT}),
    },
    **_TIMES,
}

MODELS: Final[Mapping[Entity, Fields]] = {
    Entity.CAMPAIGNS: _CAMPAIGN,
    Entity.AD_GROUPS: _AD_GROUP,
    Entity.TARGETS: _TARGET,
    Entity.ADS: _AD,
}
"""The columns of a row, by entity."""

PROVENANCE: Final[Fields] = {
    "account": TEXT,
    "region": TEXT,
    "profile_id": TEXT,
    "entity": TEXT,
    "snapshot": TEXT,
    "export_id": TEXT,
    "generated_at": Scalar.MOMENT,
}
"""Where a row is from: columns that stand before those of the model. No model has a field of these names."""

EXTRA: Final = "extra"
"""The column, after those of the model, that holds what fits none of them: a JSON object, or NULL."""

_VARIED: Final = frozenset({"name", "value", "keyword", "nativeLanguageKeyword", "headline", "landingPageUrl", "asin"})
_IDENTITY: Final = re.compile(r"[a-z]Id$")


def words_of(entity: Entity) -> list[tuple[str, ...]]:
    """Return the paths of the columns, lists' elements included, that hold one of a few words in most rows.

    They are those that say where a row is from, and the texts that are neither ids nor chosen by people.
    """
    return [*((name,) for name in PROVENANCE), *_words(MODELS[entity], ())]


def _words(column: Column, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(column, Many):
        yield from _words(column.of, (*path, "list", "element"))
    elif isinstance(column, Mapping):
        for name, each in column.items():
            if name not in _VARIED and not _IDENTITY.search(name):
                yield from _words(each, (*path, name))
    elif column is Scalar.TEXT:
        yield path
