"""The scores that a stored list showed (layer: selectors)."""

import uuid

import numpy as np

from matching.models import RecommendationList
from matching.packing import IDS, SCORES


def scores_in(row: RecommendationList) -> dict[int, tuple[int, int]]:
    """Return partner id -> (rank from 1, score in hundredths) of one stored list."""
    partners = np.frombuffer(bytes(row.partner_ids), dtype=IDS).tolist()
    scores = np.frombuffer(bytes(row.scores), dtype=SCORES).tolist()
    ranked = zip(partners, scores, strict=True)
    return {partner: (rank, score) for rank, (partner, score) in enumerate(ranked, start=1)}


def stored_score(side: str, stall_id: int, anchor_id: int) -> int | None:
    """Return the score in hundredths that the current list of `side` shows for the pair, None without."""
    subject_id, partner_id = (stall_id, anchor_id) if side == "stall" else (anchor_id, stall_id)
    current = RecommendationList.objects.filter(side=side, subject_id=subject_id, superseded_at__isnull=True)
    row = current.only("partner_ids", "scores").first()
    return scores_in(row).get(partner_id, (0, None))[1] if row else None


def list_of(side: str, subject_id: int, public_id: uuid.UUID) -> RecommendationList | None:
    """Return that list of the subject, superseded or not, None if it never was or is long gone."""
    return RecommendationList.objects.filter(side=side, subject_id=subject_id, public_id=public_id).first()
