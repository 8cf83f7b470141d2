"""What earlier answers tell: by hand, and against a loop over all pairs."""

import numpy as np
import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from matching.engine.errors import EngineError
from matching.engine.learning.history import Answers, given, received, shrunk, sums_before


def answers(moment=None, known=(True, True, True, True)):
    """Party 0 answers 0, 1 and 2; party 1 answers 0."""
    return Answers(
        decider=np.array([0, 0, 0, 1]),
        receiver=np.array([0, 1, 2, 0]),
        value=np.array([1.0, 0.0, 1.0, 1.0]),
        known=np.array(known),
        moment=moment,
    )


def test_the_pair_itself_is_left_out():
    # Of party 0: without its own yes to 0 there is one yes among two others.
    np.testing.assert_allclose(given(answers(), 0.5, 2.0), [2 / 4, 3 / 4, 2 / 4, 0.5])
    np.testing.assert_allclose(received(answers(), 0.5, 2.0), [2 / 3, 0.5, 0.5, 2 / 3])


def test_an_answer_that_is_not_known_counts_nothing():
    found = given(answers(known=(True, True, False, True)), 0.5, 2.0)
    np.testing.assert_allclose(found, [1 / 3, 2 / 3, 2 / 4, 0.5])


def test_only_strictly_earlier_answers_count():
    found = sums_before(np.array([0, 0, 0, 1]), answers(moment=np.array([2.0, 1.0, 2.0, 5.0])))
    assert found[0].tolist() == [0.0, 0.0, 0.0, 0.0]
    assert found[1].tolist() == [1.0, 0.0, 1.0, 0.0]


def test_nothing_known_is_the_mean():
    nothing = answers(known=(False,) * 4)
    assert given(nothing, 0.3, 12.0).tolist() == pytest.approx([0.3] * 4)
    with pytest.raises(EngineError, match="worth"):
        shrunk(np.zeros(1), np.zeros(1), 0.3, 0.0)


def test_an_empty_market_has_an_empty_history():
    none = np.empty(0, dtype=np.int64)
    for moment in (None, np.empty(0)):
        empty = Answers(none, none, np.empty(0), np.empty(0, dtype=np.bool_), moment)
        assert given(empty, 0.5, 1.0).shape == (0,)


@settings(max_examples=60, deadline=None)
@examples(st.integers(0, 2**32 - 1), st.booleans())
def test_a_loop_over_all_pairs_finds_the_same(seed, timed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 30))
    decider = rng.integers(0, 4, n)
    value, known = rng.normal(size=n), rng.random(n) < 0.7
    moment = rng.integers(0, 5, n).astype(float) if timed else None
    some = Answers(decider, rng.integers(0, 4, n), value, known, moment)
    total, count = sums_before(decider, some)
    for pair in range(n):
        counted = [
            other
            for other in range(n)
            if other != pair
            and decider[other] == decider[pair]
            and known[other]
            and (moment is None or moment[other] < moment[pair])
        ]
        assert count[pair] == pytest.approx(len(counted))
        assert total[pair] == pytest.approx(sum(value[other] for other in counted), abs=1e-9)
