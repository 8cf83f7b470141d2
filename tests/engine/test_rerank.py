"""Places in a list: what moved each partner is told in whole numbers that explain the whole order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine import pipeline
from matching.engine.config import Config
from matching.engine.rerank import BUSY, NEW, VARIETY, Draws, Pool, rerank
from matching.engine.types import Exclusions, Parties, Side, Snapshot
from tests.engine.markets import WORDS, encoded_market

PLAIN = Config(diversity=0.0, newcomer_every=0)


def made_pool(rng, rows=6, width=40, ragged=True):
    mutual = -np.sort(-rng.random((rows, width)), axis=1)
    held = np.arange(width) < (rng.integers(0, width + 1, (rows, 1)) if ragged else width)
    partner_rows = np.where(held, rng.permuted(np.tile(np.arange(500), (rows, 1)), axis=1)[:, :width], -1)
    accepts = np.where(held, np.sqrt(mutual), 0.0)
    return Pool(partner_rows, np.where(held, mutual, 0.0), accepts, np.zeros((rows, 20), np.uint32))


def made_vectors(rng, pool):
    vectors = rng.random((*pool.partner_rows.shape, 5)).astype(np.float32)
    vectors /= np.sqrt(np.square(vectors).sum(axis=2, keepdims=True))
    return vectors * pool.held[:, :, None]


def made_draws(pool, seed=1, exposures=0):
    rows = len(pool.partner_rows)
    return Draws(seed, np.arange(rows), pool.partner_rows, np.full(pool.partner_rows.shape, exposures))


def order_of(seed=0, config=None, exposures=0, k=30, **shape):
    rng = np.random.default_rng(seed)
    pool = made_pool(rng, **shape)
    keys = pool.mutual - rng.random(pool.mutual.shape) * pool.mutual * 1.2
    vectors = made_vectors(rng, pool)
    draws = made_draws(pool, exposures=exposures)
    return pool, keys, rerank(pool, keys, vectors, draws, config or Config(), k)


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 45),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0, 3, 10]),
    st.integers(1, 60),
)
def test_values_never_rise_and_nobody_is_there_twice(seed, k, diversity, every, width):
    config = Config(diversity=diversity, newcomer_every=every)
    pool, _, order = order_of(seed, config, k=k, width=width)
    shown = order.places >= 0
    assert (shown.sum(axis=1) == np.minimum(pool.held.sum(axis=1), k)).all()
    for row in range(len(shown)):
        places = order.places[row][shown[row]]
        assert len(set(places.tolist())) == len(places)
        assert pool.held[row, places].all()
        value = np.rint(pool.mutual[row, places] * 10_000) + order.adjustments[row, : len(places)].sum(axis=1)
        assert (np.diff(value) <= 0).all()
    assert (order.adjustments[:, :, [BUSY, VARIETY]] <= 0).all()
    assert (order.adjustments[:, :, NEW] >= 0).all()
    assert (order.adjustments[~shown] == 0).all()


def test_without_queue_variety_and_newcomers_the_score_decides():
    rng = np.random.default_rng(3)
    pool = made_pool(rng, ragged=False)
    order = rerank(pool, pool.mutual, made_vectors(rng, pool), made_draws(pool), PLAIN, 10)
    assert (order.places == np.arange(10)).all()
    assert not order.adjustments.any()
    assert (order.propensities == 1).all()


def test_a_queue_costs_its_points_and_places():
    pool = Pool(np.array([[0, 1, 2]]), np.array([[0.5, 0.4, 0.3]]), np.full((1, 3), 0.7), np.zeros((1, 20)))
    keys = np.array([[0.1, 0.4, 0.25]])
    vectors = np.zeros((1, 3, 2), dtype=np.float32)
    order = rerank(pool, keys, vectors, made_draws(pool), PLAIN, 3)
    assert order.places.tolist() == [[1, 2, 0]]
    assert order.adjustments[0, :, BUSY].tolist() == [0, -500, -4000]


def test_variety_by_hand():
    """The second is the first's twin: it costs a tenth of its value and falls behind the third."""
    pool = Pool(
        np.array([[0, 1, 2]]), np.array([[0.50, 0.49, 0.46]]), np.full((1, 3), 0.7), np.zeros((1, 20))
    )
    vectors = np.array([[[1, 0], [1, 0], [0, 1]]], dtype=np.float32)
    order = rerank(pool, pool.mutual, vectors, made_draws(pool), replace(PLAIN, diversity=0.1), 3)
    assert order.places.tolist() == [[0, 2, 1]]
    assert order.adjustments[0, :, VARIETY].tolist() == [0, 0, -490]


def test_every_tenth_place_is_drawn_among_newcomers_and_its_chance_is_told():
    pool, _, order = order_of(5, Config(diversity=0.0), ragged=False)
    drawn = order.propensities < 1
    assert set(np.flatnonzero(drawn.any(axis=0)).tolist()) <= {9, 19, 29}
    assert drawn[:, 9].all()
    assert (order.propensities > 0).all()
    _, _, known = order_of(5, Config(diversity=0.0), exposures=20, ragged=False)
    assert (known.propensities == 1).all()
    assert not known.adjustments[:, :, NEW].any()


def test_the_chance_told_is_the_chance():
    """Over many subjects with the same eight newcomers each comes as often as its propensity says."""
    subjects, width = 4000, 20
    mutual = np.tile(np.linspace(0.5, 0.3, width), (subjects, 1))
    rows = np.tile(np.arange(width), (subjects, 1))
    pool = Pool(rows, mutual, np.sqrt(mutual), np.zeros((subjects, 20), np.uint32))
    draws = Draws(7, np.arange(subjects), rows, np.zeros_like(rows))
    vectors = np.zeros((subjects, width, 1), dtype=np.float32)
    order = rerank(pool, mutual, vectors, draws, Config(diversity=0.0), 10)
    tenth, chance = order.places[:, 9], order.propensities[:, 9].astype(float)
    # Horvitz and Thompson: weights 1 / propensity count every one of the eight once per subject.
    for candidate in range(9, 17):
        weights = np.where(tenth == candidate, 1 / chance, 0.0)
        assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(subjects)


def test_the_chance_told_is_the_chance_at_later_places_too():
    """Few newcomers for three places: who missed the first is weighed right at the second and third."""
    subjects, width = 8000, 40
    mutual = np.tile(np.linspace(0.5, 0.3, width), (subjects, 1))
    rows = np.tile(np.arange(width), (subjects, 1))
    pool = Pool(rows, mutual, np.sqrt(mutual), np.zeros((subjects, 20), np.uint32))
    few = np.where(np.arange(width) >= 30, 0, 99)
    draws = Draws(7, np.arange(subjects), rows, np.tile(few, (subjects, 1)))
    vectors = np.zeros((subjects, width, 1), dtype=np.float32)
    order = rerank(pool, mutual, vectors, draws, Config(diversity=0.0), 30)
    for place in (9, 19, 29):
        drawn, chance = order.places[:, place], order.propensities[:, place].astype(float)
        assert (chance < 1).all() and (drawn >= 30).all()
        # One of the newcomers stands there: the weights of all count each list's candidates once.
        for candidate in range(30, 33):
            above = (order.places[:, :place] == candidate).any(axis=1)
            weights = np.where(drawn == candidate, 1 / chance, 0.0)[~above]
            assert abs(weights.mean() - 1) < 5 * weights.std() / np.sqrt(len(weights)), (place, candidate)


def test_a_list_does_not_depend_on_its_neighbours():
    pool, keys, order = order_of(8, rows=5)
    rng = np.random.default_rng(8)
    made_pool(rng, rows=5)
    rng.random(pool.mutual.shape)
    vectors = made_vectors(rng, pool)
    draws = made_draws(pool)
    for row in range(5):
        at = slice(row, row + 1)
        alone = rerank(
            Pool(pool.partner_rows[at], pool.mutual[at], pool.partner_accepts[at], pool.counts[at]),
            keys[at],
            vectors[at],
            Draws(1, draws.subject_ids[at], draws.partner_ids[at], draws.exposures[at]),
            Config(),
            30,
        )
        np.testing.assert_array_equal(alone.places[0], order.places[row])
        np.testing.assert_array_equal(alone.propensities[0], order.propensities[row])


@pytest.mark.parametrize("side", list(Side))
def test_lists_of_a_market(side):
    snapshot, model, stalls, anchors = encoded_market(4, 40, 160)
    lists = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=side, k=50)
    value = np.rint(lists.scores * 100) + lists.adjustments.sum(axis=2)
    shown = lists.partner_ids >= 0
    assert (np.diff(value, axis=1)[shown[:, 1:]] <= 0).all()
    rest = np.rint(100 * lists.base) + lists.parts.sum(axis=2)
    assert (rest == np.rint(100 * lists.scores))[shown].all(), "the parts sum to the score as ever"


def test_nobody_to_list():
    stalls, anchors = Parties.build(Side.STALL, WORDS, [1]), Parties.build(Side.ANCHOR, WORDS, [])
    model = pipeline.fit(Snapshot(WORDS, stalls, anchors, Exclusions(), ""))
    encoded = pipeline.encode(model, stalls), pipeline.encode(model, anchors)
    lists = pipeline.recommend(model, *encoded, Exclusions(), side=Side.STALL, k=5)
    assert (lists.partner_ids == -1).all()
    assert len(pipeline.recommend(model, *encoded, Exclusions(), side=Side.ANCHOR, k=5)) == 0
