"""Whether a challenger may replace the current weights: both on weeks that neither learned from here.

Published is only what ranks better for sure (paired bootstrap over the deciders' lists), says
probabilities that hold (ECE), and does not show newcomers less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.decisions import Decisions, logits_by
from matching.engine.errors import EngineError
from matching.engine.model import Encoded, Model
from matching.engine.retrieval import Query, top_k
from matching.engine.scoring import sigmoid
from matching.engine.types import BoolArray, FloatArray, IntArray, Parties, Side, Snapshot
from matching.engine.weights import DECISIONS, MOST_LOGITS, Weights

K = 10
HELD_SHARE = 0.25
FEWEST_WEEKS = 4
FEWEST_LISTS = 30
MOST_ECE = 0.03
BINS = 10
RESAMPLES = 2000
# So many events (acceptances, decisions given and received) make a party known.
KNOWN_AFTER = 3
EXPOSURE_SUBJECTS = 300
# A re-match moves the base pair a little, and what was just within reach must stay so.
_MARGIN = 0.9


def held_out_from(week: IntArray) -> int:
    """The first of the last quarter of weeks (at least one); EngineError with fewer than four weeks."""
    weeks = np.unique(week)
    if len(weeks) < FEWEST_WEEKS:
        raise EngineError(
            f"decisions: of at least {FEWEST_WEEKS} weeks are needed, so that the last can be held out; "
            f"there are {len(weeks)}"
        )
    return int(weeks[-max(1, round(HELD_SHARE * len(weeks)))])


# --- metrics ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lists:
    """Metrics of each decider's list that holds both a yes and a no."""

    ndcg: FloatArray  # [lists] at 10
    average_precision: FloatArray  # [lists]
    week: IntArray  # [lists] of the list's last decision


def lists_of(decisions: Decisions, score: FloatArray) -> Lists:
    """Each decider's decisions ordered by score; ties by the partner's row."""
    names, group = np.unique(decisions.deciders, return_inverse=True)
    partner = np.where(decisions.direction == 0, decisions.anchor_rows, decisions.stall_rows)
    order = np.lexsort((partner, -score, group))
    group, yes = group[order], decisions.yes[order]
    starts = np.searchsorted(group, np.arange(len(names)))
    rank = np.arange(len(group)) - starts[group]
    positives = np.bincount(group, weights=yes, minlength=len(names))
    sizes = np.bincount(group, minlength=len(names))
    both = (positives > 0) & (positives < sizes)

    discount = 1.0 / np.log2(np.arange(K) + 2.0)
    gained = np.where(rank < K, yes * discount[np.minimum(rank, K - 1)], 0.0)
    ideal = np.concatenate([[np.inf], np.cumsum(discount)])[np.minimum(positives, K).astype(int)]
    ndcg = np.bincount(group, weights=gained, minlength=len(names)) / ideal
    found = np.cumsum(yes)
    found = found - (found - yes)[starts[group]]
    precision = np.bincount(group, weights=yes * found / (rank + 1.0), minlength=len(names))
    week = np.zeros(len(names), dtype=np.int64)
    np.maximum.at(week, group, decisions.week[order])
    return Lists(ndcg[both], (precision / np.maximum(positives, 1.0))[both], week[both])


def auc(yes: FloatArray, score: FloatArray) -> float:
    """P(a yes scores above a no), ties one half; NaN with one kind only."""
    from scipy.stats import rankdata

    positives = yes.sum()
    negatives = len(yes) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(score)[yes == 1.0].sum()
    return float((ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives))


def reliability(yes: FloatArray, p: FloatArray) -> list[dict[str, float]]:
    """Bins of equal width in the probability said: mean said, share of yes, number."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    return [
        {
            "said": float(p[bins == b].mean()),
            "seen": float(yes[bins == b].mean()),
            "n": int((bins == b).sum()),
        }
        for b in range(BINS)
        if (bins == b).any()
    ]


def expected_calibration_error(curve: list[dict[str, float]]) -> float:
    """Mean of |said - seen| over the decisions in the bins (Naeini, Cooper and Hauskrecht 2015)."""
    total = sum(row["n"] for row in curve)
    return sum(row["n"] * abs(row["said"] - row["seen"]) for row in curve) / total if total else 0.0


def paired_interval(differences: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the mean, by the bootstrap (Efron and Tibshirani 1993)."""
    if not len(differences):
        return float("nan"), float("nan")
    means = [
        differences[rng.integers(0, len(differences), len(differences))].mean() for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


# --- two models side by side --------------------------------------------------------------------------


def with_weights(model: Model, weights: Weights, learned: str) -> Model:
    """The same encoding with other weights."""
    return replace(model, weights=weights, learned=learned)


@dataclass(frozen=True)
class Case:
    """What the two are judged on: held-out decisions with features, in the market of `snapshot`."""

    snapshot: Snapshot
    decisions: Decisions
    x: FloatArray
    seed: int


def judge(case: Case, current: Model, challenger: Model) -> dict[str, Any]:
    """Figures of both as plain JSON, and `refused`: the codes of the reasons against the challenger."""
    directed = np.isin(case.decisions.direction, DECISIONS)
    decisions, x = case.decisions.at_rows(directed), case.x[directed]
    if not len(decisions):
        raise EngineError("decisions: nobody decided anything in the weeks held out")
    rng = np.random.default_rng(case.seed)
    logits = {name: _logits(model, decisions, x) for name, model in _both(current, challenger)}
    lists = {name: lists_of(decisions, score) for name, score in logits.items()}
    gain = paired_interval(lists["challenger"].ndcg - lists["current"].ndcg, rng)
    exposure = _exposure(case, current, challenger, rng)
    figures = {
        "decisions": len(decisions),
        "lists": len(lists["challenger"].ndcg),
        "weeks": _weeks(decisions, lists),
        "ndcg10_gain": {"mean": _mean(lists["challenger"].ndcg - lists["current"].ndcg), "interval": gain},
        "newcomers": exposure,
        **{name: _figures(decisions, logits[name], lists[name]) for name in logits},
    }
    figures["refused"] = refusals(figures, challenger)
    shown: dict[str, Any] = plain(figures)
    return shown


def refusals(figures: dict[str, Any], challenger: Model) -> list[str]:
    """Why the challenger must not be published; empty when it may."""
    newcomers = figures["newcomers"]["interval"]
    reach = challenger.weights.furthest(challenger.encoder.weights).max()
    against = {
        "too_few_lists": figures["lists"] < FEWEST_LISTS,
        "not_better": not figures["ndcg10_gain"]["interval"][0] > 0.0,
        "miscalibrated": figures["challenger"]["ece"] > MOST_ECE,
        "newcomers_lower": newcomers is not None and newcomers[1] < 0.0,
        "too_steep": reach > _MARGIN * MOST_LOGITS,
    }
    return [code for code, holds in against.items() if holds]


def _both(current: Model, challenger: Model) -> tuple[tuple[str, Model], tuple[str, Model]]:
    return ("current", current), ("challenger", challenger)


def _logits(model: Model, decisions: Decisions, x: FloatArray) -> FloatArray:
    out = np.empty(len(decisions))
    for direction in DECISIONS:
        own = decisions.direction == direction
        out[own] = logits_by(model, model.weights, x[own], direction)
    return out


def _figures(decisions: Decisions, logits: FloatArray, lists: Lists) -> dict[str, Any]:
    p, yes = sigmoid(logits), decisions.yes
    curve = reliability(yes, p)
    by_direction = [auc(yes[decisions.direction == d], logits[decisions.direction == d]) for d in DECISIONS]
    return {
        "ndcg10": _mean(lists.ndcg),
        "map": _mean(lists.average_precision),
        "auc": auc(yes, logits),
        "auc_by_direction": by_direction,
        "log_loss": _mean(np.logaddexp(0.0, logits) - yes * logits),
        "ece": expected_calibration_error(curve),
        "reliability": curve,
    }


def _weeks(decisions: Decisions, lists: dict[str, Lists]) -> list[dict[str, Any]]:
    """By week of each list's last decision: how many, and the mean of both."""
    return [
        {
            "week": date.fromordinal(int(week)).isoformat(),
            "decisions": int((decisions.week == week).sum()),
            **{f"{name}_ndcg10": _mean(of.ndcg[of.week == week]) for name, of in lists.items()},
            "lists": int((lists["challenger"].week == week).sum()),
        }
        for week in np.unique(decisions.week)
    ]


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


# --- newcomers ----------------------------------------------------------------------------------------


def is_newcomer(parties: Parties) -> BoolArray:
    """[n] who has next to no history and may be shown."""
    events = parties.accepted + parties.decisions_given + parties.received
    return np.asarray((events < KNOWN_AFTER) & parties.verified & ~parties.archived)


def _exposure(case: Case, current: Model, challenger: Model, rng: np.random.Generator) -> dict[str, Any]:
    """Share of the first ten places that newcomers hold under both, and the interval of the difference."""
    shares: dict[str, list[FloatArray]] = {"current": [], "challenger": []}
    for side in Side:
        own, others = _sides(case.snapshot, side)
        newcomers = is_newcomer(others)
        if not len(own) or not newcomers.any() or newcomers.all():
            continue
        some = np.sort(rng.choice(len(own), size=min(len(own), EXPOSURE_SUBJECTS), replace=False))
        held = {
            name: _held_by(model, case.snapshot, side, some, newcomers)
            for name, model in _both(current, challenger)
        }
        kept = ~np.isnan(held["current"])
        for name in shares:
            shares[name].append(held[name][kept])
    if not shares["current"]:
        return {"current": None, "challenger": None, "interval": None}
    flat = {name: np.concatenate(found) for name, found in shares.items()}
    interval = paired_interval(flat["challenger"] - flat["current"], rng) if len(flat["current"]) else None
    return {**{name: _mean(values) for name, values in flat.items()}, "interval": interval}


def _sides(snapshot: Snapshot, side: Side) -> tuple[Parties, Parties]:
    pair = (snapshot.stalls, snapshot.anchors)
    return pair if side is Side.STALL else (pair[1], pair[0])


def _held_by(
    model: Model, snapshot: Snapshot, side: Side, subjects: NDArray[Any], newcomers: BoolArray
) -> FloatArray:
    """[subjects] share of newcomers in the best ten; NaN for a list without a candidate."""
    stalls, anchors = (
        Encoded.of(model, parties, model.encoder.transform(parties))
        for parties in (snapshot.stalls, snapshot.anchors)
    )
    rows = top_k(model, stalls, anchors, snapshot.exclusions, Query(side, subjects, K)).partner_rows
    shown = rows >= 0
    held = (newcomers[rows] & shown).sum(axis=1)
    share = np.divide(held, shown.sum(axis=1), out=np.full(len(rows), np.nan), where=shown.any(axis=1))
    return np.asarray(share)


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numbers of Python, tuples as lists, NaN as None."""
    if isinstance(value, dict):
        return {name: plain(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else round(float(value), 6)
    return int(value) if isinstance(value, np.integer) else value
