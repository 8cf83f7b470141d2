"""What a booking is worth, by hand: shrunk turnover, its weight, and figures out of line."""

import numpy as np
import pytest

from matching.engine.allocation.worth import turnover_of


def test_turnover_is_shrunk_from_anchor_to_category_to_town_by_hand() -> None:
    # Stall 0 sells category 0, stall 1 sells 1, stall 2 nothing. Five outcomes of 200 in category 0 by anchor
    # 0, five of 100 in category 1 by anchor 1: the town's mean is 150.
    categories = np.array([[True, False], [False, True], [False, False]])
    rows, columns = np.array([0] * 5 + [1] * 5), np.array([0] * 5 + [1] * 5)
    known = turnover_of(categories, 3, rows, columns, np.array([200] * 5 + [100] * 5))
    assert (known.town_cents, known.outcomes) == (150.0, 10)
    # Category: (5·200 + 5·150) / 10 = 175; the stall without a category has the town's.
    assert known.stall_cents.tolist() == [175.0, 125.0, 150.0]
    # Anchor 0 at stall 0: (1000 + 5·175) / 10 = 187.5; anchor 2 has no history: the stall's prior.
    expected = known.expected_cents(np.array([0, 1, 0, 2]), np.array([0, 0, 2, 2]))
    assert expected.tolist() == [188, 162, 175, 150]


def test_the_weight_grows_with_turnover_as_rho_says() -> None:
    known = turnover_of(np.ones((1, 1), dtype=bool), 1, np.zeros(1, int), np.zeros(1, int), np.array([100]))
    mutual, expected = np.array([0.5, 0.5]), np.array([100, 400])
    assert known.weights(mutual, expected, 0.0).tolist() == [0.5, 0.5]
    assert known.weights(mutual, expected, 0.5) == pytest.approx([0.5, 1.0])
    assert known.weights(mutual, expected, 1.0) == pytest.approx([0.5, 2.0])
    extreme = known.weights(mutual, np.array([0, 10**9]), 1.0)
    assert extreme == pytest.approx([0.5 * 0.05, 0.5 * 20])


def test_without_outcomes_the_likelihood_alone_counts() -> None:
    nothing = np.empty(0, dtype=np.int64)
    known = turnover_of(np.ones((2, 1), dtype=bool), 2, nothing, nothing, nothing)
    expected = known.expected_cents(np.array([0, 1]), np.array([1, 0]))
    assert expected.tolist() == [0, 0]
    assert known.weights(np.array([0.2, 0.3]), expected, 1.0).tolist() == [0.2, 0.3]


def test_one_figure_out_of_line_lifts_nobody_far() -> None:
    rows, columns = np.zeros(40, int), np.arange(40)
    honest = np.full(40, 1000)
    made_up = np.where(columns == 7, 1_000_000, honest)
    plain, bent = (
        turnover_of(np.ones((1, 1), dtype=bool), 40, rows, columns, net) for net in (honest, made_up)
    )
    before, after = (known.expected_cents(np.zeros(1, int), np.array([7]))[0] for known in (plain, bent))
    assert after == before
