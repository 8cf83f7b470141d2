"""What the engine is held against in a folder of decisions: cosine, popularity and chance, out of fold."""

from __future__ import annotations

import numpy as np

from benchmarks.directed import HISTORY_WORTH, tested
from benchmarks.market_folder import HALVES, FloatArray, Market
from benchmarks.pair_features import cosine_of_pairs, pair_table
from benchmarks.party_vectors import shared_vectors
from matching.engine.learning import history
from matching.engine.learning.calibration import fit_calibration
from matching.engine.learning.directed import Shape, examples, fit_additive
from matching.engine.scoring import sigmoid
from matching.engine.types import BoolArray

POPULARITY_C = 1e-3

Forecast = tuple[FloatArray, FloatArray, FloatArray]  # score, P(row accepts), P(column accepts)


def rivals_out_of_fold(market: Market, split: str, rng: np.random.Generator) -> dict[str, Forecast]:
    """Scores of the tested pairs, and probabilities by a sigmoid that other groups taught."""
    made = {
        "cosine": _alike(market),
        "popularity": _popularity(market) if split == "cold" else _received(market),
        "random": rng.random((1, len(market.decisions))).repeat(2, axis=0),
    }
    at = tested(market, split)
    forecasts = {}
    for name, scores in made.items():
        p = _as_probabilities(market, scores, split)
        # Both sides' scores rank alike in one party's list, for its own half of the sum is the same there.
        forecasts[name] = (scores.mean(axis=0)[at], p[0][at], p[1][at])
    return forecasts


def _alike(market: Market) -> FloatArray:
    x, y = shared_vectors(market)
    cosine = np.nan_to_num(cosine_of_pairs(x, y, market.decisions.row, market.decisions.column))
    return np.stack([cosine, cosine])


def _popularity(market: Market) -> FloatArray:
    """[2, pairs] the logit of a yes to the partner that its profile alone leads to expect."""
    decisions = market.decisions
    out = np.empty((2, len(decisions)))
    for number in range(len(decisions.group_names)):
        held = decisions.group == number
        table = pair_table(market, decisions.row, decisions.column, ~held)
        of_partner = np.array([name.startswith("partner:") for name in table.names])
        names = tuple(name for name in table.names if name.startswith("partner:"))
        first, second = (
            examples(names, table.x[d][~held][:, of_partner], says[~held], decisions.group[~held])
            for d, says in enumerate((decisions.row_says, decisions.column_says))
        )
        models = fit_additive((first, second), (POPULARITY_C,), False, Shape(scale=table.scale[of_partner]))[
            0
        ]
        for d in (0, 1):
            out[d, held] = models[d].logit(table.x[d][held][:, of_partner])
    return out


def _received(market: Market) -> FloatArray:
    """[2, pairs] the partner's shrunk rate of yes in the known half."""
    decisions = market.decisions
    known = decisions.half == HALVES["history"]
    rates = []
    for decider, receiver, says in (
        (decisions.row, decisions.column, decisions.row_says),
        (decisions.column, decisions.row, decisions.column_says),
    ):
        mean = float(says[known].mean()) if known.any() else 0.5
        rates.append(history.received(history.Answers(decider, receiver, says, known), mean, HISTORY_WORTH))
    return np.stack(rates)


def _as_probabilities(market: Market, scores: FloatArray, split: str) -> FloatArray:
    decisions = market.decisions
    ranked: BoolArray = np.isin(np.arange(len(decisions)), tested(market, split))
    out = np.empty(scores.shape)
    for d, says in enumerate((decisions.row_says, decisions.column_says)):
        for number in range(len(decisions.group_names)):
            held = decisions.group == number
            learn = ~held & ranked
            out[d, held] = sigmoid(
                fit_calibration(scores[d, learn], says[learn], np.ones(int(learn.sum())))(scores[d, held])
            )
    return out
