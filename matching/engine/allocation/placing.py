"""Finding hours for pairs one after the other: the earliest that fits, moving one meeting aside for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from matching.engine.allocation.calendars import Calendars
from matching.engine.allocation.problem import Problem
from matching.engine.types import HOURS_A_WEEK, BoolArray, IntArray


@dataclass
class Places:
    """What is still free while pairs are placed; copies of the calendars, changed in place."""

    problem: Problem
    calendars: Calendars
    offsets: IntArray
    hours: IntArray
    starts: IntArray  # [e], -1 for none
    hosts: NDArray[np.int8]
    free: BoolArray
    row_weeks: IntArray
    column_weeks: IntArray
    row_left: IntArray
    column_left: IntArray
    seats: dict[tuple[int, int], int] = field(default_factory=dict)  # (column, start) of open sessions
    of_row: dict[int, list[int]] = field(default_factory=dict)
    of_column: dict[int, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, calendars: Calendars, offsets: IntArray, hours: IntArray) -> Places:
        """Everything free that the calendars say is free."""
        return cls(
            problem,
            calendars,
            offsets,
            hours,
            np.full(len(problem), -1, dtype=np.int64),
            calendars.row_hosts.copy(),
            calendars.column_free.copy(),
            calendars.row_weeks.copy(),
            calendars.column_weeks.copy(),
            problem.row_capacity.copy(),
            problem.column_capacity.copy(),
        )

    def place(self, edges: IntArray) -> IntArray:
        """Give each of these edges a start, pins and those with the fewest choices first; which got none."""
        choices = np.diff(self.offsets)[edges]
        order = np.lexsort((edges, -self.problem.weights[edges], choices, ~self.problem.pinned[edges]))
        failed = [edge for edge in edges[order].tolist() if not self._place(edge, may_move=True)]
        return np.asarray(sorted(failed), dtype=np.int64)

    def fill(self) -> None:
        """Let the most valuable pairs that still have room on both sides use it."""
        problem = self.problem
        could = (self.starts < 0) & ~problem.forbidden & (problem.weights > 0)
        could &= (self.row_left[problem.rows] > 0) & (self.column_left[problem.columns] > 0)
        edges = np.flatnonzero(could)
        for edge in edges[np.lexsort((edges, -problem.weights[edges]))].tolist():
            self._place(edge, may_move=False)

    def _place(self, edge: int, *, may_move: bool) -> bool:
        row, column = int(self.problem.rows[edge]), int(self.problem.columns[edge])
        if self.row_left[row] <= 0 or self.column_left[column] <= 0:
            return False
        start = self._start_for(edge, row, column)
        if start is None and may_move:
            start = self._make_room(edge, row, column)
        if start is None:
            return False
        self._take(edge, row, column, start)
        return True

    def _start_for(self, edge: int, row: int, column: int, but: int = -1) -> int | None:
        """The first start that fits, one of a session that is already open before any other."""
        first = None
        for start in self.hours[self.offsets[edge] : self.offsets[edge + 1]].tolist():
            if start == but or not self._fits(row, column, start):
                continue
            if (column, start) in self.seats or self.calendars.places == 1:
                return int(start)
            first = start if first is None else first
        return first

    def _fits(self, row: int, column: int, start: int) -> bool:
        week, span = start // HOURS_A_WEEK, slice(start, start + self.calendars.session_hours)
        if self.row_weeks[row, week] <= 0 or self.column_weeks[column, week] <= 0:
            return False
        joins = self.seats.get((column, start), 0) > 0
        return bool((joins or self.free[column, span].all()) and (self.hosts[row, span] > 0).all())

    def _make_room(self, edge: int, row: int, column: int) -> int | None:
        """The first start that one placed meeting of either side can leave for another hour of its own."""
        near = [*self.of_row.get(row, ()), *self.of_column.get(column, ())]
        for start in self.hours[self.offsets[edge] : self.offsets[edge + 1]].tolist():
            for other in self._overlapping(near, start):
                if self._moved_aside(other, row, column, start):
                    return int(start)
        return None

    def _overlapping(self, edges: Iterable[int], start: int) -> list[int]:
        length = self.calendars.session_hours
        return [edge for edge in edges if abs(int(self.starts[edge]) - start) < length]

    def _moved_aside(self, other: int, row: int, column: int, start: int) -> bool:
        """Move `other` where it leaves room for the pair at `start`; else leave it where it was."""
        its_row, its_column = int(self.problem.rows[other]), int(self.problem.columns[other])
        before = int(self.starts[other])
        self._give_back(other, its_row, its_column)
        if self._fits(row, column, start):
            # Reserve the place of the pair first, so that the other does not move into it.
            self._occupy(row, column, start)
            again = self._start_for(other, its_row, its_column, but=before)
            self._vacate(row, column, start)
            if again is not None:
                self._take(other, its_row, its_column, again)
                return True
        self._take(other, its_row, its_column, before)
        return False

    # --- taking and giving back ---

    def _take(self, edge: int, row: int, column: int, start: int) -> None:
        self._occupy(row, column, start)
        self.starts[edge] = start
        self.of_row.setdefault(row, []).append(edge)
        self.of_column.setdefault(column, []).append(edge)

    def _give_back(self, edge: int, row: int, column: int) -> None:
        self._vacate(row, column, int(self.starts[edge]))
        self.starts[edge] = -1
        self.of_row[row].remove(edge)
        self.of_column[column].remove(edge)

    def _occupy(self, row: int, column: int, start: int) -> None:
        week, span = start // HOURS_A_WEEK, slice(start, start + self.calendars.session_hours)
        left = self.seats.get((column, start))
        self.seats[column, start] = (self.calendars.places if left is None else left) - 1
        self.free[column, span] = False
        self.hosts[row, span] -= 1
        self._count(row, column, week, -1)

    def _vacate(self, row: int, column: int, start: int) -> None:
        week, span = start // HOURS_A_WEEK, slice(start, start + self.calendars.session_hours)
        self.seats[column, start] += 1
        if self.seats[column, start] == self.calendars.places:
            del self.seats[column, start]
            self.free[column, span] = True
        self.hosts[row, span] += 1
        self._count(row, column, week, 1)

    def _count(self, row: int, column: int, week: int, by: int) -> None:
        self.row_left[row] += by
        self.column_left[column] += by
        self.row_weeks[row, week] += by
        self.column_weeks[column, week] += by
