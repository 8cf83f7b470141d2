"""The list of one party, of those whom a change touches, of a herd that changed at once (layer: services).

What a concurrent change makes old again is computed again by the job which that change wrote.
"""

import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from accounts.models import Stall
from jobs.models import Job, JobState
from matching.engine.candidates import ruled_out
from matching.engine.pipeline import pools_with
from matching.engine.types import Side, rows_of
from matching.models import DueParty, RecommendationList
from matching.packing import IDS
from matching.services.recommendations.asking import (
    DUE_KIND,
    REMATCH_ABOVE,
    request_patch,
    request_rematch,
)
from matching.services.recommendations.computing import BLOCK, Progress, recommend_for, relist, silent
from matching.services.recommendations.rematch import rematch_everybody
from matching.services.recommendations.storing import chunks, store_lists
from matching.snapshot.market import Market, current_market, exclusions_for

# So long one job goes on with those who come while it is at work.
_HERD_SECONDS = 15.0

# --- one party ---------------------------------------------------------------------------------------


def refresh_party(*, side: str, party_id: int) -> dict[str, Any]:
    """Compute and store the list of one party, and write the job that patches its partners' lists."""
    market = current_market({side: [party_id]})
    if market is None or _has_outgrown(market):
        return rematch_everybody()
    lists = recommend_for(market, side, [party_id])
    with transaction.atomic():
        stored = store_lists(market=market, lists=lists)
        request_patch({side: [party_id]})
    return {"stored": stored, "candidates": int(lists.reasons_counts[0, 0]) if len(lists) else 0}


def _has_outgrown(market: Market) -> bool:
    """Whether the market is twice as large as the one that its model was fitted on."""
    return len(market.stalls) + len(market.anchors) > 2 * max(market.run.parties_fitted, 10)


def refresh_between(*, merchant_id: int, anchor_id: int) -> dict[str, Any]:
    """Compute and store the lists of an anchor and of all stalls of a merchant, however many they are.

    Nobody else's list can hold one of the pairs between the two, so no partner is patched.
    """
    market = current_market()
    if market is None:
        return {"stored": 0}
    stall_ids = list(Stall.objects.filter(merchant_id=merchant_id).values_list("pk", flat=True))
    stored = 0
    for side, ids in (("anchor", [anchor_id]), ("stall", stall_ids)):
        for block in chunks([pk for pk in sorted(ids) if market.holds(side, pk)], BLOCK):
            stored += store_lists(market=market, lists=recommend_for(market, side, block))
    return {"stored": stored}


def patch_partners(*, changed: Mapping[str, Sequence[int]], progress: Progress = silent) -> dict[str, Any]:
    """Compute anew the lists that hold a changed party (ids by side) or that it now belongs in."""
    market = current_market(changed)
    if market is None:
        return {"stored": 0}
    touched = {
        Side(side).other.value: touched_partners(market, side, ids) for side, ids in changed.items() if ids
    }
    total, done, stored = sum(map(len, touched.values())), 0, 0
    for other, ids in touched.items():
        for block in chunks(ids, BLOCK):
            stored += store_lists(market=market, lists=recommend_for(market, other, block))
            done += len(block)
            progress(done, total)
    return {"touched": total, "stored": stored}


def touched_partners(market: Market, side: str, party_ids: Sequence[int]) -> list[int]:
    """Return whose list holds one of the parties, or has room for one, or would have one among its best.

    That takes a score among its candidates' and a value above its last place.
    """
    lists = RecommendationList.objects.filter(side=Side(side).other.value, superseded_at__isnull=True)
    columns = ("subject_id", "floor_hundredths", "pool_floor_hundredths", "partner_ids")
    rows = list(lists.order_by("subject_id").values_list(*columns))
    subjects = np.asarray([row[0] for row in rows], dtype=np.int64)
    floors = np.asarray([(max(row[1], 0), max(row[2], 0)) for row in rows], dtype=np.int64).reshape(-1, 2)
    floors = np.vstack([floors, np.zeros((1, 2), dtype=np.int64)])  # the last for whoever has no list yet
    touched = [_holders(subjects, [bytes(row[3]) for row in rows], party_ids)]
    for party_id in party_ids:
        reached = _reached_by(market, side, party_id)
        at = rows_of(subjects, reached.ids)
        is_touched = (reached.values >= floors[at, 0]) & (reached.scores >= floors[at, 1])
        touched.append(reached.ids[(at < 0) | is_touched])
    found = np.unique(np.concatenate(touched))
    # Somebody whose list was stored after the market was read is new to it, and has a job of their own.
    known: list[int] = found[market.side(Side(side).other.value).parties.rows_of(found) >= 0].tolist()
    return known


@dataclass(frozen=True)
class _Reached:
    """The candidates of a party on the other side (ids ascending), and what it is to each, in hundredths.

    A value is the score less what the party's own queue costs: what a place in a list goes by.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.int64]
    values: NDArray[np.int64]


def _holders(
    subjects: NDArray[np.int64], blobs: Sequence[bytes], party_ids: Sequence[int]
) -> NDArray[np.int64]:
    """Return the subjects whose packed partners hold one of the parties."""
    held = np.isin(np.frombuffer(b"".join(blobs), dtype=IDS), np.asarray(party_ids, dtype=np.int64))
    lengths = [len(blob) // np.dtype(IDS).itemsize for blob in blobs]
    return np.repeat(subjects, lengths)[held]


def _reached_by(market: Market, side: str, party_id: int) -> _Reached:
    own, others = market.side(side), market.side(Side(side).other.value)
    row = own.parties.rows_of([party_id])
    if row[0] < 0:
        nobody = np.empty(0, dtype=np.int64)
        return _Reached(nobody, nobody, nobody)
    me = own.parties.take(row)
    pair = (me, others.parties) if side == "stall" else (others.parties, me)
    is_open = ruled_out(*pair, exclusions_for(side, [party_id]), subject=Side(side).other).ravel() == 0
    asks = pools_with(
        market.model,
        market.stalls,
        market.anchors,
        side=Side(side).other,
        subject_rows=np.flatnonzero(is_open),
        partner_row=int(row[0]),
    )
    mutual, crowding = asks.mutual, market.crowding
    keys = mutual if crowding is None else crowding.keys(Side(side).other, asks, own.parties.ids)
    return _Reached(others.parties.ids[is_open], _hundredths(mutual), _hundredths(np.minimum(keys, mutual)))


def _hundredths(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(probabilities[:, 0] * 10_000).astype(np.int64)


# --- a herd ------------------------------------------------------------------------------------------


def refresh_due(*, batch: int, progress: Progress = silent) -> dict[str, Any]:
    """Bring the lists of all due parties up to date, then those of their partners: one job for all.

    While more come they are taken too, for some seconds. `batch` (the job's id) marks the parties taken, so
    that one which changes meanwhile is due again, and a repetition after a killed worker finds them.
    """
    until = time.monotonic() + _HERD_SECONDS
    changed: dict[str, set[int]] = {"stall": set(), "anchor": set()}
    seen, stored = set[int](), 0
    while due := _taken(batch, seen):
        seen.update(row for row, _, _ in due)
        wanted = {side: sorted({pk for _, at, pk in due if at == side}) for side in changed}
        market = current_market(wanted)
        if market is None or _has_outgrown(market):
            result = rematch_everybody(progress=progress)
            DueParty.objects.filter(batch=batch).delete()
            return result
        stored += relist(market, wanted, progress)
        for side, ids in wanted.items():
            changed[side].update(ids)
        if time.monotonic() > until:
            break
    total = _ask_for_partners(batch, changed)
    return {"due": total, "stored": stored}


def _taken(batch: int, seen: Container[int]) -> list[tuple[int, str, int]]:
    """Take all due parties; return (row, side, id) of those of the batch that were not seen, in order.

    Also those of a batch whose job has ended without them: one that failed while the next was queued. Not by
    the largest row seen: a row with a smaller number may be committed later.
    """
    working = Job.objects.filter(kind=DUE_KIND, state__in=(JobState.QUEUED, JobState.RUNNING))
    theirs = working.exclude(pk=batch).values("pk")
    DueParty.objects.exclude(batch__in=theirs).exclude(batch=batch).update(batch=batch)
    rows = DueParty.objects.filter(batch=batch).order_by("pk").values_list("pk", "side", "party_id")
    return [row for row in rows if row[0] not in seen]


def _ask_for_partners(batch: int, changed: Mapping[str, set[int]]) -> int:
    """Write the job for the partners of all that changed and let go of the batch; return its size."""
    total = sum(map(len, changed.values()))
    with transaction.atomic():
        if total > REMATCH_ABOVE:
            request_rematch()
        elif total:
            request_patch({side: sorted(ids) for side, ids in changed.items() if ids})
        DueParty.objects.filter(batch=batch).delete()
    return total
