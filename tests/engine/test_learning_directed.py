"""Both directions learned: what is chosen and why, calibration, and the same bytes every time."""

import subprocess
import sys

import numpy as np
import pytest

from matching.engine.errors import EngineError
from matching.engine.learning.additive import AdditiveModel
from matching.engine.learning.basis import fit_basis
from matching.engine.learning.calibration import Calibration
from matching.engine.learning.directed import (
    DirectedModel,
    Examples,
    Grid,
    Shape,
    common_folds,
    digest_of,
    examples,
    fit_directed,
    grouped_folds,
    probability,
)
from matching.engine.scoring import sigmoid

NAMES = ("a", "b", "c")
TRUE = np.array([1.0, -0.8, 0.0])


def direction(seed, n, weights=TRUE, groups=12, prior=None):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    y = (rng.random(n) < sigmoid(-0.4 + x @ weights)).astype(float)
    priors = None if prior is None else -0.4 + x @ prior
    return examples(NAMES, x, y, rng.integers(0, groups, n), prior=priors)


def digest_of_a_fit():
    """Digest of both directions fitted with everything that can be chosen."""
    pair = direction(1, 500, prior=0.5 * TRUE), direction(2, 700, prior=0.5 * TRUE)
    bent = Shape(bent=np.array([True, True, False]), scale=np.array([1.0, 0.5, 2.0]))
    row, column, _, logits = fit_directed(pair, Grid(c=(0.01, 1.0)), bent)
    return digest_of({"row": np.array(row.digest), "column": np.array(column.digest), "logits": logits[0]})


def test_three_runs_here_and_three_in_another_process_give_one_digest():
    code = (
        "from tests.engine.test_learning_directed import digest_of_a_fit as fit; print(fit(), fit(), fit())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    digests = [digest_of_a_fit() for _ in range(3)] + other.stdout.split()
    assert len(digests) == 6
    assert set(digests) == {digests[0]}


def test_the_blend_is_that_of_the_formula():
    x = np.array([[-1.0], [1.0]])
    additive = AdditiveModel(fit_basis(x, ("a",)), np.array([2.0]), 0.5)
    model = DirectedModel(additive, Calibration(0.5, 0.1), prior_worth=300.0, decisions=100.0)
    # model logit 2.5 and prior −1.5: (300 · −1.5 + 100 · 2.5) / 400 = −.5, then .5 · −.5 + .1
    assert model.logit(np.array([[1.0]]), -1.5)[0] == pytest.approx(-0.15)
    parts = model.bias + model.prior_scale * -1.5 + model.parts(np.array([[1.0]])).sum()
    assert parts == pytest.approx(-0.15)


def test_few_decisions_trust_a_good_prior_and_many_do_not_need_a_bad_one():
    grid = Grid(c=(0.1,), prior_worth=(0.0, 300.0, 6000.0))
    few = [direction(seed, 60, prior=TRUE) for seed in (1, 2)]
    *_, choice, _ = fit_directed((few[0], few[1]), grid)
    assert choice.prior_worth >= 300.0  # at least five times what 60 decisions are worth
    many = [direction(seed, 3000, prior=-TRUE) for seed in (1, 2)]
    *_, choice, _ = fit_directed((many[0], many[1]), grid)
    assert choice.prior_worth == 0.0


def test_directions_are_pooled_when_they_are_alike_and_apart_when_not():
    grid = Grid(c=(0.01,), prior_worth=(0.0,))
    *_, choice, _ = fit_directed((direction(1, 150), direction(2, 150)), grid)
    assert choice.pooled
    *_, choice, _ = fit_directed((direction(1, 2000), direction(2, 2000, weights=-TRUE)), grid)
    assert not choice.pooled


def test_pooled_directions_keep_their_own_bias():
    rng = np.random.default_rng(3)
    made = []
    for bias in (1.5, -1.5):
        x = rng.normal(size=(4000, 3))
        y = (rng.random(4000) < sigmoid(bias + x @ TRUE)).astype(float)
        made.append(examples(NAMES, x, y, rng.integers(0, 9, 4000)))
    row, column, choice, _ = fit_directed(
        (made[0], made[1]), Grid(c=(0.01,), prior_worth=(0.0,), pooled=(True,))
    )
    assert choice.pooled
    assert row.bias == pytest.approx(1.5, abs=0.15)
    assert column.bias == pytest.approx(-1.5, abs=0.15)


def test_directions_with_other_features_are_never_pooled():
    other = direction(2, 200)
    renamed = Examples(("x", "b", "c"), other.x, other.y, other.group, other.prior, other.weight)
    *_, choice, _ = fit_directed((direction(1, 200), renamed), Grid(pooled=(True,)))
    assert not choice.pooled


def test_probabilities_of_new_pairs_are_calibrated():
    pair = direction(1, 1500), direction(2, 1500)
    row, _, _, _ = fit_directed(pair, Grid(c=(100.0,), prior_worth=(0.0,)))
    new = direction(9, 20_000)
    p = probability(row, new.x, 0.0)
    for low in (0.1, 0.3, 0.5, 0.7):
        some = (p > low) & (p < low + 0.2)
        assert new.y[some].mean() == pytest.approx(p[some].mean(), abs=0.04)


def test_logits_out_of_fold_know_nothing_of_their_own_group():
    """Answers that are pure chance must not look predictable, however weak the penalty."""
    rng = np.random.default_rng(4)
    made = []
    for _ in range(2):
        x = rng.normal(size=(200, 40))
        y = (rng.random(200) < 0.5).astype(float)
        made.append(examples(tuple(map(str, range(40))), x, y, rng.integers(0, 8, 200)))
    row, _, _, logits = fit_directed((made[0], made[1]), Grid(c=(100.0,), prior_worth=(0.0,)))
    separation = logits[0][made[0].y == 1].mean() - logits[0][made[0].y == 0].mean()
    assert separation < 0.1
    assert row.calibration.slope < 0.3


def test_one_group_alone_is_fitted_as_the_grid_prefers():
    row, _, choice, _ = fit_directed((direction(1, 80, groups=1), direction(2, 80, groups=1)))
    assert choice.c == Grid().c[0]
    assert row.calibration == Calibration()


def test_folds_hold_whole_groups_and_are_even():
    group = np.repeat([5, 1, 7, 3, 9], [50, 30, 30, 20, 10])
    fold = grouped_folds(group, 3)
    assert all(len(set(fold[group == one])) == 1 for one in set(group.tolist()))
    assert sorted(np.bincount(fold).tolist()) == [40, 50, 50]
    pair = direction(1, 300), direction(2, 200)
    first, second = common_folds(pair, 4)
    for one in range(12):
        assert len(set(first[pair[0].group == one]) | set(second[pair[1].group == one])) == 1


def test_plain_arrays_bring_a_model_back():
    pair = direction(1, 300), direction(2, 300)
    row, _, _, _ = fit_directed(pair, Grid(c=(0.1,)))
    again = DirectedModel.from_arrays(row.to_arrays())
    assert again.digest == row.digest
    assert again.logit(pair[0].x, 0.3).tobytes() == row.logit(pair[0].x, 0.3).tobytes()
    arrays = row.to_arrays()
    del arrays["slope"]
    with pytest.raises(EngineError, match="slope"):
        DirectedModel.from_arrays(arrays)


def test_bad_input_names_the_field():
    good = direction(1, 20)
    with pytest.raises(EngineError, match="x: has shape"):
        Examples(("a",), good.x, good.y, good.group, good.prior, good.weight)
    with pytest.raises(EngineError, match="weight"):
        Examples(NAMES, good.x, good.y, good.group, good.prior, np.ones(3))
    with pytest.raises(EngineError, match="no decision"):
        examples(NAMES, np.empty((0, 3)), np.empty(0), np.empty(0, dtype=np.int64))
    with pytest.raises(EngineError, match="grid"):
        fit_directed((good, good), Grid(c=()))
