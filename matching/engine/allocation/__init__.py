"""Match day: the exact many-to-many allocation of a whole town, its hours, and the report on it.

`solve` is the plain problem (capacities, pins, forbids, floors) as a minimum-cost flow, `timetable` the one
with common hours and mixed sessions, `report_on` what staff are told. Nothing here is rounded from a
relaxation: a flow with integer capacities is integral by itself.
"""

from matching.engine.allocation.calendars import Calendars
from matching.engine.allocation.flow import Allocation, solve
from matching.engine.allocation.hours import Timetable, timetable
from matching.engine.allocation.matrix import problem_of_matrix, solve_matrix
from matching.engine.allocation.problem import Problem
from matching.engine.allocation.report import Unmatched, blocking_pairs, gini, why_unmatched

__all__ = [
    "Allocation",
    "Calendars",
    "Problem",
    "Timetable",
    "Unmatched",
    "blocking_pairs",
    "gini",
    "problem_of_matrix",
    "solve",
    "solve_matrix",
    "timetable",
    "why_unmatched",
]
