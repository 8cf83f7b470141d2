"""Pages of suggestions: the stored list or exact retrieval, always masked as of now (layer: selectors).

A cursor is pinned to the list it came from, so a list that is replaced meanwhile never mixes with the new.
Whatever the source, every partner shown has just passed the hard rules against fresh rows. Who is not ranked
personally, for this request or as their stored choice, gets a list that is computed for the request.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.core import signing
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from accounts.models import Anchor, Stall
from matching.engine.explain import whole_points
from matching.engine.model import Encoded
from matching.engine.neutral import neutral_asker, neutral_partners
from matching.engine.pipeline import recommend
from matching.engine.rerank import ADJUSTMENTS
from matching.engine.types import Rule, Side
from matching.filters import Filters, mask
from matching.models import RecommendationList
from matching.packing import LIST_LENGTH, ListEntries, pack_all, unpack
from matching.reasons import describe, describe_adjustment
from matching.rules import NO_PARTNERS
from matching.snapshot.fresh import Subject
from matching.snapshot.market import Market, exclusions_for, market_within
from matchmaker.core.errors import DomainError, InvalidInput
from matchmaker.core.prepared import Prepared

Party = Stall | Anchor
SALT = "matching.cursor"
MOST_RANKS = 500
# How many partners a page reads beyond those it shows, for those ruled out since the list was made.
SPARE = 4
# How long an asker waits for a process that has to read the market first; then the answer is "pending".
BUDGET_SECONDS = 1.5
# Without a filter the worker is at the same list already, and asking again soon finds it stored.
PLAIN_BUDGET_SECONDS = 0.2


class ListGone(DomainError):
    """The list that a cursor was pinned to is no longer kept."""

    status = 410
    default_code = "list_gone"


@dataclass(frozen=True)
class Suggestion:
    """One ranked partner with its explained score, in whole points that sum."""

    rank: int
    partner: Party
    score: int
    base: int
    parts: Sequence[dict[str, Any]]
    adjustments: Sequence[dict[str, Any]]
    confidence: float


@dataclass(frozen=True)
class SuggestionPage:
    """Part of a list. `source`: stored, computed (for this request) or pending (nothing computed yet)."""

    items: Sequence[Suggestion]
    next_cursor: str | None
    computed_at: datetime | None
    source: str
    list_id: str | None
    why_none: dict[str, int] = field(default_factory=dict)
    is_personalised: bool = True
    # Codes of the rules that the subject fails by itself; None where it was not read.
    own_reasons: Sequence[str] | None = None


@dataclass(frozen=True)
class _List:
    """Entries to page through, from whichever source."""

    entries: ListEntries
    part_codes: Sequence[str]
    base_hundredths: int
    computed_at: datetime
    source: str
    list_id: str | None
    ruled_out: dict[str, int]
    places_before: int = 0


@dataclass(frozen=True)
class _Asked:
    """What somebody asked for; `at` is the place in the list where the page begins, counted from 0."""

    side: str
    subject: Party
    filters: Filters
    exclude: Collection[int]
    page_size: int
    is_personalised: bool
    at: int = 0
    list_id: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the stored list answers it."""
        return self.is_personalised and not self.filters.given()

    @property
    def wanted(self) -> int:
        """How long a list must be to hold the page and one more."""
        return self.at + self.page_size + len(self.exclude) + 1

    @property
    def key(self) -> str:
        """What a cursor is bound to."""
        choice = "" if self.is_personalised else ":neutral"
        return f"{self.side}:{self.subject.public_id}:{sorted(self.filters.given().items())}{choice}"


def suggestions_for(
    *,
    side: str,
    subject: Party,
    filters: Filters | None = None,
    exclude: Collection[int] = (),
    cursor: str = "",
    page_size: int = 20,
    personalised: bool = True,
) -> SuggestionPage:
    """Return one page of partners for `subject`, best first, without the partner ids in `exclude`.

    `personalised` off, or the stored choice of the party, ranks by neutral facts only; it excludes nobody.
    Raises InvalidInput for a cursor that is not ours and ListGone for one whose list is no longer kept.
    """
    is_personalised = personalised and wants_personal(subject)
    asked = _Asked(side, subject, filters or Filters(), exclude, page_size, is_personalised)
    asked = _with_cursor(asked, cursor)
    found = _source(asked)
    if found is None:
        return SuggestionPage([], None, None, "pending", None, is_personalised=is_personalised)
    return _page(found, asked)


def wants_personal(subject: Party) -> bool:
    """Whether the party is ranked personally by its stored choice; a stall's is its merchant's."""
    party = subject.merchant if isinstance(subject, Stall) else subject
    return party.is_personalised


# --- sources -----------------------------------------------------------------------------------------


def _source(asked: _Asked) -> _List | None:
    """Return the list that answers: the stored one, what follows it, or one computed for the filters."""
    stored = _stored(asked) if asked.is_plain else None
    if stored is None:
        return _computed(asked)
    if asked.at >= len(stored.entries.partner_ids) == LIST_LENGTH:
        return _behind(stored, asked)
    return stored


def _stored(asked: _Asked) -> _List | None:
    if asked.list_id is None:
        current = _CURRENT[Side(asked.side)].rows([asked.subject.pk])
        return _of_row(_StoredRow(*current[0])) if current else None
    rows = _lists(asked.side).filter(subject_id=asked.subject.pk, public_id=asked.list_id)
    pinned = rows.first()
    if pinned is None:
        raise ListGone(_("This list was replaced. Start again without a cursor."))
    return _of_row(_StoredRow(*pinned))


@dataclass
class _StoredRow:
    """What a page needs of a stored list and of its run, in the order of the query."""

    public_id: UUID
    computed_at: datetime
    ruled_out: dict[str, int]
    partner_ids: bytes
    scores: bytes
    parts: bytes
    confidences: bytes
    adjustments: bytes
    propensities: bytes
    run__part_codes: list[str]
    run__base_hundredths: int


def _lists(side: str) -> QuerySet[Any, Any]:
    return RecommendationList.objects.filter(side=side).values_list(
        *(column.name for column in fields(_StoredRow))
    )


def _current(side: Side) -> Prepared:
    rows = _lists(side.value).filter(superseded_at__isnull=True)
    return Prepared(lambda ids: rows.filter(subject_id__in=ids))


_CURRENT = {side: _current(side) for side in Side}


def _behind(stored: _List, asked: _Asked) -> _List:
    """Return what follows a full stored list: everybody who is not on it, with the places counted on.

    The cursor stays pinned to the stored list, so whoever left or joined the market shifts no place on it.
    """
    more = _computed(asked, without_ids=stored.entries.partner_ids)
    return stored if more is None else replace(more, list_id=stored.list_id, places_before=LIST_LENGTH)


def _of_row(row: _StoredRow) -> _List:
    return _List(
        unpack(row),
        row.run__part_codes,
        row.run__base_hundredths,
        row.computed_at,
        "stored",
        str(row.public_id),
        row.ruled_out,
    )


def _computed(asked: _Asked, without_ids: NDArray[np.int64] | None = None) -> _List | None:
    """Return the subject's best partners by the engine's exact retrieval, None before its first run.

    Also None where the market of this process is still being read when the budget is used up.
    """
    side = asked.side
    market = market_within(PLAIN_BUDGET_SECONDS if asked.is_plain else BUDGET_SECONDS)
    if market is None or market.side(side).parties.rows_of([asked.subject.pk])[0] < 0:
        return None
    lists = recommend(
        market.model,
        *_sides(market, asked),
        exclusions_for(side, [asked.subject.pk]),
        side=Side(side),
        subjects=[asked.subject.pk],
        k=min(asked.wanted, MOST_RANKS),
        allowed=_allowed(market, asked),
        without_ids=without_ids,
        crowding=market.crowding,
        by_score_alone=not asked.is_personalised,
    )
    entries = unpack(pack_all(lists)[0])
    base = int(np.rint(lists.base * 100))
    return _List(entries, lists.part_codes, base, timezone.now(), "computed", None, lists.reasons(0))


def _sides(market: Market, asked: _Asked) -> tuple[Encoded, Encoded]:
    """Return stalls and anchors as they rank for the asker."""
    if asked.is_personalised:
        return market.stalls, market.anchors
    own, others = market.side(asked.side), market.side(Side(asked.side).other.value)
    row = int(own.parties.rows_of([asked.subject.pk])[0])
    asker, partners = neutral_asker(market.model, own, row), neutral_partners(market.model, others)
    return (asker, partners) if asked.side == "stall" else (partners, asker)


def _allowed(market: Market, asked: _Asked) -> NDArray[np.bool_] | None:
    if not asked.filters.given():
        return None
    partners = market.side(Side(asked.side).other.value).parties
    kept = mask(asked.filters, partners, market.model.vocabulary)
    if asked.side == "anchor" and (asked.filters.zone is not None or asked.filters.floor is not None):
        kept &= np.isin(partners.ids, _ids_at(asked.filters))
    return kept


def _ids_at(filters: Filters) -> list[int]:
    """Return the stalls of a zone and floor; the engine does not know places."""
    rows = Stall.objects.filter(archived_at__isnull=True)
    if filters.zone is not None:
        rows = rows.filter(zone__code=filters.zone)
    if filters.floor is not None:
        rows = rows.filter(floor=filters.floor)
    return list(rows.values_list("pk", flat=True))


# --- pages -------------------------------------------------------------------------------------------


def _page(found: _List, asked: _Asked) -> SuggestionPage:
    start = asked.at - found.places_before
    subject = Subject.of(asked.side, asked.subject.pk)
    codes, partners = _looked_at(subject, found.entries.partner_ids[start:], asked)
    places = np.flatnonzero(codes == 0)[: asked.page_size].tolist()
    # Ids ruled out meanwhile are passed over, so the next page begins behind the last one looked at.
    looked_at = places[-1] + 1 if len(places) == asked.page_size else len(codes)
    ids = found.entries.partner_ids[start:].tolist()
    items = [_suggestion(found, start + place, asked, partners[ids[place]]) for place in places]
    return SuggestionPage(
        items=items,
        next_cursor=_next_cursor(found, asked, start + looked_at),
        computed_at=found.computed_at,
        source=found.source,
        list_id=found.list_id,
        why_none={} if items or asked.at else _why_none(found, codes),
        is_personalised=asked.is_personalised,
        own_reasons=subject.own_rules(),
    )


def _looked_at(
    subject: Subject, ids: NDArray[np.int64], asked: _Asked
) -> tuple[NDArray[np.uint8], dict[int, Party]]:
    """Return the rule against each of the first ids, as many as the page takes, and the partners read.

    A page reads few more partners than it shows, and more only where too many were ruled out meanwhile.
    """
    step = asked.page_size + SPARE
    codes = np.zeros(0, dtype=np.uint8)
    partners: dict[int, Party] = {}
    while len(codes) < len(ids) and np.count_nonzero(codes == 0) < asked.page_size:
        part = ids[len(codes) : len(codes) + step]
        fresh = subject.against(part.tolist())
        left_out = (fresh.codes == 0) & np.isin(part, list(asked.exclude))
        codes = np.append(codes, np.where(left_out, Rule.FILTERED, fresh.codes).astype(np.uint8))
        partners |= fresh.partners
    return codes, partners


def _next_cursor(found: _List, asked: _Asked, looked_at: int) -> str | None:
    """Return the cursor behind the entries looked at; None where nobody can follow."""
    length = len(found.entries.partner_ids)
    is_full = found.source == "stored" and length == LIST_LENGTH
    at = found.places_before + looked_at
    if at >= MOST_RANKS or (looked_at >= length and not is_full):
        return None
    place = {"at": at, "list": found.list_id, "for": asked.key}
    return signing.dumps(place, salt=SALT, compress=True)


def _why_none(found: _List, codes: NDArray[np.uint8]) -> dict[str, int]:
    """Return what ruled out whom: when the list was made, and of those on it since."""
    counts = Counter(found.ruled_out)
    counts.update(Rule(code).code for code in codes[codes > 0].tolist())
    return dict(counts) or {NO_PARTNERS: 0}


def _suggestion(found: _List, place: int, asked: _Asked, partner: Party) -> Suggestion:
    entries = found.entries
    base, score, points = whole_points(
        found.base_hundredths / 100, int(entries.scores[place]) / 100, entries.parts[place]
    )
    stall, anchor = (asked.subject, partner) if asked.side == "stall" else (partner, asked.subject)
    told = [
        describe(code, value, stall, anchor)  # type: ignore[arg-type]
        for code, value in sorted(zip(found.part_codes, points, strict=True), key=lambda part: -abs(part[1]))
        if value
    ]
    moved = [
        describe_adjustment(code, value)
        for code, value in zip(ADJUSTMENTS, entries.adjustments[place].tolist(), strict=True)
        if value
    ]
    confidence = round(int(entries.confidences[place]) / 255, 2)
    return Suggestion(found.places_before + place + 1, partner, score, base, told, moved, confidence)


# --- cursors -----------------------------------------------------------------------------------------


def _with_cursor(asked: _Asked, cursor: str) -> _Asked:
    if not cursor:
        return asked
    try:
        place: dict[str, Any] = signing.loads(cursor, salt=SALT)
    except signing.BadSignature as error:
        raise _bad_cursor() from error
    if place["for"] != asked.key:
        raise _bad_cursor()
    return replace(asked, at=place["at"], list_id=place["list"])


def _bad_cursor() -> InvalidInput:
    message = _("Use the `next` address of the answer as it is, with the same filters.")
    return InvalidInput(code="bad_cursor", fields={"cursor": [message]})
