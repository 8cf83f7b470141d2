"""When the sessions of a match day may be: free hours, hosts at once and weekly room of both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matching.engine.allocation.problem import Problem
from matching.engine.errors import EngineError
from matching.engine.types import HOURS_A_WEEK, BoolArray, IntArray


@dataclass(frozen=True)
class Calendars:
    """Hours are numbered from Monday 00:00 of the first week; h hours are whole weeks of them.

    `places` is how many stalls may share one session of an anchor: 1 is an exclusive session.
    """

    row_hosts: NDArray[np.int8]  # [m, h] hosts that the stall still has room for; 0 closed
    column_free: BoolArray  # [n, h]
    row_weeks: IntArray  # [m, h / 168] bookings left in each week
    column_weeks: IntArray  # [n, h / 168]
    session_hours: int
    places: int = 1

    def __post_init__(self) -> None:
        hours = self.row_hosts.shape[1]
        if hours == 0 or hours % HOURS_A_WEEK or self.column_free.shape[1] != hours:
            raise EngineError(f"row_hosts, column_free: whole weeks of {HOURS_A_WEEK} hours expected on both")
        for name, of in (("row_weeks", self.row_hosts), ("column_weeks", self.column_free)):
            if getattr(self, name).shape != (len(of), hours // HOURS_A_WEEK):
                raise EngineError(f"{name}: shape ({len(of)}, {hours // HOURS_A_WEEK}) expected")
        if not 1 <= self.session_hours <= 24:
            raise EngineError(f"session_hours: 1 to 24 expected, {self.session_hours} given")
        if self.places < 1:
            raise EngineError(f"places: at least 1 expected, {self.places} given")

    @property
    def hours(self) -> int:
        return int(self.row_hosts.shape[1])

    def starts(self) -> tuple[BoolArray, BoolArray]:
        """[m, h], [n, h]: the hours at which a whole session fits each, in a week with room."""
        weeks = np.arange(self.hours) // HOURS_A_WEEK
        rows = whole(self.row_hosts > 0, self.session_hours) & (self.row_weeks > 0)[:, weeks]
        return rows, whole(self.column_free, self.session_hours) & (self.column_weeks > 0)[:, weeks]


def whole(free: BoolArray, session_hours: int) -> BoolArray:
    """[..., h] the hours from which `session_hours` in a row are free; none that runs over the end."""
    fits = free.copy()
    hours = free.shape[-1]
    for later in range(1, session_hours):
        fits[..., : hours - later] &= free[..., later:]
        fits[..., hours - later :] = False
    return fits


def common_starts(problem: Problem, calendars: Calendars) -> tuple[IntArray, IntArray]:
    """Offsets [e + 1] and hours: edge k can start at hours[offsets[k]:offsets[k + 1]], ascending."""
    rows, columns = calendars.starts()
    parts, counts = [np.empty(0, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
    step = max(1, 4_000_000 // calendars.hours)
    for at in range(0, len(problem), step):
        block = slice(at, at + step)
        both = rows[problem.rows[block]] & columns[problem.columns[block]]
        parts.append(np.nonzero(both)[1])
        counts.append(both.sum(axis=1))
    return np.cumsum(np.concatenate(counts)), np.concatenate(parts)
