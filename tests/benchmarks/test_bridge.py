"""The bridge's experiment: nothing of what is held out reaches what is learned."""

import numpy as np
import pytest
from scipy import sparse

from benchmarks import bridge
from benchmarks.bridge_problems import Problem, Side
from matching.engine.learning.directed import Choice, Grid, Shape, examples

ROWS, COLUMNS, PAIRS = 24, 20, 400
CHOICE = Choice(c=0.1, pooled=False, prior_worth=50.0, loss=0.0)


def problem_of(rng, groups=None):
    """Answers of both directions about random pairs; with `groups` each party is in one of them only."""
    sides = []
    for _ in range(2):
        row, column = rng.integers(0, ROWS, PAIRS), rng.integers(0, COLUMNS, PAIRS)
        group = rng.integers(0, 6, PAIRS)
        if groups:
            column = column - column % groups + row % groups
            group = row % groups
        y = 1.0 * (rng.random(PAIRS) < 0.4)
        about = examples(("a", "b"), rng.normal(size=(PAIRS, 2)), y, group)
        sides.append(Side(about, row, column, row, group))
    x, y = (sparse.csr_matrix(rng.normal(size=(size, 5))) for size in (ROWS, COLUMNS))
    return Problem((sides[0], sides[1]), x, y, Grid(), Shape())


def everything():
    return np.ones(PAIRS, dtype=bool), np.ones(PAIRS, dtype=bool)


@pytest.mark.parametrize("groups", [None, 4])
@pytest.mark.parametrize(
    ("kind", "new"), [("row", ["row"]), ("column", ["column"]), ("both", ["row", "column"])]
)
def test_of_a_newcomer_nothing_is_learned_in_either_direction(kind, new, groups):
    rng = np.random.default_rng(7)
    problem = problem_of(rng, groups)
    folds = list(bridge.held_out(problem, kind, everything(), rng))
    assert folds
    for learn, test in folds:
        for name in new:
            learned = {
                p for side, at in zip(problem.sides, learn, strict=True) for p in getattr(side, name)[at]
            }
            tested = {
                p for side, at in zip(problem.sides, test, strict=True) for p in getattr(side, name)[at]
            }
            assert tested and not learned & tested


def test_of_a_warm_pair_neither_direction_is_learned():
    rng = np.random.default_rng(7)
    problem = problem_of(rng)
    for learn, test in bridge.held_out(problem, "warm", everything(), rng):
        pairs = [
            {
                (r, c)
                for side, at in zip(problem.sides, masks, strict=True)
                for r, c in zip(side.row[at], side.column[at], strict=True)
            }
            for masks in (learn, test)
        ]
        assert pairs[1] and not pairs[0] & pairs[1]


def features(problem, learn, test):
    base = bridge.base_logits(problem, learn, CHOICE)
    plain = bridge.plain_features(problem, learn, base, test)
    scores = bridge.bridge_scores(problem, learn, base, test)
    return [np.column_stack([plain[d], *scores[d].values()]) for d in (0, 1)]


def test_answers_held_out_change_no_bit_and_answers_learned_do():
    rng = np.random.default_rng(7)
    problem = problem_of(rng)
    learn, test = next(iter(bridge.held_out(problem, "row", everything(), rng)))
    before = features(problem, learn, test)
    for side, at in zip(problem.sides, learn, strict=True):
        side.about.y[~at] = 1.0 - side.about.y[~at]
    assert all(np.array_equal(a, b) for a, b in zip(before, features(problem, learn, test), strict=True))
    for side, at in zip(problem.sides, learn, strict=True):
        side.about.y[at] = 1.0 - side.about.y[at]
    assert not any(np.allclose(a, b) for a, b in zip(before, features(problem, learn, test), strict=True))
