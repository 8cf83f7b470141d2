"""The exact optimum by minimum-cost flow, with a proof of it and a fixed choice among equals.

Three goals, each exact within the best of those before (lexicographic): the floors, the value, the id order.

Every goal is one linear programme over 0 ≤ x ≤ 1 with bounds on the sums of rows and columns, whose matrix is
totally unimodular, so a flow in whole numbers is its optimum (Ahuja, Magnanti, Orlin, Network Flows, 1993,
ch. 9–11; solved by ortools' cost scaling, Goldberg 1997). From the flow come prices u of rows and v of
columns by Bellman–Ford sweeps over the residual arcs; they satisfy, for each edge of weight w,

    x = 0 ⇒ u + v ≥ w,    x = 1 ⇒ u + v ≤ w,

and the dual value Σ capacity·max(u, 0) + Σ capacity·max(v, 0) + Σ max(0, w − u − v) bounds the value of any
allocation whatever, whoever made the prices. It is computed in exact integers: `gap` is a proof, not a claim
of the solver. By complementary slackness the same prices say which edges all optima share, and the next goal
chooses among the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from matching.engine.allocation.problem import Problem
from matching.engine.errors import EngineError
from matching.engine.types import BoolArray, FloatArray, IntArray

_FAR = 2**60  # a price that nothing bounds; sums of two stay within 64 bits
# Cost scaling multiplies costs by the number of nodes and adds them along paths; both must fit 62 bits.
_COST_BITS = 60
_MOST_BITS = 40
_NAMED = 5  # culprits that an error names


@dataclass(frozen=True)
class Allocation:
    """Which edges are chosen, and the proof that no allocation is better.

    `value` is Σ weight of the chosen; `gap` ≥ 0 the share by which any allocation could be better, counted
    in the whole numbers that the weights were turned into (`unit` each: a weight is off by half of it at
    most). `row_shortfall` and `column_shortfall` are the bookings that the floors could not get.
    `row_price` and `column_price` are what one more place would be worth.
    """

    chosen: BoolArray  # [e]
    value: float
    optimum: float
    gap: float
    unit: float
    row_price: IntArray  # [m], in units
    column_price: IntArray  # [n], in units
    row_shortfall: IntArray  # [m]
    column_shortfall: IntArray  # [n]


@dataclass(frozen=True)
class Network:
    """Edges with bounds on the flow of each, and bounds on the sums of rows and of columns."""

    tails: IntArray
    heads: IntArray
    least: IntArray  # of each edge; equal to `most` where it is decided
    most: IntArray
    row_low: IntArray
    row_high: IntArray
    column_low: IntArray
    column_high: IntArray

    def sums(self, flow: IntArray) -> tuple[IntArray, IntArray]:
        """[rows], [columns]: the flow through each."""
        return (
            _sum_at(self.tails, flow, len(self.row_high)),
            _sum_at(self.heads, flow, len(self.column_high)),
        )


@dataclass(frozen=True)
class Optimum:
    """A flow of the most gain, the prices that prove it, and the bound that they give on any flow."""

    flow: IntArray
    row_price: IntArray
    column_price: IntArray
    gain: int
    bound: int


def solve(problem: Problem) -> Allocation:
    """The allocation of the most value among those that meet the floors best; ties go to the lower ids.

    Among equals the one with the least sum of edge numbers (counted by row, then column) is taken.
    Raises EngineError when `exact_columns` cannot be, saying what is short.
    """
    order = np.lexsort((problem.columns, problem.rows))
    edges, rows, columns = len(order), len(problem.row_capacity), len(problem.column_capacity)
    network = _network_of(problem, order)
    reserve = len(network.tails) - edges
    if reserve:
        network = _best_of(network, _padded(np.zeros(edges, dtype=np.int64), reserve, -1))[1]
    units, unit = whole_weights(problem.weights[order], rows + columns)
    best, network = _best_of(network, _padded(units, reserve, 0))
    short = _shortfalls(problem, network, best.flow, edges)
    if problem.exact_columns and short[1].any():
        raise _inexact(short[1], problem)
    fixed = network.least == network.most
    flow = network.least
    if not fixed.all():
        flow = optimum(network, _padded(-np.arange(1, edges + 1), reserve, 0)).flow
    chosen = np.zeros(edges, dtype=np.bool_)
    chosen[order] = flow[:edges] > 0
    value = float(problem.weights[chosen].sum())
    gap = best.bound - best.gain
    return Allocation(
        chosen=chosen,
        value=value,
        optimum=value + gap * unit,
        gap=gap / max(abs(best.bound), 1),
        unit=unit,
        row_price=best.row_price[:rows],
        column_price=best.column_price[:columns],
        row_shortfall=short[0],
        column_shortfall=short[1],
    )


def whole_weights(weights: FloatArray, nodes: int) -> tuple[IntArray, float]:
    """[e] int64 weights and what one unit is worth: the finest power of two that the solver can carry.

    A power of two, so that weights which add up exactly as floats still do. A weight above 0 stays so.
    """
    largest = float(np.abs(weights).max(initial=0.0))
    if largest == 0.0:
        return np.zeros(len(weights), dtype=np.int64), 1.0
    bits = min(_MOST_BITS, _COST_BITS - 2 * int(np.ceil(np.log2(nodes + 2))))
    unit = 2.0 ** (int(np.frexp(largest)[1]) - bits)
    return in_units(weights, unit), unit


def in_units(weights: FloatArray, unit: float) -> IntArray:
    """[e] weights rounded to whole units; what is above 0 is one at least."""
    units = np.rint(weights / unit).astype(np.int64)
    return np.where((units == 0) & (weights > 0), 1, units)


# --- the network of a problem -------------------------------------------------------------------------


def _network_of(problem: Problem, order: IntArray) -> Network:
    """The edges in order, then those of the reserve: one row and one column that fill floors at a loss."""
    rows, columns = len(problem.row_capacity), len(problem.column_capacity)
    row_floor = np.minimum(problem.row_floor, problem.row_capacity)
    column_floor = np.minimum(problem.column_floor, problem.column_capacity)
    low_rows, low_columns = np.flatnonzero(row_floor), np.flatnonzero(column_floor)
    fill = np.concatenate([row_floor[low_rows], column_floor[low_columns]])
    pinned, forbidden = problem.pinned[order], problem.forbidden[order]
    return Network(
        tails=np.concatenate([problem.rows[order], low_rows, np.full(len(low_columns), rows)]),
        heads=np.concatenate([problem.columns[order], np.full(len(low_rows), columns), low_columns]),
        least=np.concatenate([pinned.astype(np.int64), np.zeros(len(fill), dtype=np.int64)]),
        most=np.concatenate([(~forbidden).astype(np.int64), fill]),
        row_low=np.append(row_floor, 0),
        row_high=np.append(problem.row_capacity, column_floor.sum()),
        column_low=np.append(column_floor, 0),
        column_high=np.append(problem.column_capacity, row_floor.sum()),
    )


def _padded(gains: IntArray, reserve: int, gain: int) -> IntArray:
    return np.concatenate([gains, np.full(reserve, gain, dtype=np.int64)])


def _sum_at(index: IntArray, flow: IntArray, size: int) -> IntArray:
    # bincount adds doubles, which hold whole numbers up to 2**53.
    return np.rint(np.bincount(index, weights=flow, minlength=size)).astype(np.int64)


def _shortfalls(problem: Problem, network: Network, flow: IntArray, edges: int) -> tuple[IntArray, IntArray]:
    """What each floor lacks: filled by the reserve, or above the capacity to begin with."""
    rows, columns = len(problem.row_capacity), len(problem.column_capacity)
    tails, heads, filled = network.tails[edges:], network.heads[edges:], flow[edges:]
    of_rows, of_columns = tails < rows, heads < columns
    return (
        _sum_at(tails[of_rows], filled[of_rows], rows)
        + np.maximum(problem.row_floor - problem.row_capacity, 0),
        _sum_at(heads[of_columns], filled[of_columns], columns)
        + np.maximum(problem.column_floor - problem.column_capacity, 0),
    )


def _inexact(short: IntArray, problem: Problem) -> EngineError:
    culprits = np.flatnonzero(short)
    named = ", ".join(f"{c}: {short[c]} of {problem.column_capacity[c]}" for c in culprits[:_NAMED])
    return EngineError(
        f"exact_columns: {int(short.sum())} of {int(problem.column_capacity.sum())} bookings cannot be made; "
        f"{len(culprits)} columns are short ({named})"
    )


# --- one goal -----------------------------------------------------------------------------------------


def _best_of(network: Network, gains: IntArray) -> tuple[Optimum, Network]:
    """The optimum of one goal, and the network narrowed to what all its optima are among."""
    best = optimum(network, gains)
    return best, narrowed(network, gains, best)


def optimum(network: Network, gains: IntArray) -> Optimum:
    """A flow of the most Σ gain·flow within the bounds, with its prices and its bound."""
    open_ = np.flatnonzero(network.least < network.most)
    decided = network.least.copy()
    decided[open_] = 0
    row_sums, column_sums = network.sums(decided)
    rest = Network(
        network.tails[open_],
        network.heads[open_],
        network.least[open_],
        network.most[open_],
        np.maximum(network.row_low - row_sums, 0),
        network.row_high - row_sums,
        np.maximum(network.column_low - column_sums, 0),
        network.column_high - column_sums,
    )
    part = _min_cost_flow(rest, gains[open_])
    row_price, column_price = _prices(rest, gains[open_], part)
    flow = decided
    flow[open_] = part
    base = int((gains * network.least)[network.least == network.most].sum())
    return Optimum(
        flow,
        row_price,
        column_price,
        int((gains * flow).sum()),
        base + dual_value(rest, gains[open_], row_price, column_price),
    )


def _min_cost_flow(network: Network, gains: IntArray) -> IntArray:
    """[e] the flow; rows and columns hang on one node, which gives what lies between low and high."""
    from ortools.graph.python import min_cost_flow

    rows, columns = len(network.row_high), len(network.column_high)
    hub = rows + columns
    solver = min_cost_flow.SimpleMinCostFlow()
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        network.tails, rows + network.heads, network.most, -gains
    )
    for tails, heads, capacity in (
        (np.full(rows, hub), np.arange(rows), network.row_high - network.row_low),
        (rows + np.arange(columns), np.full(columns, hub), network.column_high - network.column_low),
    ):
        solver.add_arcs_with_capacity_and_unit_cost(tails, heads, capacity, np.zeros_like(capacity))
    supply = np.concatenate([network.row_low, -network.column_low])
    solver.set_nodes_supplies(np.arange(hub + 1), np.append(supply, -supply.sum()))
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise EngineError(f"allocation: the flow solver answered {status}")
    return np.asarray(solver.flows(arcs), dtype=np.int64)


def _prices(network: Network, gains: IntArray, flow: IntArray) -> tuple[IntArray, IntArray]:
    """[rows], [columns]: prices that fit the flow, by sweeps from columns to rows and back.

    Row prices only rise and column prices only fall; without a better flow there is no end to neither, so it
    takes at most one sweep for each row.
    """
    row_sums, column_sums = network.sums(flow)
    could, does = flow < network.most, flow > 0
    rises = _Reduced(np.maximum, network.tails[could], network.heads[could], gains[could])
    falls = _Reduced(np.minimum, network.heads[does], network.tails[does], gains[does])
    floor = np.where((network.row_low > 0) & (row_sums == network.row_low), -_FAR, 0)
    row_price = np.full_like(floor, -_FAR)
    # A column with room to spare is worth nothing more; one that is full, as much as somebody would pay.
    column_price = np.where(column_sums < network.column_high, 0, _FAR)
    for _ in range(len(floor) + 2):
        raised = np.maximum(rises.of(column_price, floor), row_price)
        if np.array_equal(raised, row_price):
            break
        row_price = raised
        column_price = falls.of(row_price, column_price)
    return row_price, column_price


class _Reduced:
    """For each node the largest (or smallest) gain − price over its edges, beside a value it has already."""

    def __init__(self, ufunc: np.ufunc, nodes: IntArray, others: IntArray, gains: IntArray) -> None:
        order = np.argsort(nodes, kind="stable")
        self._ufunc, self._others, self._gains = ufunc, others[order], gains[order]
        self._nodes, self._starts = np.unique(nodes[order], return_index=True)

    def of(self, prices: IntArray, beside: IntArray) -> IntArray:
        out = beside.copy()
        if len(self._nodes):
            best = self._ufunc.reduceat(self._gains - prices[self._others], self._starts)
            out[self._nodes] = self._ufunc(out[self._nodes], best)
        return out


def dual_value(network: Network, gains: IntArray, row_price: IntArray, column_price: IntArray) -> int:
    """An upper bound on the gain of any flow within the bounds, exact, whatever the prices."""
    over = np.maximum(gains - row_price[network.tails] - column_price[network.heads], 0)
    held = np.concatenate(
        [
            np.where(row_price > 0, network.row_high, network.row_low),
            np.where(column_price > 0, network.column_high, network.column_low),
        ]
    )
    prices = np.concatenate([row_price, column_price])
    # Python's whole numbers: a far price times a capacity leaves 64 bits.
    paid = sum(p * q for p, q in zip(prices.tolist(), held.tolist(), strict=True) if p and q)
    return int(paid) + int((over * network.most).sum())


def narrowed(network: Network, gains: IntArray, best: Optimum) -> Network:
    """The network whose flows are exactly the optima of `gains` (complementary slackness)."""
    open_ = network.least < network.most
    over = gains - best.row_price[network.tails] - best.column_price[network.heads]
    rows, columns = best.row_price, best.column_price
    return Network(
        network.tails,
        network.heads,
        np.where(open_ & (over > 0), network.most, network.least),
        np.where(open_ & (over < 0), network.least, network.most),
        np.where(rows > 0, network.row_high, network.row_low),
        np.where(rows < 0, network.row_low, network.row_high),
        np.where(columns > 0, network.column_high, network.column_low),
        np.where(columns < 0, network.column_low, network.column_high),
    )
