"""The bridge and EASE against their formulas, and on markets that they must understand."""

import numpy as np
import pytest
from scipy import sparse

from matching.engine.errors import EngineError
from matching.engine.learning.bridge import Bridge, across, fit_bridge, fit_ridge
from matching.engine.learning.ease import Ease, fit_ease


def market(seed=6, rows=60, columns=40, p=8, q=7):
    rng = np.random.default_rng(seed)
    x = sparse.random(rows, p, 0.5, format="csr", random_state=rng)
    y = sparse.random(columns, q, 0.5, format="csr", random_state=rng)
    r = sparse.csr_matrix((rng.random((rows, columns)) < 0.2).astype(float))
    return x, r, y


@pytest.mark.parametrize("q", [7, 55])
def test_the_bridge_is_its_formula(q):
    x, r, y = market(q=q)
    dense_x, dense_r, dense_y = x.toarray(), r.toarray(), y.toarray()
    left = np.linalg.inv(dense_x.T @ dense_x + 2.0 * np.eye(x.shape[1]))
    right = np.linalg.inv(dense_y.T @ dense_y + 3.0 * np.eye(y.shape[1]))
    expected = left @ dense_x.T @ dense_r @ dense_y @ right
    bridge = fit_bridge(x, r, y, 2.0, 3.0)
    np.testing.assert_allclose(bridge.weights, expected, atol=1e-10)
    np.testing.assert_allclose(across(fit_ridge(x, r, 2.0), y, 3.0).weights, expected, atol=1e-10)
    np.testing.assert_allclose(bridge.scores(x[:3], y), dense_x[:3] @ expected @ dense_y.T, atol=1e-10)


def test_the_bridge_ranks_for_rows_that_nobody_has_seen():
    rng = np.random.default_rng(7)
    x, y = np.eye(4)[rng.integers(4, size=300)], np.eye(4)[rng.integers(4, size=100)]
    wanted = np.roll(np.eye(4), 1, axis=1)  # kind 0 wants kind 1, and so on: cosine is wrong throughout
    r = sparse.csr_matrix((rng.random((300, 100)) < 0.02 + 0.3 * (x @ wanted @ y.T)).astype(float))
    bridge = fit_bridge(sparse.csr_matrix(x), r, sparse.csr_matrix(y), 1.0, 1.0)
    scores = bridge.scores(sparse.csr_matrix(np.eye(4)), sparse.csr_matrix(np.eye(4)))
    assert scores.argmax(axis=1).tolist() == [1, 2, 3, 0]


def test_ease_is_the_regression_of_each_column_on_the_others():
    _, r, _ = market()
    dense = r.toarray()
    weights = fit_ease(r, 5.0).weights
    for column in range(5):
        others = np.delete(np.arange(dense.shape[1]), column)
        gram = dense[:, others].T @ dense[:, others] + 5.0 * np.eye(len(others))
        expected = np.linalg.solve(gram, dense[:, others].T @ dense[:, column])
        np.testing.assert_allclose(weights[others, column], expected, atol=1e-10)
    assert np.diagonal(weights).tolist() == [0.0] * dense.shape[1]


def test_ease_finds_what_is_chosen_together():
    rng = np.random.default_rng(9)
    taste = rng.integers(3, size=400)
    r = (rng.random((400, 12)) < np.where(np.arange(12)[None] % 3 == taste[:, None], 0.5, 0.05)).astype(float)
    scores = fit_ease(sparse.csr_matrix(r), 10.0).scores(sparse.csr_matrix(np.eye(12)[[0]]))[0]
    assert set(np.argsort(-scores)[:3]) == {3, 6, 9}


def test_plain_arrays_bring_both_back():
    x, r, y = market()
    bridge, ease = fit_bridge(x, r, y, 1.0, 1.0), fit_ease(r, 1.0)
    assert Bridge.from_arrays(bridge.to_arrays()).weights.tobytes() == bridge.weights.tobytes()
    assert Ease.from_arrays(ease.to_arrays()).scores(r).tobytes() == ease.scores(r).tobytes()
    for kind in (Bridge, Ease):
        with pytest.raises(EngineError, match="weights"):
            kind.from_arrays({})


def test_bad_input_names_the_field():
    x, r, y = market()
    with pytest.raises(EngineError, match="penalty"):
        fit_ridge(x, r, 0.0)
    with pytest.raises(EngineError, match="penalty"):
        fit_ease(r, -1.0)
    with pytest.raises(EngineError, match="x: has"):
        fit_ridge(x[:5], r, 1.0)
    with pytest.raises(EngineError, match="y: has"):
        across(fit_ridge(x, r, 1.0), y[:5], 1.0)


def test_profiles_without_an_entry_are_scored_nothing():
    x, r, y = market()
    empty = sparse.csr_matrix((2, x.shape[1]))
    assert not fit_bridge(x, r, y, 1.0, 1.0).scores(empty, y).any()
