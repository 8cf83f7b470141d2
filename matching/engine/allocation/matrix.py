"""A match day given as a matrix of scores; one too dense for the solver is priced in, still exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matching.engine.allocation.flow import Allocation, in_units, solve
from matching.engine.allocation.problem import Problem, whole_numbers
from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray

# So many edges are handed over at once: about a gigabyte in the solver.
MOST_EDGES = 3_000_000
_BLOCK_CELLS = 2_000_000
_ROUNDS = 200
_BEST = 64  # cells of a party that the solver begins with, at most


@dataclass(frozen=True)
class MatrixAllocation:
    """The chosen cells and the allocation over the edges that were needed to prove it the best of all."""

    rows: IntArray
    columns: IntArray
    allocation: Allocation
    problem: Problem


def check_matrix(scores: NDArray[Any], row_capacity: NDArray[Any], column_capacity: NDArray[Any]) -> None:
    """Raise EngineError that names the array that does not fit, and what would be right."""
    if scores.ndim != 2 or scores.dtype.kind not in "iufb":
        raise EngineError(
            f"scores: a matrix of numbers expected, shape {scores.shape} of {scores.dtype} given"
        )
    for name, capacity, size in (
        ("row_capacity", row_capacity, scores.shape[0]),
        ("column_capacity", column_capacity, scores.shape[1]),
    ):
        if np.shape(capacity) != (size,):
            raise EngineError(f"{name}: shape ({size},) expected, {np.shape(capacity)} given")
        whole_numbers(name, capacity)


def problem_of_matrix(
    scores: NDArray[Any],
    row_capacity: NDArray[Any],
    column_capacity: NDArray[Any],
    *,
    exact_columns: bool = False,
) -> Problem:
    """The problem whose edges are the cells of scores [m, n] that are not NaN, where both sides have room."""
    check_matrix(scores, row_capacity, column_capacity)
    parts = list(_cells(scores, row_capacity, column_capacity))
    rows, columns, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Problem(rows, columns, weights, row_capacity, column_capacity, exact_columns=exact_columns)


def solve_matrix(
    scores: NDArray[Any],
    row_capacity: NDArray[Any],
    column_capacity: NDArray[Any],
    *,
    exact_columns: bool = False,
    most_edges: int = MOST_EDGES,
) -> MatrixAllocation:
    """The best allocation over all cells of scores [m, n]; NaN is no edge, and `scores` may lie on disk.

    Above `most_edges` cells the solver gets each party's best cells, and then those that its prices say
    would pay (column generation, Dantzig and Wolfe 1960) until none would. Every cell is looked at for that,
    so the gap is one over the whole matrix; ties are broken among the cells that were handed over.
    """
    check_matrix(scores, row_capacity, column_capacity)
    edges = sum(len(block[0]) for block in _cells(scores, row_capacity, column_capacity))
    if edges <= most_edges:
        problem = problem_of_matrix(scores, row_capacity, column_capacity, exact_columns=exact_columns)
        return _cells_of(problem, solve(problem))
    return _priced_in(scores, row_capacity, column_capacity, exact_columns)


def _cells_of(problem: Problem, allocation: Allocation) -> MatrixAllocation:
    chosen = allocation.chosen
    return MatrixAllocation(problem.rows[chosen], problem.columns[chosen], allocation, problem)


def _priced_in(
    scores: NDArray[Any], row_capacity: NDArray[Any], column_capacity: NDArray[Any], exact_columns: bool
) -> MatrixAllocation:
    width, most = scores.shape[1], _BEST
    keys = _best_cells(scores, row_capacity, column_capacity, most)
    for _ in range(_ROUNDS):
        rows, columns = keys // width, keys % width
        weights = np.asarray(scores[rows, columns], dtype=np.float64)
        problem = Problem(rows, columns, weights, row_capacity, column_capacity, exact_columns=exact_columns)
        try:
            allocation = solve(problem)
        except EngineError:
            # The best cells alone may not fill exact columns; only all cells can tell that nothing does.
            if most >= max(scores.shape):
                raise
            most *= 4
            keys = np.union1d(keys, _best_cells(scores, row_capacity, column_capacity, most))
            continue
        missed, missing = _would_pay(scores, problem, allocation)
        if not missed:
            return _cells_of(problem, allocation)
        keys = np.union1d(keys, missing)
    bound = allocation.optimum + missed * allocation.unit
    gap = (bound - allocation.value) / max(abs(bound), allocation.unit)
    return _cells_of(problem, replace(allocation, optimum=bound, gap=gap))


def _best_cells(
    scores: NDArray[Any], row_capacity: NDArray[Any], column_capacity: NDArray[Any], most: int
) -> IntArray:
    """Keys (row · width + column), ascending, of each party's best cells, up to `most` of each."""
    height, width = scores.shape
    found = []
    for of_rows, block in _blocks(height, width):
        best, there = _best_in_rows(scores[block], row_capacity, most)
        found.append((of_rows[:, None] * width + best)[there])
    for of_columns, block in _blocks(width, height):
        best, there = _best_in_rows(scores[:, block].T, column_capacity, most)
        found.append((best * width + of_columns[:, None])[there])
    return np.unique(np.concatenate(found)).astype(np.int64)


def _best_in_rows(part: NDArray[Any], capacity: NDArray[Any], most: int) -> tuple[IntArray, BoolArray]:
    """[rows, k] the columns of each row's best cells, and which of them are cells at all."""
    values = np.nan_to_num(np.asarray(part, dtype=np.float64), nan=-np.inf)
    k = min(values.shape[1], most if most > _BEST else min(2 * int(capacity.max(initial=1)) + 16, _BEST))
    best = np.argpartition(-values, k - 1, axis=1)[:, :k]
    return best, np.isfinite(np.take_along_axis(values, best, axis=1))


def _would_pay(scores: NDArray[Any], problem: Problem, allocation: Allocation) -> tuple[int, IntArray]:
    """The units by which cells left out exceed both prices, in all, and the keys of those cells."""
    width = scores.shape[1]
    held = problem.rows * width + problem.columns
    total, keys = 0, []
    for rows, columns, weights in _cells(scores, problem.row_capacity, problem.column_capacity):
        over = in_units(weights, allocation.unit)
        over -= allocation.row_price[rows] + allocation.column_price[columns]
        paying = np.flatnonzero(over > 0)
        key = rows[paying] * width + columns[paying]
        new = ~np.isin(key, held)
        total += int(over[paying][new].sum())
        keys.append(key[new])
    return total, np.concatenate(keys)


def _blocks(length: int, width: int) -> Iterator[tuple[IntArray, slice]]:
    step = max(1, _BLOCK_CELLS // max(width, 1))
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield np.arange(start, stop), slice(start, stop)


def _cells(
    scores: NDArray[Any], row_capacity: NDArray[Any], column_capacity: NDArray[Any]
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Rows, columns and weights of the cells that can be chosen, some rows at a time; at least one block."""
    empty = np.empty(0, dtype=np.int64)
    yield empty, empty, np.empty(0)
    open_columns = np.asarray(column_capacity) > 0
    for of_rows, block in _blocks(*scores.shape):
        part = np.asarray(scores[block], dtype=np.float64)
        if np.isinf(part).any():
            raise EngineError("scores: finite numbers expected, and NaN where two cannot be paired")
        there = ~np.isnan(part) & (np.asarray(row_capacity)[block] > 0)[:, None] & open_columns
        rows, columns = np.nonzero(there)
        yield of_rows[rows], columns, part[rows, columns]
