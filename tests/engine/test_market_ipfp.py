"""The equilibrium: margins met, stable where the textbook update is not, zero masses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine.errors import EngineError
from matching.engine.market.edges import Edges
from matching.engine.market.ipfp import Surplus, equilibrium
from tests.engine.small_markets import sparse_market


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(list(Surplus)), st.floats(0.05, 2.0))
def test_margins_are_met_and_pairs_have_their_surplus(seed, surplus, beta):
    edges = sparse_market(seed)
    rng = np.random.default_rng(seed)
    row_mass = rng.choice([0.0, 0.5, 1.0, 8.0], size=edges.n_rows)
    column_mass = rng.choice([0.0, 1.0, 3.0], size=edges.n_columns)
    solved = equilibrium(
        edges, row_mass, column_mass, surplus=surplus, beta=beta, tolerance=1e-7, most_iterations=20_000
    )
    assert solved.error <= 1e-7
    rows = np.bincount(edges.rows, weights=solved.mass, minlength=edges.n_rows) + solved.rows_alone
    columns = np.bincount(edges.columns, weights=solved.mass, minlength=edges.n_columns)
    np.testing.assert_allclose(rows, row_mass, atol=1e-9)
    np.testing.assert_allclose(columns + solved.columns_alone, column_mass, atol=1e-6)
    there = (row_mass[edges.rows] > 0) & (column_mass[edges.columns] > 0)
    assert (solved.mass[~there] == 0).all()
    # ln μ²/(μ_i0 μ_0j) is Φ/β up to a constant of the market.
    shared = np.log(solved.mass[there] ** 2) - np.log(
        solved.rows_alone[edges.rows[there]] * solved.columns_alone[edges.columns[there]]
    )
    if there.any():
        rest = shared - surplus.of(edges)[there] / beta
        np.testing.assert_allclose(rest, rest[0], atol=1e-5)


def test_one_pair_by_hand():
    """K = e^(1/2β) for the best pair; with β = 1/2 and masses 1, u² + e·u·w = 1 and u = w."""
    edges = Edges(np.array([0]), np.array([0]), np.array([0.4]), np.array([0.9]), 1, 1)
    solved = equilibrium(edges, np.ones(1), np.ones(1), beta=0.5, tolerance=1e-12)
    assert solved.mass[0] == pytest.approx(np.e / (1 + np.e), abs=1e-9)
    assert solved.rows_alone[0] == pytest.approx(1 / (1 + np.e), abs=1e-9)


def test_large_sums_do_not_cancel():
    edges = Edges.of_dense(np.ones((1, 3000)), np.ones((1, 3000)))
    solved = equilibrium(edges, np.full(1, 1e-6), np.full(3000, 1e6), beta=0.05, tolerance=1e-9)
    assert solved.mass.sum() == pytest.approx(1e-6, rel=1e-9)
    assert (solved.mass > 0).all()


def test_no_pairs_no_mass_and_no_capacity():
    empty = Edges.of_dense(np.ones((2, 2)), np.ones((2, 2)), np.zeros((2, 2), dtype=bool))
    assert equilibrium(empty, np.ones(2), np.ones(2)).rows_alone == pytest.approx(np.ones(2))
    full = equilibrium(sparse_market(3), np.zeros(12), np.zeros(18))
    assert (full.mass == 0).all() and full.error == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("row_mass", {"row_mass": np.ones(3)}),
        ("row_mass", {"row_mass": np.full(12, np.nan)}),
        ("column_mass", {"column_mass": np.full(18, -1.0)}),
        ("beta", {"beta": 0.0}),
        ("beta", {"beta": float("nan")}),
    ],
)
def test_bad_input_is_refused_by_name(name, arguments):
    given_arguments = {"row_mass": np.ones(12), "column_mass": np.ones(18)} | arguments
    with pytest.raises(EngineError, match=f"^{name}:"):
        equilibrium(sparse_market(3), **given_arguments)
