"""Exposure and its Gini: by hand, against the definition, and at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine.fairness import by_group, expected_exposure, gini


def test_exposure_by_hand():
    """Lists [7, 9], [] and [9, 7, 8]; 99 has left the market. docs/engine.md tells the same numbers."""
    ids = np.array([7, 8, 9, 10])
    partners, lengths = np.array([7, 9, 9, 7, 8, 99]), np.array([2, 0, 4])
    exposure = expected_exposure(ids, partners, lengths)
    assert exposure.tolist() == pytest.approx([1.5, 1 / 3, 1.5, 0.0])
    assert gini(exposure) == pytest.approx(0.425)


def test_exposure_of_nothing():
    none = np.empty(0, dtype=np.int64)
    assert expected_exposure(np.array([1, 2]), none, none).tolist() == [0, 0]
    assert expected_exposure(none, np.array([1]), np.array([1])).tolist() == []
    assert gini(np.zeros(3)) == gini(np.empty(0)) == 0.0 and by_group(np.empty(0), none, []) == []


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(any))
def test_gini_is_half_the_relative_mean_difference(values):
    values = np.array(values)
    difference = np.abs(values[:, None] - values[None, :]).mean()
    assert gini(values) == pytest.approx(difference / (2 * values.mean()), abs=1e-9)


def test_gini_at_its_ends():
    assert gini(np.full(9, 3.0)) == pytest.approx(0)
    assert gini(np.array([0.0] * 99 + [5])) == pytest.approx(0.99)


def test_a_party_of_two_groups_counts_in_both():
    rows, codes = np.array([0, 1, 1, 2]), ["a", "a", "b", "b"]
    first, second = by_group(np.array([3.0, 1.0, 0.0]), rows, codes)
    assert (first.code, first.parties, first.share_of_exposure, first.without_exposure) == ("a", 2, 1.0, 0)
    assert (second.parties, second.share_of_exposure, second.without_exposure) == (2, 0.25, 1)
    assert second.share_of_parties == pytest.approx(2 / 3)
