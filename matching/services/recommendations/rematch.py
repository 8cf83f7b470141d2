"""Everybody's lists: read the market, find candidates, decide how busy all are, make lists, swap them in.

One worker leads and works with whoever helps; a leader that is killed is followed by another that begins anew
(layer: services).
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from django.db import transaction

from matching.engine.config import Config
from matching.engine.crowding import crowding_of
from matching.engine.explain import base_score
from matching.engine.pipeline import run_fingerprint
from matching.engine.scoring import PART_CODES
from matching.engine.types import Side
from matching.models import EngineRun, PartStage, RunPart
from matching.services.recommendations import pieces
from matching.services.recommendations.asking import request_refresh
from matching.services.recommendations.computing import Progress, relist, silent
from matching.services.recommendations.storing import publish_run, sum_of_digests
from matching.snapshot.learned import fit_market
from matching.snapshot.market import (
    Market,
    adopt_market,
    changed_ids,
    current_market,
    keep_market,
    market_of,
    pack_crowding,
    pack_model,
    read_snapshot,
    read_versions,
)

SEED = 621
_LOOK_AGAIN_SECONDS = 0.1


def rematch_everybody(*, progress: Progress = silent) -> dict[str, Any]:
    """Fit the engine on the market as it is and store everybody's list; the new run then counts."""
    plan = _begin()
    run = plan.market.run
    try:
        total = 2 * (len(plan.market.stalls) + len(plan.market.anchors))
        _work_through(plan, PartStage.POOLS, progress, 0, total)
        plan = _decide_market(plan)
        _work_through(plan, PartStage.LISTS, progress, total // 2, total)
        result = _publish(plan.market)
        progress(total, total)
    finally:
        pieces.hold(None)
        RunPart.objects.filter(run=run).delete()
    return {"run": run.pk, **result}


def _begin() -> pieces.Plan:
    """Read and fit the market, and write the run and what others need to take part in it."""
    snapshot, versions = read_snapshot()
    model, learned = fit_market(snapshot, Config(), seed=SEED)
    fingerprint = run_fingerprint(model, snapshot.as_of)
    run = EngineRun.objects.create(
        fingerprint=fingerprint["digest"],
        model=pack_model(model),
        learned=learned,
        parties_fitted=len(snapshot.stalls) + len(snapshot.anchors),
        part_codes=list(PART_CODES),
        base_hundredths=int(np.rint(base_score(model) * 100)),
        details=fingerprint | {"settings": asdict(model.config)},
    )
    plan = pieces.Plan(market_of(run, model, snapshot, versions), snapshot.exclusions)
    pieces.hold(plan)
    with transaction.atomic():
        pieces.share_market(plan)
    return plan


def _work_through(plan: pieces.Plan, stage: PartStage, progress: Progress, before: int, total: int) -> None:
    """Do the pieces of a stage, with whoever helps, until all are done."""
    run = plan.market.run
    with transaction.atomic():
        pieces.cut(plan, stage)
    while not pieces.is_finished(run, stage):
        part = pieces.take(run)
        if part is None:
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            pieces.do(plan, part)
        progress(before + pieces.finished_rows(run, stage), total)


def _decide_market(plan: pieces.Plan) -> pieces.Plan:
    """Find how busy everybody is when all lists are made, and store it with the run."""
    market = plan.market
    pools = {side: list(pieces.pools_of(market.run, side)) for side in Side}
    crowding = crowding_of(market.stalls, market.anchors, pools, market.model.config)
    market.run.market = pack_crowding(crowding)
    market.run.save(update_fields=["market", "updated_at"])
    decided = pieces.Plan(market.with_crowding(crowding), plan.exclusions)
    pieces.hold(decided)
    return decided


def _publish(market: Market) -> dict[str, Any]:
    """Swap the lists in, then see to what changed while they were made."""
    made = RunPart.objects.filter(run=market.run, stage=PartStage.LISTS).order_by("pk")
    results = list(made.values_list("side", "result"))
    checksum = sum_of_digests(result["digest"] for _, result in results)
    confirmed: dict[str, list[int]] = {side: [] for side in Side}
    for side, result in results:
        confirmed[side] += result["confirmed"]
    keep_market(market)
    swapped = publish_run(market=market, confirmed=confirmed, checksum=checksum)
    adopt_market(market)
    _see_to_changes(market, swapped.meanwhile)
    return {"stored": swapped.stored, "checksum": checksum}


def _see_to_changes(market: Market, meanwhile: Mapping[str, Any]) -> None:
    """Make anew what knows more than this run did: lists computed meanwhile, and parties that changed."""
    changed = {side: changed_ids(market.versions[side], read_versions(side)).tolist() for side in Side}
    rest = {side: sorted(set(ids) - set(changed[Side(side)])) for side, ids in meanwhile.items()}
    now = current_market(rest) if any(rest.values()) else None
    if now is not None:
        relist(now, rest)
    for side, ids in changed.items():
        if ids:
            with transaction.atomic():
                request_refresh(side=side, ids=ids)
