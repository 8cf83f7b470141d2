"""Curves of one direction: the spline by hand, unknown values, and sums that agree."""

import numpy as np
import pytest

from matching.engine.errors import EngineError
from matching.engine.learning.additive import AdditiveModel, fit_logistic
from matching.engine.learning.basis import Basis, fit_basis
from matching.engine.learning.calibration import LEAST_SLOPE, fit_calibration
from matching.engine.learning.mutual import Mutual, combine
from matching.engine.scoring import sigmoid

BENT = np.array([True, False, True])


def pairs(seed=3, n=400):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=n), rng.uniform(0, 5, n), rng.integers(0, 2, n)])
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def fitted(x, y, c=1.0, bent=BENT):
    basis = fit_basis(x, ("a", "b", "c"), bent=bent)
    return AdditiveModel(basis, *fit_logistic(basis.design(x), y, np.ones(len(y)), (c,))[0])


def test_the_spline_is_that_of_the_formula_at_one_point():
    values = np.arange(101.0)[:, None]
    basis = fit_basis(values, ("a",), bent=np.array([True]))
    assert basis.knots[0].tolist() == [5.0, 35.0, 65.0, 95.0]
    # x = 50: s_1 = (45³ − 0) / 90², s_2 = 15³ / 90²; at 100 the straight line beyond the last knot.
    terms = basis.design(np.array([[50.0], [97.0], [99.0], [101.0]]))[:, 1:] * basis.bend_sd + basis.bend_mean
    np.testing.assert_allclose(terms[0], [45**3 / 90**2, 15**3 / 90**2])
    at_95_97_99 = [float(bend(x)) for x in (95.0, 97.0, 99.0)]
    assert at_95_97_99[2] - at_95_97_99[1] == pytest.approx(at_95_97_99[1] - at_95_97_99[0])
    assert terms[1, 0] == pytest.approx(at_95_97_99[1])
    np.testing.assert_allclose(basis.design(np.array([[101.0]])), basis.design(np.array([[100.0]])))


def bend(x):
    """The first term, written out."""
    first, _, before, last = 5.0, 35.0, 65.0, 95.0

    def cube(knot):
        return max(x - knot, 0.0) ** 3

    ahead, behind = (last - first) / (last - before), (before - first) / (last - before)
    return (cube(first) - cube(before) * ahead + cube(last) * behind) / (last - first) ** 2


def test_what_is_unknown_adds_nothing():
    x = pairs()
    model = fitted(x, (np.nan_to_num(x[:, 0]) > 0).astype(float))
    nothing = np.full((1, 3), np.nan)
    assert model.parts(nothing).tolist() == [[0.0, 0.0, 0.0]]
    assert model.logit(nothing)[0] == model.bias


def test_parts_sum_to_the_logit():
    x = pairs()
    model = fitted(x, (np.random.default_rng(1).random(len(x)) < 0.4).astype(float))
    np.testing.assert_allclose(model.bias + model.parts(x).sum(axis=1), model.logit(x), atol=1e-12)


def test_only_features_that_may_bend_and_have_values_enough_do():
    basis = fit_basis(pairs(), ("a", "b", "c"), bent=BENT)
    assert np.isnan(basis.knots[:, 0]).tolist() == [False, True, True]
    assert basis.owner.tolist() == [0, 1, 2, 0, 0]
    straight = fitted(pairs(), np.arange(400) % 2.0, bent=None)
    at = np.array([[0.0, 1.0, 0.5], [0.2, 1.0, 0.5], [0.4, 1.0, 0.5]])
    first, second = np.diff(straight.logit(at))
    assert first == pytest.approx(second)


def test_values_beyond_the_training_range_count_as_its_end():
    x = pairs()
    model = fitted(x, np.arange(400) % 2.0)
    ends = np.array([np.nanmin(x, axis=0), np.nanmax(x, axis=0)])
    far = ends + np.array([[-100.0], [100.0]])
    assert model.logit(far).tolist() == model.logit(ends).tolist()


def test_a_curve_is_found_where_a_line_finds_nothing():
    rng = np.random.default_rng(8)
    x = rng.uniform(-2, 2, (3000, 1))
    y = (rng.random(3000) < sigmoid(2.0 - 2.0 * np.abs(x[:, 0]))).astype(float)
    likelihood = []
    for bent in (None, np.array([True])):
        basis = fit_basis(x, ("a",), bent=bent)
        model = AdditiveModel(basis, *fit_logistic(basis.design(x), y, np.ones(3000), (1.0,))[0])
        logit = model.logit(x)
        likelihood.append(float((np.logaddexp(0, logit) - y * logit).mean()))
    assert likelihood[1] < likelihood[0] - 0.05


def test_coefficients_are_those_that_made_the_answers():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40_000, 2))
    y = (rng.random(len(x)) < sigmoid(-0.5 + x @ [1.0, -0.7])).astype(float)
    coefficients, bias = fit_logistic(x, y, np.ones(len(y)), (1e-4, 1e3))[1]
    np.testing.assert_allclose([*coefficients, bias], [1.0, -0.7, -0.5], atol=0.05)


def test_weights_count_as_often_as_they_say():
    x = pairs()[:, :1]
    x = np.nan_to_num(x)
    y = np.arange(400) % 2.0
    weight = np.where(np.arange(400) < 50, 2.0, 1.0)
    twice = fit_logistic(np.vstack([x, x[:50]]), np.r_[y, y[:50]], np.ones(450), (0.1,))[0]
    once = fit_logistic(x, y, weight, (0.1,))[0]
    np.testing.assert_allclose(np.r_[once[0], once[1]], np.r_[twice[0], twice[1]], atol=1e-6)


def test_one_kind_of_answer_makes_a_flat_and_finite_model():
    coefficients, bias = fit_logistic(np.ones((5, 2)), np.ones(5), np.ones(5), (1.0,))[0]
    assert coefficients.tolist() == [0.0, 0.0]
    assert bias == pytest.approx(np.log(6.0))


def test_features_that_never_vary_or_are_never_known_stay_silent():
    x = np.column_stack([np.full(50, 0.1) * 3, np.full(50, np.nan), np.arange(50.0)])
    basis = fit_basis(x, ("a", "b", "c"), bent=BENT)
    new = np.array([[7.0, 7.0, 7.0]])
    assert basis.design(new)[0, :2].tolist() == [0.0, 0.0]
    assert np.isfinite(basis.design(new)).all()


def test_plain_arrays_bring_a_model_back():
    x = pairs()
    model = fitted(x, np.arange(400) % 2.0)
    again = AdditiveModel.from_arrays(model.to_arrays())
    assert again.logit(x).tobytes() == model.logit(x).tobytes()
    arrays = model.to_arrays()
    with pytest.raises(EngineError, match="knots"):
        Basis.from_arrays({name: value for name, value in arrays.items() if name != "knots"})
    with pytest.raises(EngineError, match="coefficients"):
        AdditiveModel.from_arrays({**arrays, "coefficients": np.zeros(2)})


def test_bad_input_names_the_field():
    with pytest.raises(EngineError, match="a: must be finite"):
        fit_basis(np.array([[np.inf], [1.0]]), ("a",))
    with pytest.raises(EngineError, match="shape"):
        fit_basis(pairs(), ("a", "b"))
    with pytest.raises(EngineError, match="shape"):
        fit_basis(pairs(), ("a", "b", "c")).design(np.zeros((2, 2)))
    with pytest.raises(EngineError, match="y: answers"):
        fit_logistic(np.ones((2, 1)), np.array([0.5, 1.0]), np.ones(2), (1.0,))


def test_calibration_undoes_a_logit_that_was_stretched_and_moved():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=50_000)
    y = (rng.random(len(truth)) < sigmoid(truth)).astype(float)
    calibration = fit_calibration(3.0 * truth + 1.0, y, np.ones(len(y)))
    np.testing.assert_allclose([calibration.slope, calibration.shift], [1 / 3, -1 / 3], atol=0.02)


def test_calibration_never_turns_an_order_round():
    rng = np.random.default_rng(5)
    logit = rng.normal(size=2000)
    y = (rng.random(2000) < sigmoid(-logit)).astype(float)
    calibration = fit_calibration(logit, y, np.ones(2000))
    assert calibration.slope == LEAST_SLOPE
    assert sigmoid(calibration(logit)).mean() == pytest.approx(y.mean(), abs=0.01)
    assert fit_calibration(logit[:9], y[:9], np.ones(9)).slope == 1.0


def test_two_probabilities_become_one():
    first, second = np.array([0.5, 0.0, 0.9]), np.array([0.25, 0.0, 0.1])
    np.testing.assert_allclose(combine(first, second), [0.125, 0.0, 0.09])
    np.testing.assert_allclose(combine(first, second, Mutual.HARMONIC), [1 / 3, 0.0, 0.18])
    with pytest.raises(EngineError, match="how"):
        combine(first, second, "sum")
