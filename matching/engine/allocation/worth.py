"""What a booking of two is worth: how likely it comes about, times the net GMV that it may bring.

    weight = mutual · (expected / town mean)^ρ,    0 ≤ ρ ≤ 1

ρ = 0 asks for the most sessions that come about, ρ = 1 for the most turnover; between, twice the turnover
counts 2^ρ. Expected net GMV is a mean shrunk twice (Efron and Morris 1975): of a category towards the town,
of an anchor towards the categories of the stall, each prior worth `STRENGTH` sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.types import BoolArray, FloatArray, IntArray

STRENGTH = 5.0
# One figure out of line, or made up, counts no more than nineteen of twenty others.
_CAP_QUANTILE = 0.95
_CAPPED_FROM = 20
# So little or so much against the town's mean that it would drown how likely the two agree.
_LEAST_RATIO, _MOST_RATIO = 0.05, 20.0


@dataclass(frozen=True)
class Turnover:
    """Net GMV a session in cents, shrunk: of the town, of each stall's categories, and of each anchor."""

    town_cents: float  # 0 while there are no outcomes
    stall_cents: FloatArray  # [m] mean over the stall's categories
    anchor_sums: FloatArray  # [n]
    anchor_counts: IntArray  # [n]
    outcomes: int

    def expected_cents(self, rows: IntArray, columns: IntArray) -> IntArray:
        """[e] whole cents; 0 while nothing is known."""
        known = self.anchor_sums[columns] + STRENGTH * self.stall_cents[rows]
        return np.asarray(np.rint(known / (self.anchor_counts[columns] + STRENGTH)), dtype=np.int64)

    def weights(self, mutual: FloatArray, expected_cents: IntArray, rho: float) -> FloatArray:
        """[e] mutual · (expected / town)^ρ; without outcomes the likelihood alone."""
        if self.town_cents <= 0 or rho == 0:
            return mutual
        ratio = np.clip(expected_cents / self.town_cents, _LEAST_RATIO, _MOST_RATIO)
        return np.asarray(mutual * ratio**rho)


def turnover_of(
    stall_categories: BoolArray, anchors: int, rows: IntArray, columns: IntArray, net_cents: IntArray
) -> Turnover:
    """Turnover from outcomes [k] given by stall row, anchor column and net GMV in cents.

    `stall_categories` [m, c]; an outcome counts once for each category of its stall.
    """
    stalls = len(stall_categories)
    if not len(net_cents):
        return Turnover(0.0, np.zeros(stalls), np.zeros(anchors), np.zeros(anchors, dtype=np.int64), 0)
    net = net_cents.astype(np.float64)
    if len(net) >= _CAPPED_FROM:
        net = np.minimum(net, np.quantile(net, _CAP_QUANTILE))
    town = float(net.mean())
    sold = stall_categories[rows].astype(np.float64)
    category = (sold.T @ net + STRENGTH * town) / (sold.sum(axis=0) + STRENGTH)
    held = stall_categories.sum(axis=1)
    stall = np.where(held > 0, stall_categories @ category / np.maximum(held, 1), town)
    return Turnover(
        town_cents=town,
        stall_cents=stall,
        anchor_sums=np.bincount(columns, weights=net, minlength=anchors).astype(np.float64),
        anchor_counts=np.bincount(columns, minlength=anchors).astype(np.int64),
        outcomes=len(net),
    )
