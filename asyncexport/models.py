"""The facts that move between the layers: frozen, small, picklable, without behaviour beyond their own arithmetic.

Words (one meaning each): an *account* is one Login-with-Amazon client and one grant; a *profile* one advertiser in
one marketplace; a *job* is what we want of one profile and entity; an *export* is the server's running answer to it; a
*transfer order* is a finished export on its way to a sink; a *receipt* what that left behind; an *outcome* is exactly
one ``Exported`` or ``Failed`` per job. Events live in :mod:`asyncexport.events`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from asyncexport.accounts import Region
from asyncexport.errors import AsyncexportError, ConfigError


class Entity(StrEnum):
    """What can be exported, in the API's own words."""

    CAMPAIGNS = "campaigns"
    AD_GROUPS = "adGroups"
    TARGETS = "targets"
    ADS = "ads"


_QUERY_IN_PATH = re.compile(r"%(?:25)*3f|[;&]", re.IGNORECASE)
"""Where a query begins that was encoded into the path by mistake: as secret as one in its place."""


class SignedUrl:
    """A pre-signed URL: whoever holds it can download for an hour, so its query is never shown.

    Unlike a :class:`Secret` it may be pickled, because a transfer order carries it to a worker process. Two are equal
    when they are the same byte for byte.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the URL exactly as the API gave it; it must go out byte for byte."""
        return self._text

    def __repr__(self) -> str:
        return f"<SignedUrl {self}>"

    def __str__(self) -> str:
        try:
            parts = urlsplit(self._text)
            host, port = parts.hostname, parts.port
        except ValueError:
            return "<unreadable url>"
        if not parts.scheme or not host:
            return "<unreadable url>"
        place = f"[{host}]" if ":" in host else host
        path = _QUERY_IN_PATH.split(parts.path, maxsplit=1)
        hidden = "?<redacted>" if parts.query or len(path) > 1 else ""
        return f"{parts.scheme}://{place}{'' if port is None else f':{port}'}{path[0]}{hidden}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SignedUrl) and other._text == self._text

    def __hash__(self) -> int:
        return hash(("SignedUrl", self._text))


@dataclass(frozen=True, slots=True)
class Profile:
    """One advertiser in one marketplace, as ``GET /v2/profiles`` describes it; ids are exact, as text."""

    account: str
    region: Region
    profile_id: str
    name: str = ""
    type: str = ""
    country_code: str = ""
    currency_code: str = ""
    timezone: str = ""
    marketplace_id: str = ""
    account_id: str = ""

    @property
    def is_agency(self) -> bool:
        """Agency (DSP) profiles have no sponsored-ads exports (official)."""
        return self.type.lower() == "agency"


AD_PRODUCTS = ("SPONSORED_PRODUCTS", "SPONSORED_BRANDS", "SPONSORED_DISPLAY")
STATES = ("ENABLED", "PAUSED", "ARCHIVED")
TARGET_LEVELS = ("AD_GROUP", "CAMPAIGN")
TARGET_TYPES = (
    "AUTO",
    "KEYWORD",
    "PRODUCT",
    "PRODUCT_CATEGORY",
    "PRODUCT_AUDIENCE",
    "PRODUCT_CATEGORY_AUDIENCE",
    "AUDIENCE",
    "THEME",
)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows an export shall hold. The words are the API's and an open set: a new one needs no release.

    The API's own default leaves ARCHIVED out; ours asks for all three states, so that a row that is missing from a
    snapshot is gone. ``target_types``, ``target_levels`` and ``negative`` apply to targets only; empty means all. A
    word that stands twice counts once. Raises :class:`ConfigError` for a single word where several are meant, and when
    no ad product or no state is left.
    """

    ad_products: tuple[str, ...] = AD_PRODUCTS
    states: tuple[str, ...] = STATES
    _: KW_ONLY
    target_types: tuple[str, ...] = ()
    target_levels: tuple[str, ...] = ()
    negative: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        for name in ("ad_products", "states", "target_types", "target_levels", "negative"):
            value = getattr(self, name)
            if isinstance(value, str | bool):
                raise ConfigError(f"filters: {name} is a sequence of words, not one alone: ({value!r},)")
            object.__setattr__(self, name, tuple(dict.fromkeys(value)))
        if not self.ad_products or not self.states:
            raise ConfigError("filters need at least one ad product and one state")

    def of(self, entity: Entity) -> Filters:
        """Return the filters without what does not apply to ``entity``."""
        for_targets = self.target_types or self.target_levels or self.negative
        return Filters(self.ad_products, self.states) if for_targets and entity is not Entity.TARGETS else self

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits that are the same for the same set of rows, whatever the order of the words."""
        return _fingerprint(self)


@lru_cache(maxsize=1024)
def _fingerprint(filters: Filters) -> str:
    """Every job asks for it again and again, and a night has few different filters."""
    parts = (filters.ad_products, filters.states, filters.target_types, filters.target_levels, filters.negative)
    text = ";".join(",".join(sorted(map(str, part))) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Job:
    """What we want: one entity of one profile, under one snapshot label. Filters that do not apply are left out."""

    profile: Profile
    entity: Entity
    filters: Filters = Filters()
    snapshot: str = "unlabelled"

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", self.filters.of(self.entity))

    @property
    def key(self) -> tuple[str, str, str, str, str, str]:
        """The job's identity over runs: label, account, region, profile, entity, filters."""
        at = self.profile
        return (self.snapshot, at.account, at.region.value, at.profile_id, self.entity.value, self.filters.fingerprint)

    @property
    def subject(self) -> tuple[str, str, str, str, str]:
        """What the job is about, the same every night: its key without the label."""
        return self.key[1:]

    def __str__(self) -> str:
        return f"{self.entity.value} of {self.profile.account}/{self.profile.region.value}/{self.profile.profile_id}"


class ExportStatus(Enum):
    """Where an export stands. The wire's words are more; :mod:`asyncexport.sansio.wire` maps them."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Export:
    """The server's answer about one export.

    ``word`` is the status as it stood on the wire. ``file_size`` is in bytes of the gzip object. ``url_seconds`` is how
    long the URL was still good for when the answer was made, by the server's own clock.
    """

    export_id: str
    status: ExportStatus
    word: str = ""
    url: SignedUrl | None = None
    file_size: int | None = None
    url_seconds: float | None = None
    generated_at: str = ""
    created_at: str = ""
    error_code: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """One finished export on its way to a sink. ``file_size`` is in bytes.

    Of a job that was too large for one export ``job`` is one part, with narrower filters, ``part`` its number, counted
    from 0, and ``split_from`` the whole.
    """

    job: Job
    export_id: str
    url: SignedUrl
    file_size: int | None = None
    generated_at: str = ""
    part: int = 0
    split_from: Job | None = None

    @property
    def is_part(self) -> bool:
        """Whether this is one of several exports of a job."""
        return self.split_from is not None or self.part > 0

    @property
    def whole(self) -> Job:
        """The job that somebody asked for."""
        return self.job if self.split_from is None else self.split_from


@dataclass(frozen=True, slots=True)
class Evidence:
    """How we know that a download was whole.

    ``integrity`` is ``"gzip"`` (CRC-32 and length of every member held) or ``"length+json"`` (plain JSON, closed
    array). ``source_bytes`` counts bytes of the object as stored; ``notes`` are oddities that were no fault.
    """

    source_bytes: int
    integrity: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transfer left behind: committed, whole, found again by ``Sink.find``.

    ``bytes`` and ``sha256`` are of what was stored at ``location`` (for files: what ``sha256sum`` prints). The receipt
    of a job that was split holds the ``parts``' own ones, see :meth:`of_parts`. As long as a part stands ``waits_at``
    another place, no reader sees it: it goes to ``location`` when all parts of its job are there.
    """

    export_id: str
    rows: int
    bytes: int
    sha256: str
    location: str
    source_bytes: int = 0
    integrity: str = "gzip"
    notes: tuple[str, ...] = ()
    generated_at: str = ""
    parts: tuple[Receipt, ...] = ()
    waits_at: str = ""

    @property
    def stands_at(self) -> str:
        """Where the rows were when this was written."""
        return self.waits_at or self.location

    @classmethod
    def of_parts(cls, parts: Sequence[Receipt]) -> Receipt:
        """Return the receipt of a job whose parts these are, part 0 first: their totals.

        ``export_id`` and ``location`` are part 0's, ``generated_at`` is the oldest; ``sha256`` is that of the parts'
        own, each in hex with a line feed after it, so that it tells whether any of them has changed, and empty if they
        have none.
        """
        digests = "".join(f"{part.sha256}\n" for part in parts)
        return cls(
            export_id=parts[0].export_id,
            rows=sum(part.rows for part in parts),
            bytes=sum(part.bytes for part in parts),
            sha256=hashlib.sha256(digests.encode()).hexdigest() if digests.strip() else "",
            location=parts[0].location,
            source_bytes=sum(part.source_bytes for part in parts),
            integrity=", ".join(sorted({part.integrity for part in parts})),
            notes=tuple(f"part {number}: {note}" for number, part in enumerate(parts) for note in part.notes),
            generated_at=min(part.generated_at for part in parts),
            parts=tuple(replace(part, waits_at="") for part in parts),
        )


@dataclass(frozen=True, slots=True)
class Exported:
    """The job's rows are committed. ``found`` means by an earlier run under the same label."""

    job: Job
    receipt: Receipt
    found: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The job ended without its rows; ``error.temporary`` says whether a later run can succeed by itself."""

    job: Job
    error: AsyncexportError


Outcome: TypeAlias = Exported | Failed


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was asked for and could not become jobs: a whole account, or one profile of it."""

    account: str
    region: Region
    error: AsyncexportError
    profile_id: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the accounts manage. ``skipped`` are agency profiles; ``refused`` what could not be looked at."""

    profiles: tuple[Profile, ...]
    skipped: tuple[Profile, ...] = ()
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What the client allows itself.

    ``in_progress``: slots per (client id, region, endpoint), or ``"auto"`` to find out how many there are; ``rate`` and
    ``burst``: requests a second per profile, and how many may come at once; ``downloads``: transfers at once;
    ``looks``: requests a second per client id and region that its exports may cost on average when all slots are busy,
    looks and requests for exports together (exports of a second or two cost more: each needs two requests at least);
    ``sink_timeout``: seconds that one call of a sink may take (``math.inf``: as long as it likes).
    Raises :class:`ConfigError` for what cannot work.
    """

    in_progress: int | Literal["auto"] = 5
    rate: float = 5.0
    burst: int = 5
    downloads: int = 16
    looks: float = 10.0
    sink_timeout: float = 600.0

    def __post_init__(self) -> None:
        for name in ("rate", "looks", "sink_timeout"):
            value = getattr(self, name)
            if not value > 0:
                raise ConfigError(f"limits: {name} must be more than 0")
            if value == float("inf") and name != "sink_timeout":
                raise ConfigError(f"limits: {name} must be finite")
        for name in ("in_progress", "burst", "downloads"):
            value = getattr(self, name)
            if name == "in_progress" and value == "auto":
                continue
            if not isinstance(value, int) or value < 1:
                either = ' or "auto"' if name == "in_progress" else ""
                raise ConfigError(f"limits: {name} must be a whole number of at least 1{either}")

    @property
    def told(self) -> int | None:
        """How many slots there are at an endpoint; None if that is to be found out."""
        return None if self.in_progress == "auto" else self.in_progress


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers. ``seconds`` is wall time; ``possibly_orphaned`` counts POSTs whose answer was lost."""

    exported: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int = 0
    seconds: float = 0.0
    requests: int = 0
    throttled: int = 0
    possibly_orphaned: int = 0

    fields: ClassVar[tuple[str, ...]] = (
        "exported",
        "failed",
        "skipped",
        "rows",
        "seconds",
        "requests",
        "throttled",
        "possibly_orphaned",
    )

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name, in the order in which they are printed."""
        return {name: getattr(self, name) for name in self.fields}
