"""Pages of suggestions: the stored list or exact retrieval, always masked as of now (layer: selectors).

A cursor is pinned to the list it came from, so a list that is replaced meanwhile never mixes with the new.
Whatever the source, every partner shown has just passed the hard rules against fresh rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.core import signing
from django.utils import timezone
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from accounts.models import Anchor, Stall
from matching.engine.candidates import ruled_out
from matching.engine.explain import whole_points
from matching.engine.pipeline import recommend
from matching.engine.types import Side
from matching.filters import Filters, mask
from matching.models import EngineRun, RecommendationList
from matching.packing import ListEntries, pack, unpack
from matching.reasons import describe
from matching.snapshot import parties_for_pairs
from matching.snapshot.market import Market, exclusions_for, market_within
from matchmaker.core.errors import DomainError, InvalidInput

Party = Stall | Anchor
MODELS: dict[str, type[Party]] = {"stall": Stall, "anchor": Anchor}
SALT = "matching.cursor"
MOST_RANKS = 500
# A list that must be computed for the asker may take this long; then the next best source answers.
BUDGET_SECONDS = 1.5


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


def suggestions_for(
    *,
    side: str,
    subject: Party,
    filters: Filters | None = None,
    exclude: Collection[int] = (),
    cursor: str = "",
    page_size: int = 20,
) -> SuggestionPage:
    """Return one page of partners for `subject`, best first, without the partner ids in `exclude`.

    Raises InvalidInput for a cursor that is not ours and ListGone for one whose list is no longer kept.
    """
    filters = filters or Filters()
    place = _read_cursor(cursor, side, subject, filters)
    found = _stored(side, subject, place.get("list")) if _is_plain(filters) else None
    if found is None or place["at"] >= len(found.entries.partner_ids) == 50:
        found = _computed(side, subject, filters, place["at"] + page_size + len(exclude) + 1) or found
    if found is None:
        return SuggestionPage([], None, None, "pending", None)
    return _page(found, side, subject, filters, exclude, place["at"], page_size)


def _is_plain(filters: Filters) -> bool:
    return not filters.given()


# --- sources -----------------------------------------------------------------------------------------


def _stored(side: str, subject: Party, list_id: str | None) -> _List | None:
    rows = RecommendationList.objects.select_related("run").defer("run__model", "run__details")
    rows = rows.filter(side=side, subject_id=subject.pk)
    row = rows.filter(public_id=list_id) if list_id else rows.filter(superseded_at__isnull=True)
    found = row.first()
    if found is None and list_id:
        raise ListGone(_("This list was replaced. Start again without a cursor."))
    return None if found is None else _of_row(found)


def _of_row(row: RecommendationList) -> _List:
    entries = unpack(
        partner_ids=bytes(row.partner_ids),
        scores=bytes(row.scores),
        parts=bytes(row.parts),
        confidences=bytes(row.confidences),
    )
    run: EngineRun = row.run
    return _List(
        entries,
        run.part_codes,
        run.base_hundredths,
        row.computed_at,
        "stored",
        str(row.public_id),
        row.ruled_out,
    )


def _computed(side: str, subject: Party, filters: Filters, wanted: int) -> _List | None:
    """Return the subject's best partners by the engine's exact retrieval, None before its first run.

    Also None where the market of this process is still being read after `BUDGET_SECONDS`.
    """
    market = market_within(BUDGET_SECONDS)
    if market is None or market.side(side).parties.rows_of([subject.pk])[0] < 0:
        return None
    lists = recommend(
        market.model,
        market.stalls,
        market.anchors,
        exclusions_for(side, [subject.pk]),
        side=Side(side),
        subjects=[subject.pk],
        k=min(wanted, MOST_RANKS),
        allowed=_allowed(market, side, filters),
    )
    packed = pack(lists, 0)
    entries = unpack(
        partner_ids=packed.partner_ids,
        scores=packed.scores,
        parts=packed.parts,
        confidences=packed.confidences,
    )
    base = int(np.rint(lists.base * 100))
    return _List(entries, lists.part_codes, base, timezone.now(), "computed", None, lists.reasons(0))


def _allowed(market: Market, side: str, filters: Filters) -> NDArray[np.bool_] | None:
    if _is_plain(filters):
        return None
    partners = market.side(Side(side).other.value).parties
    kept = mask(filters, partners, market.model.vocabulary)
    if side == "anchor" and (filters.zone is not None or filters.floor is not None):
        kept &= np.isin(partners.ids, _ids_at(filters))
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


def _page(
    found: _List,
    side: str,
    subject: Party,
    filters: Filters,
    exclude: Collection[int],
    at: int,
    page_size: int,
) -> SuggestionPage:
    ids = found.entries.partner_ids[at:]
    shown = _eligible_now(side, subject, ids) & ~np.isin(ids, list(exclude))
    places = np.flatnonzero(shown)[:page_size]
    partners = _partners(side, ids[places])
    items = [
        _suggestion(found, at + int(place), side, subject, partners[int(ids[place])]) for place in places
    ]
    # Ids ruled out meanwhile are passed over, so the next page begins behind the last one looked at.
    behind = at + (int(places[-1]) + 1 if len(places) == page_size else len(ids))
    may_have_more = behind < len(found.entries.partner_ids) or (found.source == "stored" and behind == 50)
    more = (
        _write_cursor(found, side, subject, filters, behind)
        if may_have_more and behind < MOST_RANKS
        else None
    )
    return SuggestionPage(
        items=items,
        next_cursor=more,
        computed_at=found.computed_at,
        source=found.source,
        list_id=found.list_id,
        why_none={} if items or at else found.ruled_out,
    )


def _eligible_now(side: str, subject: Party, partner_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which partners pass every hard rule with `subject` as the rows are now."""
    if not len(partner_ids):
        return np.zeros(0, dtype=np.bool_)
    ids = sorted(partner_ids.tolist())
    pair = ([subject.pk], ids) if side == "stall" else (ids, [subject.pk])
    stalls, anchors, exclusions = parties_for_pairs(*pair)
    codes = ruled_out(stalls, anchors, exclusions, subject=Side(side)).ravel()
    others = anchors if side == "stall" else stalls
    return np.isin(partner_ids, others.ids[codes == 0])


def _partners(side: str, ids: NDArray[np.int64]) -> dict[int, Party]:
    model = MODELS[Side(side).other.value]
    rows: dict[int, Party] = model.objects.in_bulk(ids.tolist())  # type: ignore[attr-defined]
    return rows


def _suggestion(found: _List, place: int, side: str, subject: Party, partner: Party) -> Suggestion:
    entries = found.entries
    base, score, points = whole_points(
        found.base_hundredths / 100, int(entries.scores[place]) / 100, entries.parts[place]
    )
    stall, anchor = (subject, partner) if side == "stall" else (partner, subject)
    told = [
        describe(code, value, stall, anchor)  # type: ignore[arg-type]
        for code, value in sorted(zip(found.part_codes, points, strict=True), key=lambda part: -abs(part[1]))
        if value
    ]
    confidence = round(int(entries.confidences[place]) / 255, 2)
    return Suggestion(place + 1, partner, score, base, told, confidence)


# --- cursors -----------------------------------------------------------------------------------------


def _key(side: str, subject: Party, filters: Filters) -> str:
    return f"{side}:{subject.public_id}:{sorted(filters.given().items())}"


def _write_cursor(found: _List, side: str, subject: Party, filters: Filters, at: int) -> str:
    place = {"at": at, "list": found.list_id, "for": _key(side, subject, filters)}
    return signing.dumps(place, salt=SALT, compress=True)


def _read_cursor(cursor: str, side: str, subject: Party, filters: Filters) -> dict[str, Any]:
    if not cursor:
        return {"at": 0}
    try:
        place: dict[str, Any] = signing.loads(cursor, salt=SALT)
    except signing.BadSignature as error:
        raise _bad_cursor() from error
    if place["for"] != _key(side, subject, filters):
        raise _bad_cursor()
    return place


def _bad_cursor() -> InvalidInput:
    message = _("Use the `next` address of the answer as it is, with the same filters.")
    return InvalidInput(code="bad_cursor", fields={"cursor": [message]})
