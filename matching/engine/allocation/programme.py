"""A small match day with its hours as one mixed-integer programme (HiGHS), its gap told.

max Σ w_e x_es   over pairs e and hours s at which a session of the pair can start
Σ_s x_es ≤ 1; rows and columns within their capacity, in all and by week; at each hour no stall has more
hosts than room, and no anchor more than one session: Σ y_js ≤ 1 over the starts s that cover the hour,
Σ_i x_ijs ≤ places · y_js.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from matching.engine.allocation.calendars import Calendars
from matching.engine.allocation.problem import Problem
from matching.engine.types import HOURS_A_WEEK, FloatArray, IntArray

# The nodes end the search, so that the same day ends alike everywhere; the clock is only a net.
NODES = 2_000
SECONDS = 120.0


@dataclass(frozen=True)
class Planned:
    """The hour at which each edge starts, -1 for none, and a bound on the value of any plan."""

    starts: IntArray  # [e]
    bound: float
    proved: bool  # whether the search ended by itself


@dataclass
class _Rules:
    """Rows of the programme, one after the other: low ≤ Σ factor · variable ≤ high."""

    rows: list[IntArray] = field(default_factory=list)
    columns: list[IntArray] = field(default_factory=list)
    factors: list[FloatArray] = field(default_factory=list)
    low: list[FloatArray] = field(default_factory=list)
    high: list[FloatArray] = field(default_factory=list)
    count: int = 0

    def add(
        self, groups: IntArray, variables: IntArray, high: FloatArray, low: FloatArray | None = None
    ) -> IntArray:
        """One rule for each group that has a variable; returns the rule's number by group, -1 for none."""
        present = np.unique(groups)
        numbers = np.full(len(high), -1, dtype=np.int64)
        numbers[present] = self.count + np.arange(len(present))
        self.put(numbers[groups], variables, np.ones(len(variables)))
        self.low.append(np.full(len(present), -np.inf) if low is None else low[present])
        self.high.append(high[present])
        self.count += len(present)
        return numbers

    def put(self, rules: IntArray, variables: IntArray, factors: FloatArray) -> None:
        """Put more variables into rules that are there."""
        self.rows.append(rules)
        self.columns.append(variables)
        self.factors.append(factors)


def plan(problem: Problem, calendars: Calendars, offsets: IntArray, hours: IntArray) -> Planned:
    """The plan of the most value among those that place the most pins and then lack least of the floors."""
    edges = np.repeat(np.arange(len(problem)), np.diff(offsets))
    rules, variables, slack = _rules_of(problem, calendars, edges, hours)
    gains = np.zeros(variables)
    short = np.zeros(variables)
    gains[: len(edges)] = problem.weights[edges]
    short[slack] = 1.0
    pinned = np.zeros(variables)
    pinned[: len(edges)] = -1.0 * problem.pinned[edges]
    goals = [goal for goal in (pinned, short) if goal.any()]
    for goal in goals:
        found, _, _ = _minimise(goal, rules, slack)
        rules.put(np.full(variables, rules.count), np.arange(variables), goal)
        rules.low.append(np.array([-np.inf]))
        rules.high.append(np.array([np.rint(goal @ found) + 0.5]))
        rules.count += 1
    found, bound, proved = _minimise(-gains, rules, slack)
    starts = np.full(len(problem), -1, dtype=np.int64)
    taken = np.flatnonzero(found[: len(edges)] > 0.5)
    starts[edges[taken]] = hours[taken]
    return Planned(starts, -bound, proved)


def _rules_of(
    problem: Problem, calendars: Calendars, edges: IntArray, hours: IntArray
) -> tuple[_Rules, int, IntArray]:
    """All rules, the number of variables, and which of these are what floors lack."""
    rules, x = _Rules(), np.arange(len(edges))
    rows, columns, week = problem.rows[edges], problem.columns[edges], hours // HOURS_A_WEEK
    weeks = calendars.hours // HOURS_A_WEEK
    rules.add(edges, x, np.ones(len(problem)))
    of_rows = rules.add(rows, x, problem.row_capacity.astype(float))
    of_columns = rules.add(columns, x, problem.column_capacity.astype(float))
    rules.add(rows * weeks + week, x, calendars.row_weeks.ravel().astype(float))
    rules.add(columns * weeks + week, x, calendars.column_weeks.ravel().astype(float))
    covered = _covered(calendars, hours)
    long = np.repeat(x, calendars.session_hours)
    rules.add(rows[long] * calendars.hours + covered, long, calendars.row_hosts.ravel().astype(float))
    sessions, at = np.unique(columns * calendars.hours + hours, return_inverse=True)
    y = len(x) + np.arange(len(sessions))
    shared = rules.add(at, x, np.zeros(len(sessions)))
    rules.put(shared, y, np.full(len(sessions), -float(calendars.places)))
    covered = _covered(calendars, sessions % calendars.hours)
    whose = np.repeat(sessions // calendars.hours, calendars.session_hours)
    rules.add(
        whose * calendars.hours + covered,
        np.repeat(y, calendars.session_hours),
        np.ones(calendars.column_free.size),
    )
    floors = _floors(rules, problem, (rows, of_rows), (columns, of_columns), len(x) + len(y))
    return rules, len(x) + len(y) + len(floors), floors


def _covered(calendars: Calendars, starts: IntArray) -> IntArray:
    """The hours of the sessions that start then, one after the other."""
    return np.asarray((starts[:, None] + np.arange(calendars.session_hours)).ravel())


def _floors(
    rules: _Rules,
    problem: Problem,
    rows: tuple[IntArray, IntArray],
    columns: tuple[IntArray, IntArray],
    first: int,
) -> IntArray:
    """Let a variable of its own stand for what each floor lacks; their numbers, from `first` on."""
    numbers = [np.empty(0, dtype=np.int64)]
    for (own, _), floor in ((rows, problem.row_floor), (columns, problem.column_floor)):
        floored = np.flatnonzero(floor)
        at = np.flatnonzero(np.isin(own, floored))
        slack = first + np.arange(len(floored))
        groups = np.concatenate([np.searchsorted(floored, own[at]), np.arange(len(floored))])
        if len(floored):
            low = floor[floored].astype(float)
            rules.add(groups, np.concatenate([at, slack]), np.full(len(floored), np.inf), low)
        numbers.append(slack)
        first += len(floored)
    return np.concatenate(numbers)


def _minimise(costs: FloatArray, rules: _Rules, slack: IntArray) -> tuple[FloatArray, float, bool]:
    """The variables, the least that any could cost, and whether that is proved."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    matrix = csr_array(
        (_joined(rules.factors), (_joined(rules.rows), _joined(rules.columns))),
        shape=(rules.count, len(costs)),
    )
    upper = np.ones(len(costs))
    upper[slack] = np.inf
    found = milp(
        costs,
        constraints=LinearConstraint(matrix, _joined(rules.low), _joined(rules.high)),
        integrality=np.ones(len(costs)),
        bounds=Bounds(np.zeros(len(costs)), upper),
        options={"node_limit": NODES, "time_limit": SECONDS, "mip_rel_gap": 1e-9},
    )
    if found.x is None:
        # Nobody booked is always a plan, unless an earlier goal holds it up: then the search was cut short.
        return np.zeros(len(costs)), -np.inf, False
    bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
    return np.asarray(found.x), float(bound), found.status == 0


def _joined(parts: Iterable[FloatArray | IntArray]) -> FloatArray:
    return np.concatenate(list(parts))
