"""Match days with hours: plans within all calendars, the programme no worse than placing, by hand."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from matching.engine.allocation import Calendars, Problem, Timetable, problem_of_matrix, timetable
from matching.engine.errors import EngineError
from matching.engine.types import HOURS_A_WEEK


def calendars_of(rows: dict, columns: dict, *, weeks=1, hours=2, places=1, hosts=1) -> Calendars:
    """Calendars with the given free hours by number of row and column."""
    size = weeks * HOURS_A_WEEK
    row_hosts = np.zeros((len(rows), size), dtype=np.int8)
    column_free = np.zeros((len(columns), size), dtype=bool)
    for row, free in rows.items():
        row_hosts[row, list(free)] = hosts
    for column, free in columns.items():
        column_free[column, list(free)] = True
    room = (np.full((len(rows), weeks), 99), np.full((len(columns), weeks), 99))
    return Calendars(row_hosts, column_free, *room, session_hours=hours, places=places)


def assert_within(problem: Problem, calendars: Calendars, found: Timetable) -> None:
    """Hours, hosts, sessions, places, weeks and capacities all hold."""
    stall_hours, sessions = Counter(), Counter()
    weeks = Counter()
    for edge in found.chosen.tolist():
        row, column, start = int(problem.rows[edge]), int(problem.columns[edge]), int(found.starts[edge])
        assert not problem.forbidden[edge]
        span = range(start, start + calendars.session_hours)
        assert calendars.column_free[column, list(span)].all()
        stall_hours.update((row, hour) for hour in span)
        sessions[column, start] += 1
        weeks.update([("row", row, start // HOURS_A_WEEK), ("column", column, start // HOURS_A_WEEK)])
    assert all(count <= calendars.row_hosts[row, hour] for (row, hour), count in stall_hours.items())
    assert all(count <= calendars.places for count in sessions.values())
    anchor_hours = Counter(
        (column, hour) for column, start in sessions for hour in range(start, start + calendars.session_hours)
    )
    assert all(count == 1 for count in anchor_hours.values())
    room = {"row": calendars.row_weeks, "column": calendars.column_weeks}
    assert all(count <= room[side][party, week] for (side, party, week), count in weeks.items())
    for at, capacity in ((problem.rows, problem.row_capacity), (problem.columns, problem.column_capacity)):
        assert (np.bincount(at[found.chosen], minlength=len(capacity)) <= capacity).all()


def random_day(rng: np.random.Generator, rows: int, columns: int, free: float, weeks: int = 1):
    scores = rng.random((rows, columns))
    scores[rng.random((rows, columns)) < 0.3] = np.nan
    problem = problem_of_matrix(scores, rng.integers(1, 4, rows), rng.integers(1, 4, columns))
    size = weeks * HOURS_A_WEEK
    evening = np.isin(np.arange(size) % 24, (18, 19, 20, 21))
    hosts = rng.integers(1, 3, (rows, 1), dtype=np.int8)
    calendars = Calendars(
        ((rng.random((rows, size)) < free) & evening) * hosts,
        (rng.random((columns, size)) < free) & evening,
        rng.integers(0, 3, (rows, weeks)),
        rng.integers(0, 3, (columns, weeks)),
        session_hours=2,
        places=int(rng.integers(1, 3)),
    )
    return problem, calendars


def test_every_plan_is_within_all_calendars_and_the_programme_is_at_least_as_good() -> None:
    rng = np.random.default_rng(621)
    better = 0
    for _ in range(12):
        problem, calendars = random_day(rng, 5, 5, 0.5)
        programme = timetable(problem, calendars)
        placed = timetable(problem, calendars, most_variables=0)
        assert (programme.method, placed.method) == ("programme", "flow")
        for found in (programme, placed):
            assert_within(problem, calendars, found)
            assert found.value <= found.bound + 1e-9
        assert placed.value <= programme.value + 1e-9 <= programme.bound + 2e-9
        assert programme.gap <= 1e-6
        better += programme.value > placed.value + 1e-9
    assert better, "placing is not always the best, or the programme is not asked"


def test_a_larger_day_is_placed_near_the_flow_that_knows_no_hours() -> None:
    problem, calendars = random_day(np.random.default_rng(7), 60, 120, 0.8, weeks=2)
    found = timetable(problem, calendars)
    assert found.method == "flow" and found.gap < 0.05
    assert_within(problem, calendars, found)
    again = timetable(problem, calendars)
    assert np.array_equal(found.starts, again.starts)


def test_one_meeting_moves_aside_for_another() -> None:
    # Both pairs of anchor 0 fit at hour 20; only stall 0 can also come at 30.
    problem = problem_of_matrix(np.array([[2.0], [1.0]]), np.array([1, 1]), np.array([2]))
    calendars = calendars_of({0: [20, 21, 30, 31], 1: [20, 21]}, {0: [20, 21, 30, 31]})
    for variables in (0, 100):
        found = timetable(problem, calendars, most_variables=variables)
        assert found.starts.tolist() == [30, 20] and found.gap == pytest.approx(0.0)


def test_a_mixed_session_holds_as_many_stalls_as_it_has_places() -> None:
    problem = problem_of_matrix(np.array([[3.0], [2.0], [1.0]]), np.ones(3, int), np.array([3]))
    hours = {0: [20, 21], 1: [20, 21], 2: [20, 21]}
    for variables in (0, 100):
        exclusive = timetable(problem, calendars_of(hours, {0: [20, 21]}), most_variables=variables)
        assert exclusive.starts.tolist() == [20, -1, -1] and exclusive.value == 3.0
        mixed = timetable(problem, calendars_of(hours, {0: [20, 21]}, places=2), most_variables=variables)
        assert mixed.starts.tolist() == [20, 20, -1]


def test_a_stall_hosts_as_many_at_once_as_it_may() -> None:
    problem = problem_of_matrix(np.array([[3.0, 2.0]]), np.array([2]), np.array([1, 1]))
    free = {0: [20, 21], 1: [20, 21]}
    for variables in (0, 100):
        for hosts, starts in ((1, [20, -1]), (2, [20, 20])):
            calendars = calendars_of({0: [20, 21]}, free, hosts=hosts)
            assert timetable(problem, calendars, most_variables=variables).starts.tolist() == starts


def test_pins_and_floors_come_before_value_and_a_pin_without_an_hour_is_told() -> None:
    problem = problem_of_matrix(np.array([[9.0], [1.0]]), np.array([1, 1]), np.array([1]))
    calendars = calendars_of({0: [20, 21], 1: [20, 21]}, {0: [20, 21]})
    for variables in (0, 100):
        pinned = replace(problem, pinned=np.array([False, True]))
        assert timetable(pinned, calendars, most_variables=variables).starts.tolist() == [-1, 20]
        floored = replace(problem, row_floor=np.array([0, 1]))
        found = timetable(floored, calendars, most_variables=variables)
        assert found.starts.tolist() == [-1, 20] and found.gap == pytest.approx(0.0)
        closed = calendars_of({0: [20, 21], 1: [40, 41]}, {0: [20, 21]})
        found = timetable(pinned, closed, most_variables=variables)
        assert found.starts.tolist() == [20, -1] and found.without_hours.tolist() == [1]


def test_a_floor_that_hours_do_not_allow_leaves_a_bound_that_holds() -> None:
    # Two floored rows of the one column, which has two bookings left but only one session's hours.
    problem = problem_of_matrix(np.array([[1.0], [1.0], [9.0]]), np.ones(3, int), np.array([2]))
    problem = replace(problem, row_floor=np.array([1, 1, 0]))
    calendars = calendars_of({0: [20, 21], 1: [20, 21], 2: [20, 21]}, {0: [20, 21]})
    programme = timetable(problem, calendars)
    assert (programme.value, programme.bound) == (1.0, pytest.approx(1.0)), "one floor is met, which is most"
    placed = timetable(problem, calendars, most_variables=0)
    # The flow meets both floors with a value of 2, which says nothing of plans that meet one.
    assert (placed.value, placed.bound) == (1.0, 10.0)


def test_no_session_runs_over_the_end_and_none_starts_in_a_full_week() -> None:
    problem = problem_of_matrix(np.array([[1.0]]), np.array([1]), np.array([1]))
    last = HOURS_A_WEEK - 1
    assert timetable(problem, calendars_of({0: [last]}, {0: [last]})).starts.tolist() == [-1]
    two = calendars_of({0: [20, 21, 200, 201]}, {0: [20, 21, 200, 201]}, weeks=2)
    assert timetable(problem, two).starts.tolist() == [20]
    full = replace(two, column_weeks=np.array([[0, 1]]))
    assert timetable(problem, full).starts.tolist() == [200]


def test_calendars_that_do_not_fit_are_named() -> None:
    good = calendars_of({0: [1]}, {0: [1]})
    for change, name in (
        ({"row_hosts": np.ones((1, 5), dtype=np.int8)}, "row_hosts"),
        ({"column_free": np.ones((1, 336), dtype=bool)}, "row_hosts, column_free"),
        ({"row_weeks": np.ones((2, 1))}, "row_weeks"),
        ({"column_weeks": np.ones((1, 2))}, "column_weeks"),
        ({"session_hours": 0}, "session_hours"),
        ({"places": 0}, "places"),
    ):
        with pytest.raises(EngineError, match=f"^{name}"):
            replace(good, **change)
