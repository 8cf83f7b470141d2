"""How good ranked lists and probabilities are: metrics by list, calibration, intervals over groups.

A list is given flat: entries with the number of their list, a score and whether they are relevant. Ties
in score are broken by the order of the entries, so callers give them in order of id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray

BINS = 10


@dataclass(frozen=True)
class RankedLists:
    """Entries of many lists, each list's entries together and best first."""

    entry: IntArray  # [entries] where each stood in what was given
    rank: IntArray  # [entries] 1 is the best of its list
    relevant: FloatArray  # [entries] 1 or 0
    start: IntArray  # [lists] first entry of each list
    name: IntArray  # [lists] number of each list

    def __len__(self) -> int:
        return len(self.name)

    def sums(self, values: FloatArray) -> FloatArray:
        """[lists] of values [entries]."""
        return np.asarray(np.add.reduceat(values, self.start)) if len(self) else np.empty(0)


def rank_lists(name: IntArray, score: FloatArray, relevant: FloatArray, fewest: int = 1) -> RankedLists:
    """Lists with at least `fewest` entries, one of them relevant; lists in order of their number."""
    if not np.isfinite(score).all():
        raise EngineError("score: must be finite")
    _, inverse, sizes = np.unique(name, return_inverse=True, return_counts=True)
    useful = (sizes >= fewest) & (np.bincount(inverse, weights=relevant, minlength=len(sizes)) > 0)
    entry = np.flatnonzero(useful[inverse])
    entry = entry[np.lexsort((-score[entry], name[entry]))]
    names, start = np.unique(name[entry], return_index=True)
    rank = np.arange(len(entry)) - np.repeat(start, np.diff([*start, len(entry)])) + 1
    return RankedLists(entry, rank, relevant[entry].astype(np.float64), start, names)


def ndcg(lists: RankedLists, k: int) -> FloatArray:
    """[lists] Σ rel / log₂(rank + 1) over the first k, as a share of the best order's (Järvelin 2002)."""
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    gained = np.where(lists.rank <= k, lists.relevant / np.log2(lists.rank + 1.0), 0.0)
    hits = np.minimum(lists.sums(lists.relevant).astype(np.int64), k)
    return np.asarray(lists.sums(gained) / np.cumsum(discount)[hits - 1])


def average_precision(lists: RankedLists) -> FloatArray:
    """[lists] mean over the relevant entries of the precision at their rank."""
    running = np.cumsum(lists.relevant)
    before = (
        np.repeat(running[lists.start] - lists.relevant[lists.start], _sizes(lists)) if len(lists) else 0.0
    )
    precision = (running - before) / lists.rank
    return np.asarray(lists.sums(precision * lists.relevant) / lists.sums(lists.relevant))


def recall(lists: RankedLists, k: int) -> FloatArray:
    """[lists] share of the relevant entries among the first k."""
    found = np.where(lists.rank <= k, lists.relevant, 0.0)
    return np.asarray(lists.sums(found) / lists.sums(lists.relevant))


def _sizes(lists: RankedLists) -> IntArray:
    return np.diff([*lists.start, len(lists.rank)])


def exposure_share(lists: RankedLists, marked: BoolArray) -> FloatArray:
    """[lists] share of attention, 1 / log₂(rank + 1), that falls on marked entries; `marked` as given."""
    seen = 1.0 / np.log2(lists.rank + 1.0)
    return np.asarray(lists.sums(seen * marked[lists.entry]) / lists.sums(seen))


def auc(score: FloatArray, y: FloatArray) -> float:
    """P(score of a positive > score of a negative), ties half; NaN with one kind only."""
    from scipy.stats import rankdata

    positives = float(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[y == 1.0].sum() - positives * (positives + 1.0) / 2.0) / (positives * negatives))


def log_loss(p: FloatArray, y: FloatArray) -> FloatArray:
    """[pairs] −log P(answer), P kept within [1e-12, 1 − 1e-12]."""
    kept = np.clip(p, 1e-12, 1.0 - 1e-12)
    return np.asarray(-np.where(y == 1.0, np.log(kept), np.log1p(-kept)))


# --- calibration ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reliability:
    """What a reliability curve is drawn from; bins without a prediction are NaN."""

    predicted: FloatArray  # [bins] mean probability
    observed: FloatArray  # [bins] share of yes
    count: IntArray  # [bins]

    @property
    def ece(self) -> float:
        """Expected calibration error, Σ count/n · |observed − predicted| (Guo et al. 2017)."""
        filled = self.count > 0
        gaps = np.abs(self.observed[filled] - self.predicted[filled])
        return float((gaps * self.count[filled]).sum() / self.count.sum()) if filled.any() else float("nan")


def reliability(p: FloatArray, y: FloatArray, bins: int = BINS) -> Reliability:
    """The reliability curve over bins of equal width."""
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise EngineError("p: probabilities must be in [0, 1]")
    at = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(at, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    predicted = np.bincount(at, weights=p, minlength=bins) / divisor
    return Reliability(predicted, np.bincount(at, weights=y, minlength=bins) / divisor, count)


# --- splits and intervals ---------------------------------------------------------------------------------


def held_out(parties: int, share: float, rng: np.random.Generator) -> BoolArray:
    """[parties] a random share of them, at least one and never all."""
    if parties < 2:
        raise EngineError("parties: at least two are needed to hold one out")
    count = min(max(1, round(share * parties)), parties - 1)
    out = np.zeros(parties, dtype=np.bool_)
    out[rng.choice(parties, count, replace=False)] = True
    return out


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap_over_groups(
    values: FloatArray, group: IntArray, rng: np.random.Generator, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Interval of the mean of values when whole groups are drawn again with replacement (Efron 1979).

    For a paired comparison give the differences: both sides then meet the same groups in every draw.
    """
    if not len(values):
        raise EngineError("values: none to draw from")
    names, index = np.unique(group, return_inverse=True)
    total = np.bincount(index, weights=values)
    size = np.bincount(index).astype(np.float64)
    drawn = rng.integers(len(names), size=(draws, len(names)))
    means = total[drawn].sum(axis=1) / size[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(values.mean()), float(low), float(high))
