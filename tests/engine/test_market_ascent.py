"""The ascent: never falls, is a best response, and what large markets lose by the mean field."""

import itertools
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine.errors import EngineError
from matching.engine.market.ascent import AscentRules, ascend_in_turn, objective
from matching.engine.market.batches import MeanField, ascend_in_batches
from matching.engine.market.edges import Edges, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.market.expectation import expected_matches, exposed_by_partner
from matching.engine.market.screening import screen
from matching.engine.types import Side
from tests.engine.small_markets import oriented

EXAMPLES = int(os.environ.get("MATCHMAKER_TEST_EXAMPLES", "0")) or 15
RULES = st.sampled_from([AscentRules(sweeps=4), AscentRules(sweeps=4, price=0.2, free_exposure=0.5)])


@settings(max_examples=EXAMPLES)
@given(
    st.integers(0, 10**6),
    st.sampled_from(list(Examination)),
    st.sampled_from(list(Side)),
    st.sampled_from([None, 3]),
    RULES,
)
def test_welfare_less_the_penalty_never_falls(seed, curve, side, length, rules):
    _, orientation, ranks, attention = oriented(seed, side, curve, length)
    climbed = ascend_in_turn(orientation, ranks, attention, rules)
    assert (np.diff(climbed.welfare) >= -1e-7).all()
    exposure = attention.exposure(climbed.ranks, orientation.applies)
    np.testing.assert_array_equal(exposure, climbed.exposure)
    assert climbed.welfare[-1] == pytest.approx(objective(orientation, exposure, attention, rules))
    batched = ascend_in_batches(orientation, ranks, attention, rules)
    assert (np.diff(batched.welfare) >= 0).all()


@settings(max_examples=10)
@given(st.integers(0, 10**6))
def test_the_last_lists_are_each_partys_best_of_all_permutations(seed):
    _, orientation, ranks, attention = oriented(seed, rows=4, columns=3, density=0.9)
    climbed = ascend_in_turn(orientation, ranks, attention, AscentRules(sweeps=50, tolerance=0.0))
    best = expected_matches(orientation, climbed.ranks, attention)
    for party in range(orientation.n_parties):
        own = np.flatnonzero(orientation.party == party)
        for order in itertools.permutations(range(1, len(own) + 1)):
            other = climbed.ranks.copy()
            other[own] = order
            assert expected_matches(orientation, other, attention) <= best + 1e-6


def synthetic(size, seed):
    """A dense market with some common popularity."""
    rng = np.random.default_rng(seed)
    popular = np.linspace(1, 0.01, size)
    first = (rng.random((size, size)) + popular[None, :]) / 2
    second = (rng.random((size, size)) + popular[:, None]) / 2
    return Edges.of_dense(first, second)


def test_batches_lose_little_against_one_after_the_other():
    edges = synthetic(30, 5)
    orientation = orient(edges, Side.ANCHOR)
    attention = Attention(Examination.INVERSE, np.ones(30))
    ranks = ranks_within(orientation.mutual, orientation.starts)
    start = expected_matches(orientation, ranks, attention)
    rules = AscentRules(sweeps=8)
    exact = ascend_in_turn(orientation, ranks, attention, rules).welfare[-1]
    batched = expected_matches(
        orientation, ascend_in_batches(orientation, ranks, attention, rules).ranks, attention
    )
    assert exact > 1.1 * start
    assert batched > 0.99 * exact


def test_the_mean_field_is_near_the_exact_queues():
    """Many applicants of small exposure each: Le Cam's bound is small."""
    edges = synthetic(80, 6)
    orientation = orient(edges, Side.STALL, already_found=np.full(len(edges), 0.7))
    attention = Attention(Examination.INVERSE, np.ones(80))
    ranks = ranks_within(np.random.default_rng(1).random(len(edges)), orientation.starts)
    exposure = attention.exposure(ranks, orientation.applies)
    look = MeanField(orientation, attention, AscentRules()).look(exposure)
    exact, found = screen(orientation, exposure, attention), look.screened(orientation)
    np.testing.assert_allclose(found.chance, exact.chance, atol=0.02)
    # The mean field counts a party's own exposure among those it would crowd out, hence the wider margin.
    np.testing.assert_allclose(found.crowding, exact.crowding, atol=0.03)
    assert look.welfare == pytest.approx(expected_matches(orientation, ranks, attention), rel=0.01)


def test_a_price_on_exposure_takes_it_from_the_crowded():
    edges = synthetic(30, 7)
    orientation = orient(edges, Side.ANCHOR)
    attention = Attention(Examination.INVERSE, np.ones(30))
    ranks = ranks_within(orientation.mutual, orientation.starts)
    over = []
    for ascend in (ascend_in_turn, ascend_in_batches):
        for price in (0.0, 1.0):
            rules = AscentRules(sweeps=6, price=price, free_exposure=2.0)
            exposed = exposed_by_partner(orientation, ascend(orientation, ranks, attention, rules).exposure)
            over.append(np.maximum(exposed - 2.0, 0).sum())
    assert over[1] < 0.8 * over[0]
    assert over[3] < 0.8 * over[2]


@pytest.mark.parametrize("ascend", [ascend_in_turn, ascend_in_batches])
def test_nothing_to_list_one_row_and_no_capacity(ascend):
    empty = orient(Edges.of_dense(np.ones((2, 3)), np.ones((2, 3)), np.zeros((2, 3), dtype=bool)), Side.STALL)
    nothing = ascend(empty, np.zeros(0, dtype=int), Attention(Examination.INVERSE, np.ones(3)))
    assert len(nothing.ranks) == 0 and nothing.welfare[-1] == 0
    one = orient(Edges.of_dense(np.full((1, 3), 0.5), np.array([[0.1, 0.9, 0.4]])), Side.STALL)
    alone = ascend(one, np.array([1, 2, 3]), Attention(Examination.INVERSE, np.ones(3)))
    assert alone.ranks.tolist() == [3, 1, 2]
    full = ascend(one, np.array([1, 2, 3]), Attention(Examination.INVERSE, np.zeros(3)))
    assert full.welfare[-1] == 0
    assert sorted(full.ranks) == [1, 2, 3]


@pytest.mark.parametrize("field", ["sweeps", "tolerance", "price", "free_exposure"])
def test_rules_that_make_no_sense_are_refused(field):
    with pytest.raises(EngineError, match=f"^{field}:"):
        AscentRules(**{field: -1})
