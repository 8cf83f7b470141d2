"""How evenly exposure falls: pure figures over lists of partners (no lists of its own)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.types import FloatArray, IntArray, rows_of


@dataclass(frozen=True)
class GroupFigures:
    """One group of parties; `exposure` is its share of all, `gini` that within it."""

    code: str
    parties: int
    share_of_parties: float
    share_of_exposure: float
    gini: float
    without_exposure: int


def expected_exposure(ids: IntArray, partner_ids: IntArray, lengths: IntArray) -> FloatArray:
    """[ids] sum over the lists of 1 / rank of each party; ids ascending.

    `partner_ids` holds all lists one after the other, `lengths` how long each is. Rank k is looked at with
    probability 1 / k, the examination model of the market step.
    """
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    weights = 1.0 / (np.arange(len(partner_ids)) - starts + 1)
    rows = rows_of(ids, partner_ids)
    known = rows >= 0
    return np.bincount(rows[known], weights=weights[known], minlength=len(ids)).astype(np.float64)


def gini(values: FloatArray) -> float:
    """Gini coefficient of non-negative values: 0 all alike, towards 1 one has all; 0 where there is nothing.

    G = 2 sum_i i x_(i) / (n sum x) - (n + 1) / n with x sorted ascending.
    """
    total, count = float(values.sum()), len(values)
    if total <= 0:
        return 0.0
    ranks = np.arange(1, count + 1)
    return float(2.0 * (ranks * np.sort(values)).sum() / (count * total) - (count + 1) / count)


def by_group(exposure: FloatArray, rows: IntArray, codes: list[str]) -> list[GroupFigures]:
    """Figures of each group; a party of several groups (`rows` repeated) counts in each of them."""
    if not codes:
        return []
    names, group = np.unique(np.array(codes), return_inverse=True)
    order = np.argsort(group, kind="stable")
    parts = np.split(exposure[rows[order]], np.cumsum(np.bincount(group))[:-1])
    total, everybody = max(float(exposure.sum()), 1e-12), max(len(exposure), 1)
    return [
        GroupFigures(
            code=str(name),
            parties=len(part),
            share_of_parties=len(part) / everybody,
            share_of_exposure=float(part.sum()) / total,
            gini=gini(part),
            without_exposure=int((part == 0).sum()),
        )
        for name, part in zip(names, parts, strict=True)
    ]
