"""How far somebody who games the engine gets, and what that costs everybody else; one JSON object.

`python -m benchmarks.shilling --stalls 300 --anchors 600` attacks some targets of a made-up town, one after
another: figures times 1,000, and 5 % fake accounts that like the target or turn its rivals away. It prints by
how many places the target's median rank rises and what share of NDCG@10 the honest lists lose, where the
best ten of the town without the attack are what is relevant.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.synthetic_town import make_town
from matching.engine.candidates import ruled_out
from matching.engine.pairs import mutual_scores
from matching.engine.pipeline import encode, fit
from matching.engine.types import Parties, Side, Snapshot

FAKES = 0.05
RIVALS = 20
SEED = 621
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """Places that the target's median rank rose, and the share of NDCG@10 that honest lists lost."""

    places: float
    ndcg_lost: float


def scores_of(town: Snapshot, honest: int | None = None) -> Scores:
    """Return [honest stalls, anchors] scores, NaN where a rule is against the pair."""
    model = fit(town, seed=SEED)
    stalls, anchors = encode(model, town.stalls), encode(model, town.anchors)
    shape = (honest or len(stalls), len(anchors))
    rows, columns = np.indices(shape).reshape(2, -1)
    scores = mutual_scores(model, stalls, anchors, rows, columns).reshape(shape)
    codes = ruled_out(town.stalls, town.anchors, town.exclusions, subject=Side.STALL)[: shape[0]]
    return np.where(codes == 0, scores, np.nan)


def times_1000(town: Snapshot, target: int) -> Snapshot:
    """The target's followers and viewers times 1,000."""
    columns = {name: getattr(town.anchors, name).copy() for name in ("followers", "average_viewers")}
    for values in columns.values():
        values[target] *= 1000
    return replace(town, anchors=replace(town.anchors, **columns))


def with_fakes(town: Snapshot, target: int, *, praised: bool) -> Snapshot:
    """5 % more stalls, copies of real ones, that all say yes to the target, or no to its rivals."""
    honest = len(town.stalls)
    number = max(1, round(FAKES * honest))
    rng = np.random.default_rng(SEED + target)
    copied = np.sort(rng.choice(honest, number, replace=False))
    fakes = town.stalls.take(copied)
    said = np.full(number, 1 if praised else RIVALS, dtype=np.int32)
    fakes = replace(
        fakes,
        ids=town.stalls.ids[-1] + 1 + np.arange(number),
        decisions_given=said,
        decisions_yes=said if praised else np.zeros_like(said),
    )
    received, yes = town.anchors.received.copy(), town.anchors.received_yes.copy()
    judged = [target] if praised else rivals_of(town.anchors, target)
    received[judged] += number
    yes[judged] += number if praised else 0
    anchors = replace(town.anchors, received=received, received_yes=yes)
    return replace(town, stalls=town.stalls.concat(fakes), anchors=anchors)


def rivals_of(anchors: Parties, target: int) -> NDArray[np.int64]:
    """The anchors that share the most categories with the target."""
    shared = (anchors.categories & anchors.categories[target]).sum(axis=1)
    shared[target] = -1
    return np.argsort(-shared, kind="stable")[:RIVALS]


ATTACKS: dict[str, Callable[[Snapshot, int], Snapshot]] = {
    "metrics_x1000": times_1000,
    "fakes_like": lambda town, target: with_fakes(town, target, praised=True),
    "fakes_reject_rivals": lambda town, target: with_fakes(town, target, praised=False),
}


def effect(clean: Scores, attacked: Scores, target: int) -> Effect:
    """What an attack changed in the honest stalls' lists."""
    return Effect(
        places=_median_rank(clean, target) - _median_rank(attacked, target),
        ndcg_lost=1.0 - _ndcg(clean, attacked),
    )


def _median_rank(scores: Scores, target: int) -> float:
    listed = scores[~np.isnan(scores[:, target])]
    return float(np.median((listed > listed[:, [target]]).sum(axis=1) + 1)) if len(listed) else np.nan


def _ndcg(clean: Scores, shown: Scores, *, k: int = 10) -> float:
    """Mean NDCG@k of the lists as shown, where the best k of the clean town are what is relevant."""
    relevant, order = _top(clean, k), _top(shown, k)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    hits = (order[:, :, None] == relevant[:, None, :]).any(axis=2) & (order >= 0)
    got, best = (hits * discounts).sum(axis=1), ((relevant >= 0) * discounts).sum(axis=1)
    return float(np.mean(got[best > 0] / best[best > 0]))


def _top(scores: Scores, k: int) -> NDArray[np.int64]:
    """[rows, k] the best columns of every row, -1 where there are no more."""
    ranked = np.nan_to_num(scores, nan=-1.0)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return np.where(np.take_along_axis(ranked, order, axis=1) >= 0, order, -1)


def targets_of(clean: Scores, number: int) -> NDArray[np.int64]:
    """Anchors spread evenly over the ranking by mean score, among those that are candidates anywhere."""
    listed = np.flatnonzero(~np.isnan(clean).all(axis=0))
    ranked = listed[np.argsort(-np.nanmean(clean[:, listed], axis=0), kind="stable")]
    return ranked[np.linspace(0, len(ranked) - 1, number).astype(int)]


def measure(town: Snapshot, number: int, attacks: Iterable[str] = ATTACKS) -> dict[str, dict[str, float]]:
    """Return for each attack the median and the worst over the targets."""
    clean = scores_of(town)
    found: dict[str, dict[str, float]] = {}
    for name in attacks:
        effects = [
            effect(clean, scores_of(ATTACKS[name](town, target), len(town.stalls)), target)
            for target in tqdm(targets_of(clean, number).tolist(), desc=name, leave=False, disable=None)
        ]
        places, lost = [e.places for e in effects], [e.ndcg_lost for e in effects]
        found[name] = {
            "places_median": float(np.median(places)),
            "places_worst": float(np.max(places)),
            "ndcg10_lost_worst": round(float(np.max(lost)), 5),
        }
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stalls", type=int, default=300)
    parser.add_argument("--anchors", type=int, default=600)
    parser.add_argument("--targets", type=int, default=12)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    town = make_town(arguments.stalls, arguments.anchors, arguments.seed)
    print(json.dumps(vars(arguments) | {"attacks": measure(town, arguments.targets)}))


if __name__ == "__main__":
    main()
