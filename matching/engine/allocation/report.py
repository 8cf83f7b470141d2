"""What staff are told of an allocation: who would rather, how evenly it fell, who went without and why."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from matching.engine.allocation.problem import Problem
from matching.engine.types import BoolArray, FloatArray, IntArray

_NOTHING = -np.inf


class Unmatched(StrEnum):
    """Why a party has no booking; the first that fits."""

    NO_CAPACITY = "no_capacity"
    NO_CANDIDATE = "no_candidate"
    ALL_FULL = "all_candidates_full"
    BEATEN = "beaten"


def blocking_pairs(
    problem: Problem,
    chosen: BoolArray,
    row_liking: FloatArray | None = None,
    column_liking: FloatArray | None = None,
) -> IntArray:
    """The edges of pairs who are not booked together and would both rather be, ascending.

    A side would rather when it has room, or likes the other more than the least liked it is booked with (pins
    aside, which staff decided). Likings [e] are the weights unless given. Pairwise stability (Roth 1984).
    """
    row_liking = problem.weights if row_liking is None else row_liking
    column_liking = problem.weights if column_liking is None else column_liking
    would = ~chosen & ~problem.forbidden & (problem.weights > 0)
    for at, capacity, liking in (
        (problem.rows, problem.row_capacity, row_liking),
        (problem.columns, problem.column_capacity, column_liking),
    ):
        used = np.bincount(at[chosen], minlength=len(capacity))
        least = np.full(len(capacity), np.inf)
        free_to_leave = chosen & ~problem.pinned
        np.minimum.at(least, at[free_to_leave], liking[free_to_leave])
        least[used < capacity] = _NOTHING
        least[capacity == 0] = np.inf
        would &= liking > least[at]
    return np.flatnonzero(would)


def gini(counts: IntArray | FloatArray) -> float:
    """Gini coefficient of what each got: 0 all alike, towards 1 one has all; 0 for nobody or nothing.

    Σᵢ (2i − n − 1)·xᵢ / (n·Σ x) over ascending x.
    """
    ordered = np.sort(np.asarray(counts, dtype=np.float64))
    total, n = ordered.sum(), len(ordered)
    if total <= 0:
        return 0.0
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


def why_unmatched(problem: Problem, chosen: BoolArray, *, columns: bool) -> dict[int, Unmatched]:
    """Row (or column) number -> why it got nothing, for all that got nothing."""
    own, other = (problem.columns, problem.rows) if columns else (problem.rows, problem.columns)
    capacity, others = (
        (problem.column_capacity, problem.row_capacity)
        if columns
        else (problem.row_capacity, problem.column_capacity)
    )
    used = np.bincount(own[chosen], minlength=len(capacity))
    full = np.bincount(other[chosen], minlength=len(others)) >= others
    could = ~problem.forbidden
    candidates = np.bincount(own[could], minlength=len(capacity))
    roomy = np.bincount(own[could & ~full[other]], minlength=len(capacity))
    return {
        number: _why(int(capacity[number]), int(candidates[number]), int(roomy[number]))
        for number in np.flatnonzero(used == 0).tolist()
    }


def _why(capacity: int, candidates: int, roomy: int) -> Unmatched:
    if capacity == 0:
        return Unmatched.NO_CAPACITY
    if candidates == 0:
        return Unmatched.NO_CANDIDATE
    return Unmatched.BEATEN if roomy else Unmatched.ALL_FULL
