"""Names as people give them: plain ones, and those that break careless code.

Words of seven scripts, and a list of hostile texts with what the API admits in names and keywords:
quotes, backslashes, tabs and newlines, CJK, emoji beyond the basic plane, and ``},{`` to fool whoever cuts an array by
looking for it. One name in sixteen is hostile. All draws come from the generator that is passed in.
"""

from __future__ import annotations

from random import Random

WORDS = (
    "kettle", "Wasserkocher", "bouilloire", "steel", "Edelstahl", "ケトル", "電気", "おしゃれ", "cordless", "Näkki",
    "running shoe", "Laufschuh", "zapatilla", "キッチン", "café", "tea", "gift", "Geschenk", "glass", "verre", "черный",
    "चाय", "شاي", "茶壶", "mini", "1,7 L", "3-pack", "organic", "blue", "rosé", "für Kinder", "défense", "pro", "XL",
)  # fmt: skip

HOSTILE = (
    'the "best" kettle',
    "back\\slash \\\\ twice \\",
    "two\nlines and\ta tab\r\n",
    "},{",
    '"},{"campaignId":"1"},{',
    "[{}] ]}[{",
    "emoji 🫖☕️👩‍👩‍👧 and 𝒻𝓊𝓃",
    "'; DROP TABLE campaigns; --",
    "=1+1",
    "comma, semicolon; pipe | tab\t",
    "\u202eright to left",
    'ends with a quote"',
    "\\u0041 is not an A",
    "line separator \u2028 paragraph \u2029",
    "中文名稱，「引號」",
    "null",
)  # fmt: skip

COMPANIES = (
    "Northwind Kitchen", 'Näkki "Home" & Söhne', "株式会社ケトル", "Acme Outdoors",
    "Bücher & Mehr GmbH",
    "Casa Azul SL",    "Tea \\ Time",
    "Ocean 🌊 Goods", "Atelier d'Été", "Plain Goods Ltd", "चाय घर", "Gartenfreunde KG",
)  # fmt: skip

STYLES = ("SP | {0} | {1}", "{0} - {1} - Exact", "{0}_{1}", "[{0}] {1} & co", "{1} ({0})", "{0} / {1} 🫖")


def title(rng: Random) -> str:
    """Draw a name for a campaign, an ad group or an ad: at most 80 characters, not unique."""
    if rng.getrandbits(4) == 0:
        return rng.choice(HOSTILE)
    return rng.choice(STYLES).format(rng.choice(WORDS), rng.choice(WORDS))


def keywords(rng: Random, count: int) -> list[str]:
    """Draw ``count`` search terms of one to four words; each sixteenth is hostile, and those take turns."""
    return [_phrase(rng) if place % 16 else HOSTILE[place // 16 % len(HOSTILE)] for place in range(count)]


def _phrase(rng: Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))
