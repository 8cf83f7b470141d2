"""The scores that a stored list showed (layer: selectors)."""

import uuid
from typing import NamedTuple

from matching.models import RecommendationList
from matching.packing import unpack


class Place(NamedTuple):
    """Where a stored list shows a partner: rank from 1, score in hundredths, chance of a drawn place."""

    rank: int
    score_hundredths: int
    propensity: float


def places_in(row: RecommendationList) -> dict[int, Place]:
    """Return the place of each partner (by id) of one stored list."""
    entries = unpack(row)
    columns = (entries.partner_ids, entries.scores, entries.propensities)
    ranked = zip(*(column.tolist() for column in columns), strict=True)
    return {
        partner: Place(rank, score, chance) for rank, (partner, score, chance) in enumerate(ranked, start=1)
    }


def stored_score(side: str, stall_id: int, anchor_id: int) -> int | None:
    """Return the score in hundredths that the current list of `side` shows for the pair, None without."""
    subject_id, partner_id = (stall_id, anchor_id) if side == "stall" else (anchor_id, stall_id)
    current = RecommendationList.objects.filter(side=side, subject_id=subject_id, superseded_at__isnull=True)
    row = current.defer("ruled_out").first()
    place = places_in(row).get(partner_id) if row else None
    return None if place is None else place.score_hundredths


def list_of(side: str, subject_id: int, public_id: uuid.UUID) -> RecommendationList | None:
    """Return that list of the subject, superseded or not, None if it never was or is long gone."""
    return RecommendationList.objects.filter(side=side, subject_id=subject_id, public_id=public_id).first()
