"""A match day with hours: who meets, and when, so that no calendar carries more than it may.

A small day is one mixed-integer programme. A large one takes the exact flow and finds its pairs hours, most
constrained first, moving one meeting aside where that makes room; pairs that found none are left out of the
next flow. Either way the value is compared with a bound that no plan can beat: the programme's own, or the
flow that knows no hours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from matching.engine.allocation.calendars import Calendars, common_starts
from matching.engine.allocation.flow import Allocation, solve
from matching.engine.allocation.placing import Places
from matching.engine.allocation.problem import Problem
from matching.engine.allocation.programme import plan
from matching.engine.types import BoolArray, IntArray

# Pairs times starts that the programme takes: a second or so; beyond, its relaxations take too long.
MOST_VARIABLES = 20_000
ROUNDS = 6


@dataclass(frozen=True)
class Timetable:
    """The start of each edge's session (hours from Monday 00:00 of the first week; -1: not chosen).

    `bound` is what no plan can beat that does as well by pins and floors, `gap` = (bound − value) / bound;
    `without_hours` [k] are pinned edges for which no hour was found. `allocation` is the one without hours,
    whose prices and shortfalls explain.
    """

    starts: IntArray  # [e]
    value: float
    bound: float
    gap: float
    method: str  # "programme" or "flow"
    without_hours: IntArray
    possible: BoolArray  # [e] whether the pair has a common hour at all
    allocation: Allocation

    @property
    def chosen(self) -> IntArray:
        """Numbers of the chosen edges, ascending."""
        return np.flatnonzero(self.starts >= 0)


def timetable(problem: Problem, calendars: Calendars, *, most_variables: int = MOST_VARIABLES) -> Timetable:
    """The most valuable plan that was found, and how far from the best it can be at most.

    Floors and pins count before value; a pin for which there is no hour is told. `exact_columns` is not for
    days with hours.
    """
    offsets, hours = common_starts(problem, calendars)
    impossible = np.diff(offsets) == 0
    meant = problem.pinned
    problem = replace(
        problem,
        row_capacity=np.minimum(problem.row_capacity, calendars.row_weeks.sum(axis=1)),
        column_capacity=np.minimum(problem.column_capacity, calendars.column_weeks.sum(axis=1)),
        pinned=meant & ~impossible,
        forbidden=problem.forbidden | impossible,
        exact_columns=False,
    )
    allocation = solve(problem)
    if len(hours) <= most_variables and len(hours):
        kept = np.repeat(~problem.forbidden, np.diff(offsets))
        counts = np.where(problem.forbidden, 0, np.diff(offsets))
        planned = plan(problem, calendars, np.concatenate([[0], np.cumsum(counts)]), hours[kept])
        starts, method, bound = planned.starts, "programme", planned.bound
    else:
        starts, method, bound = _placed(problem, calendars, offsets, hours, allocation), "flow", np.inf
    value = float(problem.weights[starts >= 0].sum())
    best = max(min(bound, _bound_without_hours(problem, allocation, starts)), value)
    return Timetable(
        starts=starts,
        value=value,
        bound=best,
        gap=(best - value) / best if best > 0 else 0.0,
        method=method,
        possible=~impossible,
        without_hours=np.flatnonzero(meant & (starts < 0)),
        allocation=allocation,
    )


def _bound_without_hours(problem: Problem, allocation: Allocation, starts: IntArray) -> float:
    """What no plan can be worth that places as many pins and meets as much of the floors as this one.

    The flow that knows no hours says so where the plan reaches what the flow reaches; where hours cost it a
    pin or a floor, the flow that knows neither does.
    """
    if _worth(problem, starts)[:2] == _worth(problem, np.where(allocation.chosen, 0, -1))[:2]:
        return allocation.optimum
    free = replace(
        problem,
        pinned=np.zeros_like(problem.pinned),
        row_floor=np.zeros_like(problem.row_floor),
        column_floor=np.zeros_like(problem.column_floor),
    )
    return solve(free).optimum


def _placed(
    problem: Problem, calendars: Calendars, offsets: IntArray, hours: IntArray, allocation: Allocation
) -> IntArray:
    """Starts [e] of the best of some rounds of flow and placing."""
    best = np.full(len(problem), -1, dtype=np.int64)
    best_key = (-1, -1, -np.inf)
    for number in range(ROUNDS):
        if number:
            allocation = solve(problem)
        places = Places.of(problem, calendars, offsets, hours)
        failed = places.place(np.flatnonzero(allocation.chosen))
        places.fill()
        key = _worth(problem, places.starts)
        if key > best_key:
            best, best_key = places.starts.copy(), key
        if not len(failed):
            break
        left_out = problem.forbidden.copy()
        left_out[failed] = True
        problem = replace(problem, forbidden=left_out, pinned=problem.pinned & ~left_out)
    return best


def _worth(problem: Problem, starts: IntArray) -> tuple[int, int, float]:
    """How many pins are placed, how much of the floors is met, and the value: the first counts first."""
    chosen = starts >= 0
    met = 0
    for at, floor in ((problem.rows, problem.row_floor), (problem.columns, problem.column_floor)):
        met += int(np.minimum(np.bincount(at[chosen], minlength=len(floor)), floor).sum())
    return int((chosen & problem.pinned).sum()), met, float(problem.weights[chosen].sum())
