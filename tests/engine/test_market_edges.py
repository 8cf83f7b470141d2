"""Edges, orientations and ranks: what is accepted, and in which order everything stands."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine.errors import EngineError
from matching.engine.market.edges import Edges, listed, orient, ranks_within
from matching.engine.types import Side
from tests.engine.small_markets import sparse_market


def test_an_orientation_orders_lists_by_id_and_queues_by_score_then_id():
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 2, 0, 1])
    edges = Edges(rows, columns, np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.6, 0.5, 0.8]), 2, 3)
    stalls = orient(edges, Side.STALL)
    assert stalls.partner.tolist() == [0, 2, 0, 1]
    # Anchor 0 screens by her own probability, .5 for both stalls: the lower id comes first.
    assert stalls.queue.tolist() == [0, 2, 3, 1]
    assert stalls.queue_starts.tolist() == [0, 2, 3, 4]
    anchors = orient(edges, Side.ANCHOR)
    assert anchors.edge.tolist() == [0, 2, 3, 1]
    assert anchors.party.tolist() == [0, 0, 1, 2]
    assert anchors.applies.tolist() == [0.5, 0.5, 0.8, 0.6]
    assert anchors.screened.tolist() == [0.1, 0.3, 0.4, 0.2]
    # Stall 0 screens anchor 2 (.2) before anchor 0 (.1), stall 1 anchor 1 (.4) before anchor 0 (.3).
    assert anchors.queue.tolist() == [3, 0, 2, 1]


def test_what_was_found_before_and_what_is_no_candidate_is_left_out():
    edges = sparse_market(5)
    among = np.arange(len(edges)) % 2 == 0
    found = np.full(len(edges), 0.25)
    part = orient(edges, Side.ANCHOR, among=among, already_found=found)
    assert sorted(part.edge) == np.flatnonzero(among).tolist()
    np.testing.assert_allclose(part.applies, edges.column_accepts[part.edge] * 0.75)
    np.testing.assert_allclose(part.screened, edges.row_accepts[part.edge])


@given(st.integers(0, 10**6), st.integers(0, 9), st.integers(0, 40))
def test_ranks_are_a_sort_of_each_segment_however_ragged(seed, segments, longest):
    rng = np.random.default_rng(seed)
    # One long segment among short ones takes the other way through the code.
    lengths = np.minimum(rng.geometric(0.3, size=segments) - 1, longest)
    if segments > 1 and seed % 2:
        lengths[0] = 2000
    starts = np.concatenate(([0], np.cumsum(lengths)))
    keys = np.round(rng.random(starts[-1]), 1)
    ranks = ranks_within(keys, starts)
    for start, stop in zip(starts[:-1], starts[1:], strict=True):
        order = sorted(range(start, stop), key=lambda entry: (-keys[entry], entry))
        assert [ranks[entry] for entry in order] == list(range(1, stop - start + 1))


def test_lists_end_with_minus_one():
    orientation = orient(sparse_market(7, rows=3, columns=4), Side.STALL)
    lists = listed(orientation, ranks_within(orientation.mutual, orientation.starts), 5)
    for party, row in enumerate(lists):
        own = orientation.party == party
        best = orientation.partner[own][np.argsort(-orientation.mutual[own], kind="stable")]
        assert row.tolist() == [*best, *[-1] * (5 - own.sum())]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", np.array([0, 5])),
        ("rows", np.array([-1, 0])),
        ("rows", np.array([0.0, 1.0])),
        ("rows", np.array([1, 0])),
        ("columns", np.array([0, 9])),
        ("columns", np.array([0])),
        ("row_accepts", np.array([0.1, np.nan])),
        ("row_accepts", np.array([0.1, 1.1])),
        ("column_accepts", np.array([-0.1, 0.5])),
        ("column_accepts", np.array([0.5])),
        ("n_rows", -1),
    ],
)
def test_what_is_no_market_is_refused_by_name(field, value):
    good = Edges(np.array([0, 1]), np.array([1, 1]), np.array([0.1, 0.2]), np.array([0.3, 0.4]), 2, 2)
    with pytest.raises(EngineError, match=rf"^({field}|rows):" if field == "n_rows" else f"^{field}:"):
        replace(good, **{field: value})


def test_a_pair_may_not_stand_twice():
    with pytest.raises(EngineError, match="^rows:"):
        Edges(np.array([0, 0]), np.array([1, 1]), np.ones(2), np.ones(2), 2, 2)


def test_other_arguments_are_refused_by_name():
    edges = sparse_market(1)
    with pytest.raises(EngineError, match="^already_found:"):
        orient(edges, Side.STALL, already_found=np.full(len(edges), 2.0))
    with pytest.raises(EngineError, match="^among:"):
        orient(edges, Side.STALL, among=np.ones(3, dtype=bool))
    with pytest.raises(EngineError, match="^k:"):
        listed(orient(edges, Side.STALL), np.ones(len(edges), dtype=int), -1)
    with pytest.raises(EngineError, match="^column_accepts:"):
        Edges.of_dense(np.ones((2, 3)), np.ones((3, 2)))
