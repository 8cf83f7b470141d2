"""How far somebody who games the engine gets, and what that costs everybody else; one JSON object.

`python -m benchmarks.shilling --stalls 300 --anchors 600` attacks some targets of a made-up town, one after
another: figures times 1,000, and 5 % fake accounts that like the target or turn its rivals away. It prints by
how many places the target's median rank rises and what share of NDCG@10 the honest lists lose, where the
best ten of the town without the attack are what is relevant.

`--target stall` attacks stalls in the anchors' lists. `--learned N` lets N honest decisions teach first, by a
hidden taste that likes reach and popularity. What fakes say teaches nothing, since no staff has verified
them; `--verified` shows what it would do if staff had.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.lessons import Taught, learn, made_decisions
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


@dataclass(frozen=True)
class Case:
    """A town, the side that is attacked, and the decisions that taught it (none: the prior alone)."""

    town: Snapshot
    target: Side
    taught: Taught | None = None
    fakes: int = 0
    fakes_teach: bool = False

    @property
    def honest(self) -> int:
        """How many deciders are no fakes."""
        return len(self.deciders) - self.fakes

    @property
    def deciders(self) -> Parties:
        return self.town.anchors if self.target is Side.STALL else self.town.stalls

    @property
    def judged(self) -> Parties:
        return self.town.stalls if self.target is Side.STALL else self.town.anchors

    def with_sides(self, *, deciders: Parties | None = None, judged: Parties | None = None) -> Case:
        mine, theirs = deciders or self.deciders, judged or self.judged
        stalls, anchors = (theirs, mine) if self.target is Side.STALL else (mine, theirs)
        return replace(self, town=replace(self.town, stalls=stalls, anchors=anchors))


def scores_of(case: Case) -> Scores:
    """Return [honest deciders, judged] scores, NaN where a rule is against the pair."""
    town = case.town
    learned = None if case.taught is None else learn(town, case.taught)
    model = fit(town, seed=SEED, learned=learned)
    stalls, anchors = encode(model, town.stalls), encode(model, town.anchors)
    shape = (len(stalls), len(anchors))
    rows, columns = np.indices(shape).reshape(2, -1)
    scores = mutual_scores(model, stalls, anchors, rows, columns).reshape(shape)
    codes = ruled_out(town.stalls, town.anchors, town.exclusions, subject=case.target.other)
    wide = codes if case.target is Side.ANCHOR else codes.T
    listed = np.where(wide == 0, scores if case.target is Side.ANCHOR else scores.T, np.nan)
    return np.asarray(listed[: case.honest])


FIGURES = {
    Side.ANCHOR: ("followers", "average_viewers"),
    Side.STALL: ("stock_depth", "followers_wanted_min"),
}


def times_1000(case: Case, target: int) -> Case:
    """The figures that the target states of itself and nobody checks, times 1,000."""
    columns = {name: getattr(case.judged, name).copy() for name in FIGURES[case.target]}
    for values in columns.values():
        values[target] *= 1000
    return case.with_sides(judged=replace(case.judged, **columns))


def with_fakes(case: Case, target: int, *, praised: bool) -> Case:
    """5 % more deciders, copies of real ones, that all say yes to the target, or no to its rivals."""
    honest = len(case.deciders)
    number = max(1, round(FAKES * honest))
    rng = np.random.default_rng(SEED + target)
    copied = np.sort(rng.choice(honest, number, replace=False))
    fakes = case.deciders.take(copied)
    said = np.full(number, 1 if praised else RIVALS, dtype=np.int32)
    fakes = replace(
        fakes,
        ids=case.deciders.ids[-1] + 1 + np.arange(number),
        decisions_given=said,
        decisions_yes=said if praised else np.zeros_like(said),
    )
    received, yes = case.judged.received.copy(), case.judged.received_yes.copy()
    about = np.array([target]) if praised else rivals_of(case.judged, target)
    received[about] += number
    yes[about] += number if praised else 0
    attacked = case.with_sides(
        deciders=case.deciders.concat(fakes),
        judged=replace(case.judged, received=received, received_yes=yes),
    )
    if case.taught and case.fakes_teach:
        lesson = case.taught.lied(honest + np.arange(number), about, praised, case.target)
        attacked = replace(attacked, taught=lesson)
    return replace(attacked, fakes=number)


def rivals_of(judged: Parties, target: int) -> NDArray[np.int64]:
    """Those of its side that share the most categories with the target."""
    shared = (judged.categories & judged.categories[target]).sum(axis=1)
    shared[target] = -1
    return np.argsort(-shared, kind="stable")[:RIVALS]


ATTACKS: dict[str, Callable[[Case, int], Case]] = {
    "metrics_x1000": times_1000,
    "fakes_like": lambda case, target: with_fakes(case, target, praised=True),
    "fakes_reject_rivals": lambda case, target: with_fakes(case, target, praised=False),
}


def effect(clean: Scores, attacked: Scores, target: int) -> Effect:
    """What an attack changed in the honest parties' lists."""
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
    """Parties spread evenly over the ranking by mean score, among those that are candidates anywhere."""
    listed = np.flatnonzero(~np.isnan(clean).all(axis=0))
    ranked = listed[np.argsort(-np.nanmean(clean[:, listed], axis=0), kind="stable")]
    return ranked[np.linspace(0, len(ranked) - 1, number).astype(int)]


def measure(case: Case, number: int, attacks: Iterable[str] = ATTACKS) -> dict[str, dict[str, float]]:
    """Return for each attack the median and the worst over the targets."""
    clean = scores_of(case)
    found: dict[str, dict[str, float]] = {}
    for name in attacks:
        effects = [
            effect(clean, scores_of(ATTACKS[name](case, target)), target)
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
    parser.add_argument("--target", choices=[side.value for side in Side], default=Side.ANCHOR.value)
    parser.add_argument("--learned", type=int, default=0, metavar="N", help="honest decisions that teach")
    parser.add_argument("--verified", action="store_true", help="what fakes say teaches too")
    arguments = parser.parse_args()
    town = make_town(arguments.stalls, arguments.anchors, arguments.seed)
    taught = made_decisions(town, arguments.learned, arguments.seed) if arguments.learned else None
    case = Case(town, Side(arguments.target), taught, fakes_teach=arguments.verified)
    print(json.dumps(vars(arguments) | {"attacks": measure(case, arguments.targets)}))


if __name__ == "__main__":
    main()
