"""The gate that a challenger passes before it is published: better, calibrated, fair to newcomers.

Both models have answered the same held-out pairs, which neither was fitted or chosen on. Intervals come
from drawing whole groups (weeks) again, in pairs, so that a lucky week does not publish a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from matching.engine import evaluation
from matching.engine.errors import EngineError
from matching.engine.evaluation import Interval
from matching.engine.types import BoolArray, FloatArray, IntArray


class Refusal(StrEnum):
    """Why a challenger is not published."""

    TOO_LITTLE_EVIDENCE = "too_little_evidence"
    NOT_BETTER = "not_better"
    WORSE_PROBABILITIES = "worse_probabilities"
    MISCALIBRATED = "miscalibrated"
    NEWCOMERS_LOSE = "newcomers_lose"


@dataclass(frozen=True)
class HeldOut:
    """Pairs that both models are tried on; entry i of every array is the same pair."""

    group: IntArray  # [pairs] week or evening
    subject: IntArray  # [pairs] whose list the pair stands in
    stall_says: FloatArray  # [pairs] 1, 0, or NaN where no answer is known
    anchor_says: FloatArray
    match: FloatArray  # [pairs] 1 where both said yes
    newcomer: BoolArray  # [pairs] the subject's partner has had few exposures


@dataclass(frozen=True)
class Forecast:
    """One model's probabilities of the held-out pairs."""

    stall: FloatArray  # [pairs]
    anchor: FloatArray
    score: FloatArray  # [pairs] what lists are sorted by


@dataclass(frozen=True)
class GateRules:
    """What is asked of a challenger."""

    k: int = 10
    greatest_ece: float = 0.03
    fewest_lists: int = 30
    fewest_groups: int = 3
    draws: int = 2000


@dataclass(frozen=True)
class Verdict:
    """Publish or not, and every figure behind it; differences are challenger − current."""

    publish: bool
    refusals: tuple[Refusal, ...]
    ndcg: Interval | None
    log_loss: Interval | None
    newcomers: Interval | None
    ece: float
    lists: int
    groups: int


def judge(
    held: HeldOut,
    challenger: Forecast,
    current: Forecast,
    rng: np.random.Generator,
    rules: GateRules | None = None,
) -> Verdict:
    """Whether the challenger replaces the current model."""
    rules = rules or GateRules()
    _check(held, challenger, current)
    lists = [evaluation.rank_lists(held.subject, f.score, held.match) for f in (challenger, current)]
    answers, p = _directed(held, challenger)
    ece = evaluation.reliability(p, answers).ece
    groups = len(np.unique(held.group))
    if len(lists[0]) < rules.fewest_lists or groups < rules.fewest_groups:
        refused = (Refusal.TOO_LITTLE_EVIDENCE,)
        return Verdict(False, refused, None, None, None, ece, len(lists[0]), groups)
    group = held.group[lists[0].entry[lists[0].start]]
    gain = evaluation.ndcg(lists[0], rules.k) - evaluation.ndcg(lists[1], rules.k)
    newcomers = _newcomer_exposure(held, challenger) - _newcomer_exposure(held, current)
    loss, loss_group = _loss_difference(held, challenger, current)
    intervals = (
        evaluation.bootstrap_over_groups(gain, group, rng, rules.draws),
        evaluation.bootstrap_over_groups(loss, loss_group, rng, rules.draws),
        evaluation.bootstrap_over_groups(newcomers, _group_of_lists(held), rng, rules.draws),
    )
    refusals = _refusals(*intervals, ece, rules)
    return Verdict(not refusals, refusals, *intervals, ece, len(lists[0]), groups)


def _refusals(
    ndcg: Interval, log_loss: Interval, newcomers: Interval, ece: float, rules: GateRules
) -> tuple[Refusal, ...]:
    found = {
        Refusal.NOT_BETTER: not ndcg.low > 0.0,
        # Lists may look better by luck where the probabilities behind them are surely worse.
        Refusal.WORSE_PROBABILITIES: log_loss.low > 0.0,
        Refusal.MISCALIBRATED: not ece <= rules.greatest_ece,
        Refusal.NEWCOMERS_LOSE: newcomers.high < 0.0,
    }
    return tuple(refusal for refusal, holds in found.items() if holds)


def _check(held: HeldOut, *forecasts: Forecast) -> None:
    pairs = held.group.shape
    for name in ("subject", "stall_says", "anchor_says", "match", "newcomer"):
        if getattr(held, name).shape != pairs:
            raise EngineError(f"{name}: needs one entry per held-out pair")
    for forecast in forecasts:
        for name in ("stall", "anchor", "score"):
            values = getattr(forecast, name)
            if values.shape != pairs or not np.isfinite(values).all():
                raise EngineError(f"{name}: needs one finite number per held-out pair")


def _directed(held: HeldOut, forecast: Forecast) -> tuple[FloatArray, FloatArray]:
    """(answers, probabilities) of both directions where an answer is known."""
    says = np.concatenate([held.stall_says, held.anchor_says])
    p = np.concatenate([forecast.stall, forecast.anchor])
    known = ~np.isnan(says)
    return says[known], p[known]


def _loss_difference(held: HeldOut, challenger: Forecast, current: Forecast) -> tuple[FloatArray, IntArray]:
    """[known answers] log loss of the challenger less the current model's, and their groups."""
    says, ours = _directed(held, challenger)
    _, theirs = _directed(held, current)
    known = ~np.isnan(np.concatenate([held.stall_says, held.anchor_says]))
    difference = evaluation.log_loss(ours, says) - evaluation.log_loss(theirs, says)
    return difference, np.concatenate([held.group, held.group])[known]


def _newcomer_exposure(held: HeldOut, forecast: Forecast) -> FloatArray:
    """[subjects] the newcomers' share of attention in every list, whether or not it made a match."""
    every = evaluation.rank_lists(held.subject, forecast.score, np.ones(len(held.subject)))
    return evaluation.exposure_share(every, held.newcomer)


def _group_of_lists(held: HeldOut) -> IntArray:
    """[subjects] the group of each subject's list."""
    return held.group[np.unique(held.subject, return_index=True)[1]]
