"""base + parts = score: to 1e-9 in points, exactly in the integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine import pipeline
from matching.engine.config import config_from
from matching.engine.errors import EngineError
from matching.engine.explain import (
    explain,
    hundredths_of,
    largest_remainder,
    path_integrals,
    whole_points,
)
from matching.engine.scoring import PART_CODES, sigmoid
from matching.engine.types import Side
from tests.engine.markets import encoded_market


@pytest.fixture(scope="module", params=["prior", "steep"])
def market(request):
    config = None
    if request.param == "steep":
        # The furthest that the configuration allows: long paths are the hardest to integrate.
        config = config_from({"slope": 8.0, "mean_stall_accepts": 0.02, "mean_anchor_accepts": 0.98})
    return encoded_market(31, 250, 400, unknown=0.1, config=config)


@pytest.fixture(scope="module")
def explained(market):
    _, model, stalls, anchors = market
    rows, columns = np.indices((250, 400)).reshape(2, -1)
    return explain(model, stalls, anchors, rows, columns)


def test_a_hundred_thousand_explanations_sum_to_the_score(explained):
    assert len(explained.scores) == 100_000
    gap = explained.base + explained.parts.sum(axis=(1, 2)) - explained.scores
    assert np.abs(gap).max() <= 1e-9


def test_the_stored_hundredths_sum_exactly(explained):
    whole = np.rint(100 * explained.base) + explained.hundredths.sum(axis=1)
    np.testing.assert_array_equal(whole, np.rint(100 * explained.scores))
    parts = 100 * explained.parts.sum(axis=1)
    assert np.abs(explained.hundredths - parts).max() < 1
    assert not explained.hundredths[parts == 0].any()


def test_the_points_shown_sum_exactly(explained):
    for row in range(0, 100_000, 97):
        base, score, parts = whole_points(explained.base, explained.scores[row], explained.hundredths[row])
        assert base + sum(parts) == score
        assert abs(score - explained.scores[row]) <= 0.51 and abs(base - explained.base) <= 0.51
        assert np.abs(np.array(parts) - explained.hundredths[row] / 100).max() < 1


def test_the_score_is_the_product_of_the_directions(explained):
    np.testing.assert_allclose(explained.scores, 100 * explained.probabilities.prod(axis=1), rtol=1e-12)
    assert explained.base == pytest.approx(100 * np.prod(explained.base_probabilities))


def test_the_completed_direction_is_moved_by_reliability_alone(explained):
    reliability = [code.endswith("_reliability") for code in PART_CODES]
    assert explained.parts[:, 2, reliability].any()
    assert not explained.parts[:, 2, np.invert(reliability)].any()


def test_confidence_is_the_share_of_history(market, explained):
    snapshot, model, stalls, anchors = market
    assert explained.confidence.min() >= 0 and explained.confidence.max() < 1
    old = snapshot.stalls.accepted + snapshot.stalls.decisions_given + snapshot.stalls.received
    assert np.all((stalls.history == 0) == ((old == 0) | ~snapshot.stalls.personalised))
    busiest = np.argmax(np.where(snapshot.stalls.personalised, old, -1))
    assert stalls.history[busiest] == stalls.history.max()


def test_lists_carry_the_same_numbers(market):
    snapshot, model, stalls, anchors = market
    lists = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=Side.ANCHOR, k=6)
    shown = lists.partner_ids >= 0
    subjects = np.broadcast_to(lists.subject_ids[:, None], shown.shape)[shown]
    pairs = list(zip(lists.partner_ids[shown].tolist(), subjects.tolist(), strict=True))
    again = pipeline.explain_pairs(model, stalls, anchors, pairs)
    np.testing.assert_array_equal(lists.scores[shown], again.scores)
    np.testing.assert_array_equal(lists.parts[shown], again.hundredths)
    np.testing.assert_array_equal(lists.confidence[shown], again.confidence)
    assert lists.base == again.base and lists.part_codes == again.part_codes


def test_no_pairs_at_all(market):
    _, model, stalls, anchors = market
    assert len(pipeline.explain_pairs(model, stalls, anchors, []).scores) == 0


def test_an_unknown_pair_is_refused(market):
    _, model, stalls, anchors = market
    with pytest.raises(EngineError, match="pairs"):
        pipeline.explain_pairs(model, stalls, anchors, [(10**9, 1)])


LOGITS = st.floats(-12, 12)
FURTHEST = st.floats(-40, 40)


@given(st.tuples(LOGITS, LOGITS, LOGITS), st.tuples(LOGITS, LOGITS, LOGITS))
def test_the_quadrature_holds_beyond_what_the_prior_can_reach(start, end):
    biases, logits = np.array(start), np.array(end)[:, None]
    shares = path_integrals(biases, logits)
    gap = sigmoid(biases).prod() + ((logits[:, 0] - biases) * shares[:, 0]).sum() - sigmoid(logits).prod()
    assert abs(gap) <= 1e-10


@given(st.tuples(FURTHEST, FURTHEST, FURTHEST), st.tuples(FURTHEST, FURTHEST, FURTHEST))
def test_the_quadrature_holds_as_far_as_learned_weights_may_reach(start, end):
    biases, logits = np.array(start), np.array(end)[:, None]
    shares = path_integrals(biases, logits)
    gap = sigmoid(biases).prod() + ((logits[:, 0] - biases) * shares[:, 0]).sum() - sigmoid(logits).prod()
    assert abs(gap) <= 1e-11


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=26), st.integers(-60, 60))
def test_largest_remainder_sums_to_any_total(values, total):
    whole = largest_remainder(np.array([values]), np.array([total]))
    assert whole.sum() == total
    if abs(total - sum(values)) < 1:
        assert np.abs(whole[0] - np.array(values)).max() < 2


@given(st.floats(0, 100), st.floats(0, 100), st.lists(st.floats(0, 1), min_size=2, max_size=26))
def test_hundredths_of_any_split(base, score, shares):
    weights = np.array(shares) + 1e-3
    parts = (score - base) * weights / weights.sum()
    whole = hundredths_of(base, np.array([score]), parts[:, None])
    assert np.rint(100 * base) + whole.sum() == np.rint(100 * score)
