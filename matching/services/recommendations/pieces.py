"""A re-match cut into pieces that any number of workers and machines take one by one (layer: services).

The rows are all that workers share: the market as it was read (`market`), the candidates of each block of
subjects (`pools`) and word of the lists made of them (`lists`). What a piece gives depends on nothing else,
so it is the same bytes whoever does it, and whoever does it again after a killed worker.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Q
from django.utils import timezone
from numpy.typing import NDArray

from jobs.services import enqueue, lease
from matching.engine.pipeline import lists_of, pool
from matching.engine.rerank import Pool
from matching.engine.types import Exclusions, Side
from matching.models import EngineRun, PartStage, RunPart
from matching.packing import LIST_LENGTH
from matching.services.recommendations.asking import QUEUE
from matching.services.recommendations.storing import stage_lists
from matching.snapshot import kept
from matching.snapshot.market import Market, load_crowding, market_from, unpack_model
from matchmaker.core import clock
from matchmaker.core.weeks import town_today

# A worker takes seconds for a piece, a slow machine a minute; a killed one's is taken after so many leases.
_LEASES = 4
# Fewer pieces are done sooner than anybody is woken.
_LEAST_TO_SHARE = 4
HELP_KIND = "matching.help_rematch"


@dataclass(frozen=True)
class Plan:
    """What every piece of a run is computed from."""

    market: Market
    exclusions: Exclusions


_lock = threading.Lock()
_held: Plan | None = None


def hold(plan: Plan | None) -> None:
    """Keep the plan for the pieces that this process will do (None: forget it)."""
    global _held
    with _lock:
        _held = plan


def _let_go(run_id: int) -> None:
    """Forget the plan of a run that is over: it is as large as the market."""
    global _held
    with _lock:
        if _held is not None and _held.market.run.pk == run_id:
            _held = None


def plan_of(run: EngineRun) -> Plan:
    """Return what the pieces of `run` are computed from: held by this process, else read from its rows."""
    with _lock:
        if _held is not None and _held.market.run.pk == run.pk:
            return _held
    plan = _read_plan(run)
    hold(plan)
    return plan


# --- the market of a run, for other machines ---------------------------------------------------------


def share_market(plan: Plan) -> None:
    """Store the encoded market, without words, and the excluded pairs: one row a side."""
    for side in Side:
        encoded = plan.market.side(side)
        arrays = kept.arrays_of(encoded, plan.market.versions[side][1])
        if side is Side.STALL:
            out = plan.exclusions
            arrays |= {
                "out.stall_ids": out.stall_ids,
                "out.anchor_ids": out.anchor_ids,
                "out.codes": out.codes,
            }
        RunPart.objects.create(
            run=plan.market.run,
            stage=PartStage.MARKET,
            side=side,
            start=0,
            stop=len(encoded),
            data=kept.packed(arrays),
            finished_at=timezone.now(),
        )


def _read_plan(run: EngineRun) -> Plan:
    model = unpack_model(bytes(run.model))
    sides: dict[str, Any] = {}
    out: Mapping[str, NDArray[Any]] = {}
    for part in RunPart.objects.filter(run=run, stage=PartStage.MARKET).order_by("side"):
        arrays = kept.unpacked(bytes(part.data))
        sides[part.side] = kept.side_of(arrays, model)
        if part.side == Side.STALL:
            out = arrays
    exclusions = Exclusions(out["out.stall_ids"], out["out.anchor_ids"], out["out.codes"])
    return Plan(market_from(run, model, sides, town_today()), exclusions)


# --- taking pieces -----------------------------------------------------------------------------------


def cut(plan: Plan, stage: PartStage) -> int:
    """Write the open pieces of a stage, a block of subjects each; return how many subjects they hold."""
    size = settings.REMATCH_PIECE
    parts = [
        RunPart(
            run=plan.market.run,
            stage=stage,
            side=side,
            start=start,
            stop=min(start + size, len(plan.market.side(side))),
        )
        for side in Side
        for start in range(0, len(plan.market.side(side)), size)
    ]
    RunPart.objects.bulk_create(parts)
    if len(parts) >= _LEAST_TO_SHARE:
        for number in range(settings.REMATCH_HELPERS):
            _ask_for_help(plan.market.run.pk, number)
    return sum(part.stop - part.start for part in parts)


def _ask_for_help(run_id: int, number: int) -> None:
    key = f"help:{run_id}:{number}"
    enqueue(kind=HELP_KIND, key=key, args={"run_id": run_id, "number": number}, queue=QUEUE)


def help_rematch(*, run_id: int, number: int) -> dict[str, Any]:
    """Do one open piece of a re-match that another worker leads, and ask for more while there are any.

    One at a time, so that a save which comes meanwhile waits for one piece and not for all.
    """
    run = EngineRun.objects.filter(pk=run_id, finished_at__isnull=True).first()
    if run is None:
        _let_go(run_id)
        return {"done": 0}
    part = take(run)
    if part is None:
        return {"done": 0}
    do(plan_of(run), part)
    _ask_for_help(run_id, number)
    return {"done": part.stop - part.start}


def take(run: EngineRun) -> RunPart | None:
    """Take the first piece that nobody has done or is at; None when there is none."""
    now = clock.now()
    is_free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    pieces = RunPart.objects.filter(is_free, run=run, finished_at__isnull=True).defer("data")
    for part in pieces.order_by("pk"):
        # Of several workers the one whose UPDATE finds the row as it was has it.
        if RunPart.objects.filter(is_free, pk=part.pk, finished_at__isnull=True).update(
            lease_until=now + _LEASES * lease()
        ):
            return part
    return None


def is_finished(run: EngineRun, stage: PartStage) -> bool:
    """Tell whether every piece of the stage is done."""
    return not RunPart.objects.filter(run=run, stage=stage, finished_at__isnull=True).exists()


def finished_rows(run: EngineRun, stage: PartStage) -> int:
    """Return how many subjects the finished pieces of the stage hold."""
    done = RunPart.objects.filter(run=run, stage=stage, finished_at__isnull=False)
    return sum(stop - start for start, stop in done.values_list("start", "stop"))


# --- doing pieces ------------------------------------------------------------------------------------


def do(plan: Plan, part: RunPart) -> None:
    """Compute one piece and store what it gives; done twice it gives the same."""
    if part.stage == PartStage.POOLS:
        data, result = _find_pools(plan, part), {}
    else:
        data, result = b"", _make_lists(plan, part)
    RunPart.objects.filter(pk=part.pk, finished_at__isnull=True).update(
        data=data, result=result, finished_at=clock.now()
    )


def _find_pools(plan: Plan, part: RunPart) -> bytes:
    market, side = plan.market, Side(part.side)
    found = pool(
        market.model,
        market.stalls,
        market.anchors,
        plan.exclusions,
        side=side,
        subjects=market.side(side).parties.ids[part.start : part.stop],
    )
    return kept.packed(
        {
            "partner_rows": found.partner_rows.astype(np.int32),
            "mutual": found.mutual,
            "partner_accepts": found.partner_accepts,
            "counts": found.counts,
        }
    )


def _make_lists(plan: Plan, part: RunPart) -> dict[str, Any]:
    market, side = plan.market, Side(part.side)
    lists = lists_of(
        market.model,
        market.stalls,
        market.anchors,
        _pool_of(market.run, part),
        side=side,
        subject_rows=np.arange(part.start, part.stop),
        k=LIST_LENGTH,
        crowding=_crowding_of(plan),
    )
    return stage_lists(market=market, lists=lists)


def _crowding_of(plan: Plan) -> Any:
    """Return how busy everybody is: decided between the two stages, by the worker that leads the run."""
    if plan.market.crowding is None:
        run = EngineRun.objects.get(pk=plan.market.run.pk)
        hold(Plan(plan.market.with_crowding(load_crowding(run)), plan.exclusions))
        return load_crowding(run)
    return plan.market.crowding


def _pool_of(run: EngineRun, part: RunPart) -> Pool:
    row = RunPart.objects.get(run=run, stage=PartStage.POOLS, side=part.side, start=part.start)
    return _unpacked_pool(bytes(row.data))


def pools_of(run: EngineRun, side: Side) -> Iterator[Pool]:
    """Yield the pools of a side block by block, in order of row."""
    rows = RunPart.objects.filter(run=run, stage=PartStage.POOLS, side=side).order_by("start")
    for data in rows.values_list("data", flat=True).iterator(chunk_size=4):
        yield _unpacked_pool(bytes(data))


def _unpacked_pool(data: bytes) -> Pool:
    arrays = kept.unpacked(data)
    return Pool(
        arrays["partner_rows"].astype(np.int64), arrays["mutual"], arrays["partner_accepts"], arrays["counts"]
    )
