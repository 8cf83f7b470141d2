"""Expected matches against every outcome, against a played market, and by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from matching.engine.errors import EngineError
from matching.engine.market.edges import Edges, orient, ranks_within
from matching.engine.market.examination import Attention, Examination, ExpectedCurves
from matching.engine.market.expectation import (
    expected_by_entry,
    expected_matches,
    found_by_edge,
    simulate,
)
from matching.engine.market.screening import screen, states_needed
from matching.engine.types import Side
from tests.engine.small_markets import oriented

CURVES = st.sampled_from(list(Examination))


def by_enumeration(orientation, ranks, attention):
    """W by summing over every set of applications of every partner, in plain Python."""
    exposure = attention.exposure(ranks, orientation.applies)
    total = 0.0
    for partner in range(orientation.n_partners):
        own = [entry for entry in range(len(orientation)) if orientation.partner[entry] == partner]
        own.sort(key=lambda entry: (-orientation.screened[entry], orientation.party[entry]))
        places = attention.places(np.array([partner]), max(len(own), 1))[0]
        for outcome in itertools.product((False, True), repeat=len(own)):
            applied = [entry for entry, applies in zip(own, outcome, strict=True) if applies]
            chance = np.prod(
                [exposure[e] if o else 1 - exposure[e] for e, o in zip(own, outcome, strict=True)]
            )
            total += chance * sum(places[place] * orientation.screened[e] for place, e in enumerate(applied))
    return total


@settings(max_examples=60)
@given(st.integers(0, 10**6), CURVES, st.sampled_from(list(Side)), st.sampled_from([None, 2]))
def test_the_recursion_equals_the_sum_over_all_outcomes(seed, curve, side, length):
    _, orientation, ranks, attention = oriented(seed, side, curve, length, rows=5, columns=6)
    assert expected_matches(orientation, ranks, attention) == pytest.approx(
        by_enumeration(orientation, ranks, attention), abs=1e-7
    )


@pytest.mark.parametrize("curve", Examination)
def test_a_played_market_has_the_expected_mean(curve):
    _, orientation, ranks, attention = oriented(11, Side.STALL, curve, rows=20, columns=15)
    played = simulate(orientation, ranks, attention, np.random.default_rng(3), 3000)
    assert abs(played.mean - expected_matches(orientation, ranks, attention)) < 3 * played.standard_error


def test_a_market_by_hand():
    """Stalls are proactive. Stall 1 lists anchor 1, anchor 2; stall 2 lists anchor 1, anchor 2."""
    edges = Edges.of_dense(np.array([[0.8, 0.6], [0.5, 0.4]]), np.array([[0.5, 0.9], [0.7, 0.2]]))
    orientation = orient(edges, Side.STALL)
    attention = Attention(Examination.INVERSE, np.ones(2))
    ranks = np.array([1, 2, 1, 2])
    # Applications: .8, .6/2; .5, .4/2. Anchor 1 screens stall 2 (.7) before stall 1 (.5), and takes the
    # second up with 1/2; anchor 2 screens stall 1 (.9) before stall 2 (.2).
    by_hand = [0.8 * 0.5 * (1 - 0.5 / 2), 0.3 * 0.9, 0.5 * 0.7, 0.2 * 0.2 * (1 - 0.3 / 2)]
    np.testing.assert_allclose(by_hand, [0.30, 0.27, 0.35, 0.034])
    np.testing.assert_allclose(expected_by_entry(orientation, ranks, attention), by_hand, atol=1e-9)
    exposure = attention.exposure(ranks, orientation.applies)
    screened = screen(orientation, exposure, attention)
    # Stall 2 with anchor 1 takes half of what stall 1 gains there: .8 · .5 / 2 = .2 of its .7.
    np.testing.assert_allclose(screened.gradient(orientation), [0.375, 0.88, 0.5, 0.17], atol=1e-9)
    # Its keys are .5 · .5 = .25 and .4 · .17 = .068, stall 1's .3 and .528: it should list anchor 2 first.
    swapped = np.array([2, 1, 1, 2])
    gain = expected_matches(orientation, swapped, attention) - expected_matches(orientation, ranks, attention)
    np.testing.assert_allclose(gain, (0.4 - 0.8) * 0.375 + (0.6 - 0.3) * 0.88, atol=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 10**6), CURVES)
def test_the_gradient_equals_finite_differences(seed, curve):
    _, orientation, ranks, attention = oriented(seed, curve=curve)
    if not len(orientation):
        return
    exposure = attention.exposure(ranks, orientation.applies)
    gradient = screen(orientation, exposure, attention).gradient(orientation)
    entry = seed % len(orientation)
    welfare = []
    for shift in (0.0, 1e-3):  # W is linear in one exposure, so any step will do
        moved = exposure.copy()
        moved[entry] = moved[entry] * 0.99 + shift
        welfare.append(moved @ (orientation.screened * screen(orientation, moved, attention).chance))
    assert (welfare[1] - welfare[0]) / 1e-3 == pytest.approx(gradient[entry], abs=1e-5)


def test_every_share_of_the_tail_that_is_cut_is_small():
    for mean in (0.0, 0.01, 1.0, 7.5, 200.0):
        states = states_needed(mean, 10_000)
        assert poisson.sf(states - 1, mean) <= 1e-9
    assert states_needed(50.0, 3) == 4


def test_capacity_takes_up_the_first_applicants_for_certain():
    place = np.arange(1.0, 9.0)
    for curve in Examination:
        assert (curve.with_capacity(place, 3.0)[:3] == 1).all()
        assert (np.diff(curve.with_capacity(place, 3.0)[2:]) < 0).all()
        assert (curve.with_capacity(place, 0.0) == 0).all()
        np.testing.assert_allclose(curve.with_capacity(place, 1.0), curve.at(place))
        np.testing.assert_allclose(curve.with_capacity(place * 4, 4.0), curve.at(place))
    np.testing.assert_allclose(Examination.INVERSE.ranks(4, 2), [0, 1, 0.5, 0, 0])


@pytest.mark.parametrize("curve", Examination)
def test_the_tables_of_the_mean_field_equal_poisson_sums(curve):
    capacity = np.array([0.0, 1.0, 5.0])
    tables = ExpectedCurves.of(Attention(curve, capacity), 150.0)
    counts = np.arange(600)
    for mean in (0.0, 0.3, 4.7, 59.0, 61.0, 140.0):
        weights = poisson.pmf(counts, mean)
        for partner, room in enumerate(capacity):
            at = np.array([tables.curve_of[partner]]), np.array([mean])
            value, fall = tables.at(*at)
            now, later = curve.with_capacity(1.0 + counts, room), curve.with_capacity(2.0 + counts, room)
            assert value[0] == pytest.approx(weights @ now, abs=2e-4)
            assert fall[0] == pytest.approx(weights @ (now - later), abs=2e-4)


def test_many_capacities_share_a_table_within_a_few_percent():
    capacity = np.concatenate(([0.0], np.linspace(0.3, 40, 500)))
    attention = Attention(Examination.INVERSE, capacity)
    tables = ExpectedCurves.of(attention, 30.0)
    value, _ = tables.at(tables.curve_of, np.full(len(capacity), 5.0))
    weights = poisson.pmf(np.arange(200), 5.0)
    exact = attention.places(np.arange(len(capacity)), 200) @ weights
    assert value[0] == 0
    np.testing.assert_allclose(value[1:], exact[1:], rtol=0.06)


def test_what_was_found_stands_in_the_order_of_the_edges():
    edges, orientation, ranks, attention = oriented(4)
    exposure = attention.exposure(ranks, orientation.applies)
    chance = screen(orientation, exposure, attention).chance
    found = found_by_edge(edges, orientation, ranks, attention, chance)
    by_pair = expected_by_entry(orientation, ranks, attention)
    np.testing.assert_allclose((found * edges.mutual)[orientation.edge], by_pair)


def test_ranks_that_are_no_lists_are_refused():
    _, orientation, ranks, attention = oriented(2)
    for wrong in (ranks[:-1], ranks - 5, np.ones_like(ranks), ranks.astype(float)):
        with pytest.raises(EngineError, match="^ranks:"):
            expected_matches(orientation, wrong, attention)
    with pytest.raises(EngineError, match="^runs:"):
        simulate(orientation, ranks, attention, np.random.default_rng(0), 1)
    for capacity in ([-1.0], [np.nan], [np.inf]):
        with pytest.raises(EngineError, match="^capacity:"):
            Attention(Examination.INVERSE, np.array(capacity))
    with pytest.raises(EngineError, match="^length:"):
        Attention(Examination.INVERSE, np.ones(1), -2)


def test_an_empty_market_makes_no_match():
    edges = Edges.of_dense(np.ones((3, 2)), np.ones((3, 2)), np.zeros((3, 2), dtype=bool))
    orientation = orient(edges, Side.STALL)
    attention = Attention(Examination.INVERSE, np.ones(2))
    ranks = ranks_within(orientation.mutual, orientation.starts)
    assert expected_matches(orientation, ranks, attention) == 0
    assert simulate(orientation, ranks, attention, np.random.default_rng(0), 5).mean == 0
