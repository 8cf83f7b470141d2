"""Out-of-fold directed predictions of a market folder, by the engine with all else learned outside.

`out_of_fold(market, split)` is what the other benchmarks call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.csv_table import FolderError
from benchmarks.market_folder import HALVES, FloatArray, IntArray, Market

SPLITS = ("cold", "warm")


@dataclass(frozen=True)
class Predictions:
    """P(row accepts) and P(column accepts) of the decisions `at`, none of them seen in learning."""

    at: IntArray  # indices into market.decisions
    row: FloatArray
    column: FloatArray


def out_of_fold(
    market: Market, split: str, progress: Callable[[int, int], None] | None = None
) -> Predictions:
    """Every group's predictions by a model that saw the other groups only.

    cold: all pairs of the group. warm: the pairs of its second half, the first half's answers known.
    """
    if market.all_candidates:
        raise FolderError(f"schema.json: {split} needs decisions of both sides, this folder lists positives")
    decisions = market.decisions
    if split not in SPLITS:
        raise ValueError(f"split: {split!r} must be one of {SPLITS}")
    if split == "warm" and decisions.half is None:
        raise FolderError("schema.json: decisions.half is missing, warm needs it")
    if len(decisions.group_names) < 2:
        raise FolderError("decisions: one group only, none is left to learn from")
    x = _first_features(market)
    says = (decisions.row_says, decisions.column_says)
    out = np.full((2, len(decisions)), np.nan)
    for number in range(len(decisions.group_names)):
        train, test = decisions.group != number, decisions.group == number
        for side in (0, 1):
            out[side, test] = _fit(x[side][train], says[side][train], x[side][test])
        if progress:
            progress(number + 1, len(decisions.group_names))
    at = np.arange(len(decisions))
    if split == "warm":
        at = at[decisions.half == HALVES["test"]]
    return Predictions(at, out[0, at], out[1, at])


def _first_features(market: Market) -> tuple[FloatArray, FloatArray]:
    row, column = market.rows.features.numbers, market.columns.features.numbers
    both = [name for name in row if name in column]
    a = np.stack([row[name][market.decisions.row] for name in both], axis=1)
    b = np.stack([column[name][market.decisions.column] for name in both], axis=1)
    return _with_products(a, b), _with_products(b, a)


def _with_products(own: FloatArray, partner: FloatArray) -> FloatArray:
    spread = np.concatenate([own, partner])
    mean, sd = np.nanmean(spread, axis=0), np.nanstd(spread, axis=0) + 1e-9
    own, partner = (np.nan_to_num((side - mean) / sd) for side in (own, partner))
    return np.concatenate([own, partner, np.abs(own - partner), own * partner], axis=1)


def _fit(x: FloatArray, y: FloatArray, new: FloatArray) -> FloatArray:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=0.003, max_iter=500).fit(x, y)
    return model.predict_proba(new)[:, 1]
