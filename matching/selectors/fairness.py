"""Who is shown how much, and who got nothing and why, over the lists that stand (layer: selectors).

A handful of queries and numpy from there on: 5,000 stalls and 50,000 anchors take seconds.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from django.db.models import Count, F, FloatField, Sum
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from accounts.cards import tier
from accounts.models import Anchor, Stall
from matching.choices import Side
from matching.engine.candidates import RuleColumns, party_codes
from matching.engine.config import Config
from matching.engine.fairness import by_group, expected_exposure, gini
from matching.engine.types import Rule, rows_of
from matching.models import Impression, RecommendationList
from matching.packing import IDS
from matching.rules import NO_PARTNERS, REASON_TEXTS
from matching.snapshot import parties_now

# Who was shown less often than this is new to the market.
NEWCOMER_BELOW = 20
# So many parties are asked for by id; more are read all at once.
READ_BY_ID = 400
RANKED_LOW, NO_LIST = "ranked_low", "no_list"
WHY_TEXTS: dict[str, Any] = REASON_TEXTS | {
    RANKED_LOW: _("a candidate, but on nobody's list: others rank above it"),
    NO_LIST: _("its list has not been computed yet"),
}

Progress = Callable[[int, int], None]
Ids = NDArray[np.int64]


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def fairness(*, progress: Progress = _silent) -> dict[str, Any]:
    """Return the figures of both sides, ready for JSON."""
    figures = {}
    for done, side in enumerate(Side):
        progress(done, len(Side))
        figures[side.value] = _figures(side)
    progress(len(Side), len(Side))
    return figures


def _figures(side: Side) -> dict[str, Any]:
    ids, groups = _stalls() if side == Side.STALL else _anchors()
    partner_ids, lengths = _lists_of(Side.ANCHOR if side == Side.STALL else Side.STALL)
    exposure = expected_exposure(ids, partner_ids, lengths)
    times_shown, seen = _impressions(side, ids)
    why_empty = _why_empty(side, ids)
    return {
        "parties": len(ids),
        "exposure": _spread(exposure, times_shown),
        "impressions": _spread(seen, times_shown) | {"shown": int(times_shown.sum())} if seen.any() else None,
        "empty_lists": _counted(why_empty.values()),
        "on_no_list": _counted(_why_on_no_list(side, ids[exposure == 0], why_empty)),
        "groups": {
            kind: [_rounded(asdict(row)) for row in by_group(exposure, rows, codes)]
            for kind, (rows, codes) in groups.items()
        },
    }


def _spread(exposure: NDArray[np.float64], times_shown: Ids) -> dict[str, Any]:
    is_new = times_shown < NEWCOMER_BELOW
    total = float(exposure.sum())
    return {
        "gini": round(gini(exposure), 4),
        "newcomers": int(is_new.sum()),
        "newcomers_share_of_parties": round(float(is_new.mean()), 4) if len(is_new) else 0.0,
        "newcomers_share": round(float(exposure[is_new].sum()) / total, 4) if total else 0.0,
    }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _counted(codes: Any) -> dict[str, Any]:
    """Return how many, and how many for each reason, the most frequent first."""
    counts = Counter(codes)
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {"parties": counts.total(), "why": dict(ranked)}


# --- who there is ----------------------------------------------------------------------------------------

Groups = dict[str, tuple[Ids, list[str]]]


def _stalls() -> tuple[Ids, Groups]:
    rows = Stall.objects.filter(archived_at__isnull=True, merchant__archived_at__isnull=True).order_by("pk")
    table = list(rows.values_list("pk", "zone__code", "categories"))
    groups = {
        "zone": (np.arange(len(table)), [zone for _pk, zone, _codes in table]),
        "category": _categories([codes for _pk, _zone, codes in table]),
    }
    return np.array([row[0] for row in table], dtype=np.int64), groups


def _anchors() -> tuple[Ids, Groups]:
    rows = Anchor.objects.filter(archived_at__isnull=True).order_by("pk")
    table = list(rows.values_list("pk", "followers", "categories"))
    groups = {
        "tier": (np.arange(len(table)), [tier(followers)["code"] for _pk, followers, _codes in table]),
        "category": _categories([codes for _pk, _followers, codes in table]),
    }
    return np.array([row[0] for row in table], dtype=np.int64), groups


def _categories(lists: list[list[str]]) -> tuple[Ids, list[str]]:
    lengths = [len(codes) for codes in lists]
    return np.repeat(np.arange(len(lists)), lengths), [code for codes in lists for code in codes]


# --- what they got ---------------------------------------------------------------------------------------


def _current(side: Side) -> Any:
    return RecommendationList.objects.filter(side=side, superseded_at__isnull=True)


def _lists_of(side: Side) -> tuple[Ids, Ids]:
    """Return the partners on all lists of `side`, one list after the other, and the lists' lengths."""
    blobs = [
        bytes(blob) for blob in _current(side).order_by("subject_id").values_list("partner_ids", flat=True)
    ]
    lengths = np.array([len(blob) for blob in blobs], dtype=np.int64) // np.dtype(IDS).itemsize
    return np.frombuffer(b"".join(blobs), dtype=IDS).astype(np.int64), lengths


def _impressions(side: Side, ids: Ids) -> tuple[Ids, NDArray[np.float64]]:
    """Return how often each party was shown to the other side, and the sum of 1 / rank of it."""
    shown_to = Side.ANCHOR if side == Side.STALL else Side.STALL
    weight = Sum(1.0 / Cast(F("rank"), FloatField()))
    rows = Impression.objects.filter(side=shown_to, rank__gte=1).values_list(f"{side}_id")
    times, seen = np.zeros(len(ids), dtype=np.int64), np.zeros(len(ids))
    table = list(rows.annotate(times=Count("pk"), weight=weight))
    at = rows_of(ids, np.array([row[0] for row in table], dtype=np.int64))
    for row, (_pk, count, sum_of_it) in zip(at.tolist(), table, strict=True):
        if row >= 0:
            times[row], seen[row] = count, sum_of_it
    return times, seen


def _why_empty(side: Side, ids: Ids) -> dict[int, str]:
    """Return the main reason of each party whose list is empty or missing."""
    listed = np.array(list(_current(side).values_list("subject_id", flat=True)), dtype=np.int64)
    why = dict.fromkeys(ids[~np.isin(ids, listed)].tolist(), NO_LIST)
    known = set(ids.tolist())
    for party_id, counts in _current(side).filter(partner_ids=b"").values_list("subject_id", "ruled_out"):
        if party_id in known:
            why[party_id] = max(sorted(counts), key=lambda code: counts[code], default=NO_PARTNERS)
    return why


def _why_on_no_list(side: Side, ids: Ids, why_empty: dict[int, str]) -> list[str]:
    """Return why each of these parties is on nobody's list: its own state, whom it fits, or its rank."""
    if not len(ids):
        return []
    parties = parties_now(side.value, ids.tolist() if len(ids) <= READ_BY_ID else None)
    codes = party_codes(RuleColumns.of(parties, Config()), as_partner=True)
    own = dict(zip(parties.ids.tolist(), codes.tolist(), strict=True))
    return [
        Rule(own[party_id]).code if own.get(party_id) else why_empty.get(party_id, RANKED_LOW)
        for party_id in ids.tolist()
    ]
