"""The stored state: exact where it can be, near the ascent where not, and storable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine.errors import EngineError
from matching.engine.market.congestion import UNKNOWN, Congestion, Queues, busy_keys, summarise
from matching.engine.market.edges import Edges, orient, ranks_within
from matching.engine.market.examination import Attention, Examination
from matching.engine.market.expectation import expected_matches
from matching.engine.market.screening import screen
from matching.engine.market.spread import MarketRules, best_response, spread
from matching.engine.types import Side
from tests.engine.small_markets import oriented


def summary_of(orientation, ranks, attention, knots=12):
    exposure = attention.exposure(ranks, orientation.applies)
    screened = screen(orientation, exposure, attention)
    return summarise(orientation, exposure, screened, attention, knots), screened


@settings(max_examples=25)
@given(st.integers(1, 10**6), st.sampled_from(list(Side)))
def test_a_short_queue_is_kept_exactly(seed, side):
    _, orientation, ranks, attention = oriented(seed - seed % 3 + 1, side, rows=10, columns=11)
    queues, screened = summary_of(orientation, ranks, attention)
    keys = busy_keys(queues, orientation.partner, orientation.applies, orientation.screened)
    exact = orientation.applies * screened.gradient(orientation)
    np.testing.assert_allclose(keys, exact, atol=1e-5)
    assert (keys <= orientation.mutual + 1e-12).all()


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_no_key_is_above_the_mutual_probability(seed, knots):
    _, orientation, ranks, attention = oriented(seed, rows=6, columns=30)
    queues, _ = summary_of(orientation, ranks, attention, knots)
    rng = np.random.default_rng(seed)
    rows = rng.integers(-1, len(queues), size=200)
    applies, accepts = rng.random((2, 200))
    keys = busy_keys(queues, rows, applies, accepts)
    assert (keys <= applies * accepts + 1e-7).all()
    np.testing.assert_array_equal(keys[rows == UNKNOWN], (applies * accepts)[rows == UNKNOWN])


def test_an_empty_queue_is_not_busy():
    there = np.array([[True, False]])
    orientation = orient(Edges.of_dense(np.full((1, 2), 0.5), np.full((1, 2), 0.5), there), Side.STALL)
    queues, _ = summary_of(orientation, np.array([1]), Attention(Examination.INVERSE, np.ones(2)))
    assert busy_keys(queues, np.array([1]), np.array([0.6]), np.array([0.5]))[0] == pytest.approx(0.3)


def town(seed, rows=40, columns=160):
    """A market in which some are everybody's first choice; capacities of 0 to 4."""
    rng = np.random.default_rng(seed)
    popular, wanted = rng.normal(size=rows), rng.normal(size=columns)
    first = 1 / (1 + np.exp(1.5 - wanted[None, :] - rng.normal(size=(rows, columns))))
    second = 1 / (1 + np.exp(1.5 - popular[:, None] - rng.normal(size=(rows, columns))))
    edges = Edges.of_dense(first, second, rng.random((rows, columns)) < 0.4)
    return edges, rng.integers(0, 5, size=rows).astype(float), rng.integers(0, 3, size=columns).astype(float)


@pytest.mark.parametrize("side", Side)
def test_lists_made_from_the_state_are_as_good_as_the_ascents(side):
    edges, rows, columns = town(3)
    made = spread(edges, rows, columns, MarketRules(first=side))
    orientation = orient(edges, side)
    attention = Attention(Examination.INVERSE, columns if side is Side.STALL else rows, 50)
    ranks = best_response(orientation, made.congestion.queues[side])
    climbed = expected_matches(orientation, made.ascended[side].ranks, attention)
    product = ranks_within(orientation.mutual, orientation.starts)
    assert expected_matches(orientation, ranks, attention) > 0.99 * climbed
    assert climbed > 1.02 * expected_matches(orientation, product, attention)


def test_a_party_listed_alone_gets_the_list_of_the_whole_run():
    edges, rows, columns = town(4)
    queues = spread(edges, rows, columns).congestion.queues[Side.ANCHOR]
    orientation = orient(edges, Side.ANCHOR)
    whole = best_response(orientation, queues)
    for party in (0, 77, 159):
        own = slice(orientation.starts[party], orientation.starts[party + 1])
        keys = busy_keys(
            queues, orientation.partner[own], orientation.applies[own], orientation.screened[own]
        )
        assert ranks_within(keys, np.array([0, len(keys)])).tolist() == whole[own].tolist()


def test_the_state_survives_storing():
    edges, rows, columns = town(5)
    state = spread(edges, rows, columns).congestion
    arrays = state.to_arrays()
    assert all(array.dtype == np.float32 for array in arrays.values())
    again = Congestion.from_arrays({name: array.copy() for name, array in arrays.items()})
    for side in Side:
        for name in ("scores", "chances", "crowding"):
            stored, first = getattr(again.queues[side], name), getattr(state.queues[side], name)
            np.testing.assert_array_equal(stored, first)
    del arrays["anchor_chances"]
    with pytest.raises(EngineError, match="^anchor_chances:"):
        Congestion.from_arrays(arrays)


def test_between_knots_it_is_linear_and_at_a_shared_score_their_mean():
    scores = np.array([[0.2, 0.5, 0.5, 0.8]])
    queues = Queues(scores, np.array([[0.1, 0.2, 0.6, 1.0]]), np.array([[0.0, 0.02, 0.04, 0.3]]))
    asked = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9])
    keys = busy_keys(queues, np.zeros(7, dtype=int), np.full(7, 0.5), asked)
    chance = np.array([0.1, 0.1, 0.15, 0.4, 0.8, 1.0, 1.0])
    crowding = np.array([0.0, 0.0, 0.01, 0.03, 0.17, 0.3, 0.3])
    np.testing.assert_allclose(keys, 0.5 * (asked * chance - crowding), atol=1e-6)


def test_bad_input_is_refused_by_name():
    queues = Queues(*np.zeros((3, 4, 5), dtype=np.float32))
    half = np.array([0.5])
    for name, arguments in {
        "reactive_rows": (np.array([4]), half, half),
        "proactive_accepts": (np.array([1]), np.array([np.nan]), half),
        "reactive_accepts": (np.array([1]), half, np.array([1.5])),
    }.items():
        with pytest.raises(EngineError, match=f"^{name}:"):
            busy_keys(queues, *arguments)
    with pytest.raises(EngineError, match="^crowding:"):
        Queues(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(EngineError, match="^chances:"):
        Queues(np.zeros((2, 3)), np.full((2, 3), np.nan), np.zeros((2, 3)))
