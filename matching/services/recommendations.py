"""Computing and storing lists: one party, the partners it touches, or everybody (layer: services).

The new list replaces the old in one transaction, so a reader sees one or the other. What a concurrent change
makes old again is computed again by the job which that change wrote.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone
from numpy.typing import NDArray

from accounts.models import Stall
from jobs.models import Job, JobState
from jobs.services import enqueue
from matching.engine.candidates import ruled_out
from matching.engine.config import Config
from matching.engine.pairs import mutual_scores
from matching.engine.pipeline import recommend, run_fingerprint
from matching.engine.types import Recommendations, Side, rows_of
from matching.models import EngineRun, RecommendationList
from matching.packing import IDS, LIST_LENGTH, PackedList, pack
from matching.snapshot.learned import fit_market
from matching.snapshot.market import (
    Market,
    adopt_market,
    changed_ids,
    current_market,
    exclusions_for,
    keep_market,
    market_of,
    pack_model,
    read_snapshot,
    read_versions,
)

QUEUE = "compute"
SEED = 621
BLOCK = 1_000
REMATCH_ABOVE = 200
_STORE_TRIES = 3

Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


# --- asking for work ---------------------------------------------------------------------------------


def request_refresh(*, side: str, ids: Sequence[int], actor: Any = None) -> list[Job]:
    """Write the jobs that bring these parties' lists up to date; one rematch when they are many."""
    if len(ids) > REMATCH_ABOVE:
        return [request_rematch(actor=actor)]
    return [_request_party(side, party_id, actor) for party_id in sorted(set(ids))]


def _request_party(side: str, party_id: int, actor: Any) -> Job:
    return enqueue(
        kind="matching.refresh_party",
        key=f"refresh:{side}:{party_id}",
        args={"side": side, "party_id": party_id},
        queue=QUEUE,
        requested_by=actor,
    )


def request_refresh_between(*, merchant_id: int, anchor_id: int) -> Job:
    """Write the one job that brings the lists of an anchor and of all stalls of a merchant up to date."""
    return enqueue(
        kind="matching.refresh_between",
        key=f"between:{merchant_id}:{anchor_id}",
        args={"merchant_id": merchant_id, "anchor_id": anchor_id},
        queue=QUEUE,
    )


def request_rematch(*, actor: Any = None) -> Job:
    """Write the job that computes everybody's lists anew."""
    return enqueue(kind="matching.rematch", key="rematch", args={}, queue=QUEUE, requested_by=actor)


def running_rematch() -> Job | None:
    """Return the rematch that a worker is at, to be watched instead of asking for a second beside it.

    Only for who has changed nothing: it ends with jobs for what changed since it began, but may be past that.
    """
    return Job.objects.filter(dedupe_key="rematch", state=JobState.RUNNING).order_by("pk").last()


# --- one party ---------------------------------------------------------------------------------------


def refresh_party(*, side: str, party_id: int) -> dict[str, Any]:
    """Compute and store the list of one party, and write the job that patches its partners' lists."""
    market = current_market({side: [party_id]})
    if market is None or _has_outgrown(market):
        return rematch_everybody()
    lists = _recommend(market, side, [party_id])
    with transaction.atomic():
        stored = store_lists(market=market, lists=lists)
        enqueue(
            kind="matching.patch_partners",
            key=f"patch:{side}:{party_id}",
            args={"side": side, "party_id": party_id},
            queue=QUEUE,
        )
    return {"stored": stored, "candidates": int(lists.reasons_counts[0, 0]) if len(lists) else 0}


def _has_outgrown(market: Market) -> bool:
    """Whether the market is twice as large as the one that its model was fitted on."""
    return len(market.stalls) + len(market.anchors) > 2 * max(market.run.parties_fitted, 10)


def _recommend(
    market: Market, side: str, ids: Sequence[int], progress: Progress | None = None
) -> Recommendations:
    return recommend(
        market.model,
        market.stalls,
        market.anchors,
        exclusions_for(side, ids),
        side=Side(side),
        subjects=np.asarray(sorted(ids), dtype=np.int64),
        k=LIST_LENGTH,
        progress=progress,
    )


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
        for block in _chunks([pk for pk in sorted(ids) if market.holds(side, pk)], BLOCK):
            stored += store_lists(market=market, lists=_recommend(market, side, block))
    return {"stored": stored}


def patch_partners(*, changed: Mapping[str, Sequence[int]], progress: Progress = _silent) -> dict[str, Any]:
    """Compute anew the lists that hold a changed party (ids by side) or that it now belongs in."""
    market = current_market(changed)
    if market is None:
        return {"stored": 0}
    touched = {
        Side(side).other.value: touched_partners(market, side, ids) for side, ids in changed.items() if ids
    }
    total, done, stored = sum(map(len, touched.values())), 0, 0
    for other, ids in touched.items():
        for block in _chunks(ids, BLOCK):
            stored += store_lists(market=market, lists=_recommend(market, other, block))
            done += len(block)
            progress(done, total)
    return {"touched": total, "stored": stored}


def touched_partners(market: Market, side: str, party_ids: Sequence[int]) -> list[int]:
    """Return whose list holds one of the parties, or has a last place that one beats, or has room for one."""
    lists = RecommendationList.objects.filter(side=Side(side).other.value, superseded_at__isnull=True)
    rows = list(lists.order_by("subject_id").values_list("subject_id", "floor_hundredths", "partner_ids"))
    subjects = np.asarray([row[0] for row in rows], dtype=np.int64)
    floors = np.asarray([max(row[1], 0) for row in rows], dtype=np.int64)
    touched = [_holders(subjects, [bytes(row[2]) for row in rows], party_ids)]
    for party_id in party_ids:
        ids, scores = _scores_against(market, side, party_id)
        at = rows_of(subjects, ids)
        touched.append(ids[(at < 0) | (scores >= np.append(floors, 0)[at])])
    found: list[int] = np.unique(np.concatenate(touched)).tolist()
    return found


def _holders(
    subjects: NDArray[np.int64], blobs: Sequence[bytes], party_ids: Sequence[int]
) -> NDArray[np.int64]:
    """Return the subjects whose packed partners hold one of the parties."""
    held = np.isin(np.frombuffer(b"".join(blobs), dtype=IDS), np.asarray(party_ids, dtype=np.int64))
    lengths = [len(blob) // np.dtype(IDS).itemsize for blob in blobs]
    return np.repeat(subjects, lengths)[held]


def _scores_against(market: Market, side: str, party_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the candidates of the party on the other side, ids ascending, and its scores (hundredths)."""
    own, others = market.side(side), market.side(Side(side).other.value)
    row = own.parties.rows_of([party_id])
    if row[0] < 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    me = own.parties.take(row)
    pair = (me, others.parties) if side == "stall" else (others.parties, me)
    codes = ruled_out(*pair, exclusions_for(side, [party_id]), subject=Side(side).other)
    fit_rows = np.flatnonzero(codes.ravel() == 0)
    mine = np.full(len(fit_rows), row[0], dtype=np.int64)
    rows, columns = (mine, fit_rows) if side == "stall" else (fit_rows, mine)
    points = mutual_scores(market.model, market.stalls, market.anchors, rows, columns) * 100
    return others.parties.ids[fit_rows], np.rint(points * 100).astype(np.int64)


# --- everybody ---------------------------------------------------------------------------------------


def rematch_everybody(*, progress: Progress = _silent) -> dict[str, Any]:
    """Fit the engine on the market as it is and store everybody's list; the new run then counts."""
    snapshot, versions = read_snapshot()
    model, learned = fit_market(snapshot, Config(), seed=SEED)
    fingerprint = run_fingerprint(model, snapshot.as_of)
    run = EngineRun.objects.create(
        fingerprint=fingerprint["digest"],
        model=pack_model(model),
        learned=learned,
        parties_fitted=len(snapshot.stalls) + len(snapshot.anchors),
        details=fingerprint | {"settings": asdict(model.config)},
    )
    market = market_of(run, model, snapshot, versions)
    stored, checksum = _store_everybody(market, progress)
    keep_market(market)
    run.checksum, run.finished_at = checksum, timezone.now()
    run.save(update_fields=["checksum", "finished_at", "updated_at", "part_codes", "base_hundredths"])
    adopt_market(market)
    _request_changed_since(market)
    return {"run": run.pk, "stored": stored, "checksum": checksum}


def _store_everybody(market: Market, progress: Progress) -> tuple[int, str]:
    """Store all lists of both sides block by block; return how many changed, and a digest of their bytes."""
    total = len(market.stalls) + len(market.anchors)
    done = stored = 0
    digest = hashlib.sha256()
    for side in ("stall", "anchor"):
        ids = market.side(side).parties.ids
        for start in range(0, len(ids), BLOCK):
            lists = _recommend(market, side, ids[start : start + BLOCK].tolist())
            stored += store_lists(market=market, lists=lists)
            digest.update(lists.partner_ids.tobytes() + lists.parts.tobytes())
            done += len(lists)
            progress(done, total)
    return stored, digest.hexdigest()


def _request_changed_since(market: Market) -> None:
    """Write jobs for the parties that changed while everybody's lists were computed."""
    for side in ("stall", "anchor"):
        changed = changed_ids(market.versions[side], read_versions(side)).tolist()
        if changed:
            with transaction.atomic():
                request_refresh(side=side, ids=changed)


# --- storing -----------------------------------------------------------------------------------------


def store_lists(*, market: Market, lists: Recommendations) -> int:
    """Replace the current lists of these subjects where they differ; return how many were replaced.

    A list that was computed from a newer version of its subject or of the partners is left alone: two
    workers may finish in another order than they began.
    """
    _describe_run(market.run, lists)
    for _ in range(_STORE_TRIES - 1):
        try:
            with transaction.atomic():
                return _store_once(market, lists)
        except (IntegrityError, OperationalError):
            continue  # another worker stored some of these lists in the same moment: compare again
    with transaction.atomic():
        return _store_once(market, lists)


def _describe_run(run: EngineRun, lists: Recommendations) -> None:
    """Note what reads the packed parts, once per run."""
    if not run.part_codes:
        run.part_codes = list(lists.part_codes)
        run.base_hundredths = int(np.rint(lists.base * 100))
        run.save(update_fields=["part_codes", "base_hundredths", "updated_at"])


def _store_once(market: Market, lists: Recommendations) -> int:
    side, now = lists.side.value, timezone.now()
    versions, seen = market.version_of(side, lists.subject_ids), market.partners_version(side)
    held = _current_lists(side, lists.subject_ids)
    alike = _runs_read_alike(market.run)
    outdated: list[int] = []
    confirmed: list[int] = []
    torn: list[int] = []
    fresh: list[RecommendationList] = []
    for row, version in enumerate(versions.tolist()):
        packed, old = pack(lists, row), held.get(int(lists.subject_ids[row]))
        if old is not None:
            if _is_newer(old, market.run, version, seen):
                continue
            if _is_same(old, packed, version, alike):
                confirmed.append(old.pk)
                continue
            outdated.append(old.pk)
            if old.subject_version < version and old.partners_version > seen:
                torn.append(old.subject_id)
        fresh.append(
            RecommendationList(
                side=side,
                subject_id=int(lists.subject_ids[row]),
                subject_version=version,
                partners_version=seen,
                run=market.run,
                computed_at=now,
                ruled_out=lists.reasons(row),
                **asdict(packed),
            )
        )
    _change(outdated, superseded_at=now)
    _change(confirmed, partners_version=seen)
    RecommendationList.objects.bulk_create(fresh, batch_size=500)
    # Another machine knew newer partners and an older subject: neither list knows all, so a third is due.
    request_refresh(side=side, ids=torn)
    return len(fresh)


def _is_newer(old: RecommendationList, run: EngineRun, version: int, seen: int) -> bool:
    """Whether the stored list knows more than one of this run, subject version and partners' version.

    A later run replaces it all the same: it ends with jobs for whatever changed since it read the market.
    """
    if old.subject_version != version:
        return old.subject_version > version
    return old.partners_version > seen and old.run_id >= run.pk


def _runs_read_alike(run: EngineRun) -> set[int]:
    """Return the runs whose packed lists read as those of `run`: same parts, same base."""
    return set(
        EngineRun.objects.filter(part_codes=run.part_codes, base_hundredths=run.base_hundredths).values_list(
            "pk", flat=True
        )
    )


def _current_lists(side: str, subject_ids: NDArray[np.int64]) -> dict[int, RecommendationList]:
    current = RecommendationList.objects.filter(side=side, superseded_at__isnull=True)
    found: dict[int, RecommendationList] = {}
    for chunk in _chunks(subject_ids.tolist()):
        found |= {row.subject_id: row for row in current.filter(subject_id__in=chunk)}
    return found


def _change(ids: Sequence[int], **columns: Any) -> None:
    for chunk in _chunks(ids):
        RecommendationList.objects.filter(pk__in=chunk).update(**columns)


def _chunks(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _is_same(old: RecommendationList, packed: PackedList, version: int, alike: set[int]) -> bool:
    return (
        old.subject_version == version
        and old.run_id in alike
        and bytes(old.partner_ids) == packed.partner_ids
        and bytes(old.scores) == packed.scores
        and bytes(old.parts) == packed.parts
        and bytes(old.confidences) == packed.confidences
    )


def forget_superseded_lists(*, hours: int = 24) -> int:
    """Delete lists that were replaced longer ago than any cursor is kept; return how many."""
    before = timezone.now() - timedelta(hours=hours)
    return RecommendationList.objects.filter(superseded_at__lt=before).delete()[0]
