"""Metrics of lists and probabilities, by hand."""

import numpy as np
import pytest

from matching.engine import evaluation
from matching.engine.errors import EngineError

# List 7 has four entries, relevant at ranks 2 and 4; list 3 two, relevant at rank 1; list 9 nothing.
NAME = np.array([7, 3, 7, 9, 7, 3, 7])
SCORE = np.array([0.1, 0.9, 0.8, 0.5, 0.4, 0.2, 0.6])
RELEVANT = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])


def lists(fewest=1):
    return evaluation.rank_lists(NAME, SCORE, RELEVANT, fewest)


def test_lists_are_sorted_and_those_without_anything_relevant_left_out():
    found = lists()
    assert found.name.tolist() == [3, 7]
    assert found.entry.tolist() == [1, 5, 2, 6, 4, 0]
    assert found.rank.tolist() == [1, 2, 1, 2, 3, 4]
    assert lists(fewest=3).name.tolist() == [7]


def test_ndcg_by_hand():
    ideal = 1.0 + 1.0 / np.log2(3)
    expected = [1.0, (1 / np.log2(3) + 1 / np.log2(5)) / ideal]
    np.testing.assert_allclose(evaluation.ndcg(lists(), 4), expected)
    np.testing.assert_allclose(evaluation.ndcg(lists(), 2), [1.0, (1 / np.log2(3)) / ideal])
    np.testing.assert_allclose(evaluation.ndcg(lists(), 1), [1.0, 0.0])


def test_precision_and_recall_by_hand():
    np.testing.assert_allclose(evaluation.average_precision(lists()), [1.0, (1 / 2 + 2 / 4) / 2])
    np.testing.assert_allclose(evaluation.recall(lists(), 2), [1.0, 0.5])


def test_equal_scores_keep_the_order_of_the_entries():
    found = evaluation.rank_lists(np.zeros(3, dtype=np.int64), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    assert found.entry.tolist() == [0, 1, 2]


def test_attention_on_marked_entries():
    marked = np.array([True, False, True, False, False, True, False])
    weights = 1.0 / np.log2(np.arange(2, 6))
    expected = [weights[1] / weights[:2].sum(), (weights[0] + weights[3]) / weights.sum()]
    np.testing.assert_allclose(evaluation.exposure_share(lists(), marked), expected)


def test_no_list_at_all_is_empty_everywhere():
    none = evaluation.rank_lists(NAME, SCORE, np.zeros(7))
    assert len(none) == 0
    assert evaluation.ndcg(none, 5).shape == evaluation.average_precision(none).shape == (0,)


def test_auc_by_hand():
    assert evaluation.auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 1.0, 0.0, 1.0])) == 3.5 / 4
    assert np.isnan(evaluation.auc(np.array([0.1, 0.2]), np.ones(2)))


def test_reliability_by_hand():
    curve = evaluation.reliability(np.array([0.05, 0.15, 0.19, 1.0]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert curve.count.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(curve.predicted[[0, 1, 9]], [0.05, 0.17, 1.0])
    assert np.isnan(curve.observed[5])
    assert curve.ece == pytest.approx((0.05 + 2 * 0.33 + 0.0) / 4)


def test_log_loss_by_hand():
    found = evaluation.log_loss(np.array([0.25, 0.25, 0.0]), np.array([1.0, 0.0, 1.0]))
    np.testing.assert_allclose(found, [np.log(4), np.log(4 / 3), 12 * np.log(10)])


def test_an_interval_over_groups_is_wider_than_one_that_takes_pairs_for_independent():
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(15), 40)
    values = rng.normal(size=15)[group] + 0.1 * rng.normal(size=600)
    grouped = evaluation.bootstrap_over_groups(values, group, np.random.default_rng(2))
    alone = evaluation.bootstrap_over_groups(values, np.arange(600), np.random.default_rng(2))
    assert grouped.low < alone.low < grouped.mean < alone.high < grouped.high
    again = evaluation.bootstrap_over_groups(values, group, np.random.default_rng(2))
    assert again == grouped


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=60)
        interval = evaluation.bootstrap_over_groups(
            values, np.arange(60), np.random.default_rng(seed), draws=400
        )
        covered += interval.low <= 0.0 <= interval.high
    assert 180 <= covered <= 199


def test_a_share_is_held_out_but_never_all():
    out = evaluation.held_out(20, 0.15, np.random.default_rng(1))
    assert out.sum() == 3
    assert evaluation.held_out(2, 0.99, np.random.default_rng(1)).sum() == 1
    with pytest.raises(EngineError, match="parties"):
        evaluation.held_out(1, 0.15, np.random.default_rng(1))


def test_bad_input_names_the_field():
    with pytest.raises(EngineError, match="score"):
        evaluation.rank_lists(NAME, SCORE * np.nan, RELEVANT)
    with pytest.raises(EngineError, match="p: "):
        evaluation.reliability(np.array([1.2]), np.ones(1))
    with pytest.raises(EngineError, match="values"):
        evaluation.bootstrap_over_groups(np.empty(0), np.empty(0), np.random.default_rng(1))
