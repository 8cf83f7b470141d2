"""The allocation of a match day against HiGHS on random small markets, by hand, and at its edges.

`MATCHMAKER_TEST_EXAMPLES` says how many random markets (10,000 in the long run).
"""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp

from benchmarks import matchday
from matching.engine.allocation import (
    Problem,
    blocking_pairs,
    gini,
    problem_of_matrix,
    solve,
    solve_matrix,
    why_unmatched,
)
from matching.engine.errors import EngineError

MARKETS = int(os.environ.get("MATCHMAKER_TEST_EXAMPLES", "200"))
nan = float("nan")


def by_highs(problem: Problem) -> tuple[float, float]:
    """By branch and bound: the fewest bookings that the floors must lack, and the most value with so few."""
    edges, rows, columns = len(problem), len(problem.row_capacity), len(problem.column_capacity)
    taken = np.zeros((rows + columns, edges + rows + columns))
    taken[problem.rows, np.arange(edges)] = 1
    taken[rows + problem.columns, np.arange(edges)] = 1
    filled = taken.copy()
    filled[:, edges:] = np.eye(rows + columns)
    lacking = np.concatenate([np.zeros(edges), np.ones(rows + columns)])
    rules = [
        LinearConstraint(filled, np.concatenate([problem.row_floor, problem.column_floor]), np.inf),
        LinearConstraint(taken, -np.inf, np.concatenate([problem.row_capacity, problem.column_capacity])),
    ]
    least = np.concatenate([problem.pinned, np.zeros(rows + columns)])
    most = np.concatenate([1.0 - problem.forbidden, np.full(rows + columns, np.inf)])
    options = {"integrality": np.ones(len(lacking)), "bounds": (least, most)}
    short = milp(lacking, constraints=rules, **options).fun
    rules.append(LinearConstraint(lacking, -np.inf, short + 0.5))
    weights = np.concatenate([problem.weights, np.zeros(rows + columns)])
    return float(short), -float(milp(-weights, constraints=rules, **options).fun)


def random_problem(rng: np.random.Generator) -> Problem:
    rows, columns = int(rng.integers(1, 7)), int(rng.integers(1, 8))
    keys = rng.permutation(rows * columns)[: int(rng.integers(1, rows * columns + 1))]
    weights = rng.random(len(keys)) if rng.random() < 0.5 else rng.integers(-1, 4, len(keys)) / 2
    mark = rng.random(len(keys))
    problem = Problem(
        keys // columns,
        keys % columns,
        weights.astype(float),
        rng.integers(0, 4, rows),
        rng.integers(0, 3, columns),
        forbidden=mark > 0.9,
        row_floor=rng.integers(0, 2, rows) * (rng.random() < 0.3),
        column_floor=rng.integers(0, 3, columns) * (rng.random() < 0.5),
    )
    try:
        return replace(problem, pinned=mark < 0.1 * rng.integers(0, 2))
    except EngineError:  # more pins than capacity
        return problem


def assert_within(problem: Problem, chosen: np.ndarray) -> None:
    rows = np.bincount(problem.rows[chosen], minlength=len(problem.row_capacity))
    columns = np.bincount(problem.columns[chosen], minlength=len(problem.column_capacity))
    assert (rows <= problem.row_capacity).all() and (columns <= problem.column_capacity).all()
    assert chosen[problem.pinned].all() and not chosen[problem.forbidden].any()
    if problem.exact_columns:
        assert (columns == problem.column_capacity).all()


def test_random_markets_agree_with_an_independent_solver() -> None:
    rng = np.random.default_rng(621)
    for number in range(MARKETS):
        problem = random_problem(rng)
        found = solve(problem)
        assert_within(problem, found.chosen)
        short, best = by_highs(problem)
        assert found.row_shortfall.sum() + found.column_shortfall.sum() == pytest.approx(short), number
        assert found.value == pytest.approx(best, abs=1e-7), number
        assert found.gap == 0.0


def test_exact_columns_agree_with_an_independent_solver_or_are_refused() -> None:
    rng = np.random.default_rng(622)
    refused = 0
    for number in range(MARKETS // 3):
        problem = random_problem(rng)
        problem = replace(problem, row_floor=np.zeros_like(problem.row_floor), exact_columns=True)
        short, best = by_highs(problem)
        if short > 0.5:
            refused += 1
            with pytest.raises(
                EngineError, match=f"exact_columns: {round(short)} of .* bookings cannot be made"
            ):
                solve(problem)
            continue
        found = solve(problem)
        assert_within(problem, found.chosen)
        assert (found.gap, found.value) == (0.0, pytest.approx(best, abs=1e-7)), number
    assert 0 < refused < MARKETS // 3


def test_the_worked_example_of_the_documentation() -> None:
    # Stall 0 leaves the famous anchor to stall 2, which knows nobody else: 6 + 7 > 8 + 4.
    scores = np.array([[8.0, 6.0], [5.0, 4.0], [7.0, nan]])
    found = solve_matrix(scores, np.array([1, 1, 1]), np.array([1, 1]))
    assert list(zip(found.rows.tolist(), found.columns.tolist(), strict=True)) == [(0, 1), (2, 0)]
    assert found.allocation.value == found.allocation.optimum == 13.0
    # The prices prove it: an hour of anchor 0 is worth 7, of anchor 1 between 4 and 5.
    unit = found.allocation.unit
    prices = [found.allocation.row_price * unit, found.allocation.column_price * unit]
    bound = (
        prices[0].sum()
        + prices[1].sum()
        + np.nan_to_num(np.maximum(scores - prices[0][:, None] - prices[1], 0)).sum()
    )
    assert bound == 13.0
    # Greedy would take 8 first, then 4.
    assert found.allocation.value > 8 + 4


def test_ties_go_to_the_lower_numbers_whatever_the_order_of_the_edges() -> None:
    ones = problem_of_matrix(np.ones((4, 4)), np.ones(4), np.ones(4))
    rng = np.random.default_rng(3)
    for _ in range(5):
        order = rng.permutation(len(ones))
        mixed = Problem(
            ones.rows[order],
            ones.columns[order],
            ones.weights[order],
            ones.row_capacity,
            ones.column_capacity,
        )
        chosen = solve(mixed).chosen
        pairs = sorted(zip(mixed.rows[chosen].tolist(), mixed.columns[chosen].tolist(), strict=True))
        assert len(pairs) == 4
        first = solve(ones).chosen
        assert pairs == sorted(zip(ones.rows[first].tolist(), ones.columns[first].tolist(), strict=True))
    few = solve_matrix(np.ones((2, 3)), np.array([1, 1]), np.array([1, 1, 1]))
    assert set(few.columns.tolist()) == {0, 1}, "the third anchor has the highest number"


def test_a_floor_comes_before_value_and_what_it_lacks_is_told() -> None:
    scores = np.array([[9.0, 1.0, nan], [8.0, nan, nan]])
    problem = problem_of_matrix(scores, np.array([1, 1]), np.array([2, 1, 1]))
    assert solve(problem).value == 17.0
    floored = solve(replace(problem, column_floor=np.array([0, 1, 2])))
    assert floored.value == 9.0 and floored.column_shortfall.tolist() == [0, 0, 2]
    assert floored.gap == 0.0


def test_pins_and_forbids_hold_and_contradictions_are_named() -> None:
    problem = problem_of_matrix(np.array([[3.0, 2.0]]), np.array([1]), np.array([1, 1]))
    assert solve(replace(problem, pinned=np.array([False, True]))).value == 2.0
    assert solve(replace(problem, forbidden=np.array([True, False]))).value == 2.0
    both = np.array([True, False])
    with pytest.raises(EngineError, match=r"1 pairs are pinned and forbidden: \(0, 0\)"):
        replace(problem, pinned=both, forbidden=both)
    with pytest.raises(EngineError, match=r"more pins than capacity \(row 0: 2 of 1\)"):
        replace(problem, pinned=np.array([True, True]))


@pytest.mark.parametrize(
    "scores, rows, columns",
    [
        (np.empty((0, 0)), [], []),
        (np.empty((0, 3)), [], [1, 1, 1]),
        (np.full((2, 2), nan), [1, 1], [1, 1]),
        (np.ones((2, 2)), [0, 0], [1, 1]),
        (np.ones((2, 2)), [1, 1], [0, 0]),
        (-np.ones((2, 2)), [1, 1], [1, 1]),
        (np.zeros((2, 2)), [1, 1], [1, 1]),
    ],
)
def test_a_market_where_nothing_can_be_is_an_empty_allocation(scores, rows, columns) -> None:
    found = solve_matrix(scores, np.array(rows, dtype=int), np.array(columns, dtype=int))
    assert len(found.rows) == 0 and found.allocation.value == 0.0 and found.allocation.gap == 0.0


@pytest.mark.parametrize(
    "change, names",
    [
        ({"scores": np.ones(4)}, "scores"),
        ({"scores": np.array([["a", "b"], ["c", "d"]])}, "scores"),
        ({"scores": np.array([[1.0, np.inf], [0.0, 0.0]])}, "scores"),
        ({"row_capacity": np.ones(3)}, "row_capacity"),
        ({"column_capacity": np.ones((2, 1))}, "column_capacity"),
        ({"row_capacity": np.array([1, -1])}, "row_capacity"),
        ({"row_capacity": np.array([1.5, 1.0])}, "row_capacity"),
        ({"column_capacity": np.array([1.0, nan])}, "column_capacity"),
        ({"column_capacity": np.array([1.0, np.inf])}, "column_capacity"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, names) -> None:
    arrays = {"scores": np.ones((2, 2)), "row_capacity": np.ones(2), "column_capacity": np.ones(2)}
    with pytest.raises(EngineError, match=f"^{names}:"):
        solve_matrix(**(arrays | change))


def test_edges_that_do_not_fit_are_named() -> None:
    one = np.array([0])
    with pytest.raises(EngineError, match="stands there twice"):
        Problem(np.array([0, 0]), np.array([0, 0]), np.ones(2), one, one)
    with pytest.raises(EngineError, match="^columns: numbers from 0"):
        Problem(one, np.array([1]), np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(EngineError, match="^weights: finite"):
        Problem(one, one, np.array([nan]), np.ones(1), np.ones(1))
    with pytest.raises(EngineError, match="^weights: one value"):
        Problem(one, one, np.ones(2), np.ones(1), np.ones(1))
    with pytest.raises(EngineError, match="^column_floor"):
        Problem(one, one, np.ones(1), np.ones(1), np.ones(1), column_floor=np.ones(2))


@pytest.mark.parametrize("exact", [False, True])
def test_a_dense_matrix_is_priced_in_to_the_same_optimum(exact: bool) -> None:
    rng = np.random.default_rng(5)
    for size in ((40, 60), (120, 90)):
        scores = rng.random(size) - 0.2
        scores[rng.random(size) < 0.1] = nan
        capacities = rng.integers(0, 6, size[0]) + 3 * exact, rng.integers(0, 3, size[1])
        whole = solve_matrix(scores, *capacities, exact_columns=exact)
        priced = solve_matrix(scores, *capacities, exact_columns=exact, most_edges=100)
        assert priced.allocation.gap == whole.allocation.gap == 0.0
        assert priced.allocation.value == pytest.approx(whole.allocation.value, rel=1e-9)
        assert len(priced.problem) < len(whole.problem)


def test_exact_columns_beyond_the_best_cells_are_filled_and_what_cannot_be_is_refused() -> None:
    # Every column likes the same few rows best, which cannot serve them all.
    size = 300
    scores = np.tile(np.linspace(1, 0, size)[:, None], (1, size)) + np.eye(size) * 0.1
    found = solve_matrix(scores, np.ones(size), np.ones(size), exact_columns=True, most_edges=100)
    assert len(found.rows) == size and found.allocation.gap == 0.0
    with pytest.raises(EngineError, match="1 of 301 bookings cannot be made"):
        solve_matrix(scores, np.ones(size), np.r_[2, np.ones(size - 1)], exact_columns=True, most_edges=100)


def test_blocking_pairs_are_those_who_would_both_rather() -> None:
    scores = np.array([[8.0, 6.0], [5.0, 4.0], [7.0, nan]])
    problem = problem_of_matrix(scores, np.array([1, 1, 1]), np.array([1, 1]))
    found = solve(problem)
    blocking = blocking_pairs(problem, found.chosen)
    pairs = list(zip(problem.rows[blocking].tolist(), problem.columns[blocking].tolist(), strict=True))
    assert pairs == [(0, 0)], "stall 0 and anchor 0 like each other better than whom they got"
    pinned = solve(replace(problem, pinned=found.chosen))
    assert not len(blocking_pairs(replace(problem, pinned=found.chosen), pinned.chosen)), "staff decided"
    # By their own likings stall 0 is content, so nobody blocks.
    liking = np.where((problem.rows == 0) & (problem.columns == 1), 99.0, problem.weights)
    assert not len(blocking_pairs(problem, found.chosen, row_liking=liking))


def test_who_went_without_is_told_why() -> None:
    scores = np.array([[9.0, nan, 8.0, -1.0], [9.0, nan, nan, nan]])
    problem = problem_of_matrix(scores, np.array([2, 0]), np.array([1, 1, 0, 1]))
    found = solve(problem)
    assert why_unmatched(problem, found.chosen, columns=False) == {1: "no_capacity"}
    assert why_unmatched(problem, found.chosen, columns=True) == {
        1: "no_candidate", 2: "no_capacity", 3: "beaten",
    }  # fmt: skip
    full = problem_of_matrix(np.array([[2.0, 1.0]]), np.array([1]), np.array([1, 1]))
    assert why_unmatched(full, solve(full).chosen, columns=True) == {1: "all_candidates_full"}


@pytest.mark.parametrize("counts, expected", [([1, 1, 1], 0.0), ([0, 0, 4], 2 / 3), ([], 0.0), ([0, 0], 0.0)])
def test_gini_by_hand(counts, expected) -> None:
    assert gini(np.array(counts)) == pytest.approx(expected)


def test_the_benchmark_reads_arrays_and_names_what_is_wrong(tmp_path, capsys) -> None:
    arrays = {
        "scores": np.array([[0.5, nan], [0.25, 1]]),
        "row-capacity": np.ones(2),
        "column-capacity": np.ones(2),
    }
    options = []
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        options += [f"--{name}", str(tmp_path / f"{name}.npy")]
    assert matchday.main(options) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["value"], told["optimum"], told["gap"], told["blocking_pairs"]) == (1.5, 1.5, 0.0, 0)
    np.save(tmp_path / "row-capacity.npy", np.ones(3))
    assert matchday.main([*options, "--exact-columns"]) == 2
    assert "row_capacity: shape (2,) expected" in capsys.readouterr().err
    assert matchday.main(options[:2]) == 2 and "--row-capacity" in capsys.readouterr().err
    (tmp_path / "scores.npy").write_text("no array")
    assert matchday.main(options) == 2 and "scores: an array file" in capsys.readouterr().err
    assert matchday.main(["--random-edges", "900", "--rows", "30", "--columns", "40"]) == 0
    assert json.loads(capsys.readouterr().out)["gap"] == 0.0
