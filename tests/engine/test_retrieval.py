"""The lists equal a full sort of the float64 scores, whatever the market, filter or size of list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.engine import pipeline, retrieval, shortlist
from matching.engine.candidates import ruled_out
from matching.engine.errors import EngineError
from matching.engine.retrieval import exact_scores, tile_scores
from matching.engine.types import Exclusions, Parties, Rule, Side, Snapshot
from tests.engine.markets import WORDS, encoded_market


def brute_force(market, side, k, allowed=None, without=(), subjects=None):
    """Partner ids and scores by sorting everything, and counts by rule."""
    snapshot, model, stalls, anchors = market
    codes = ruled_out(snapshot.stalls, snapshot.anchors, snapshot.exclusions, subject=side)
    scores = exact_scores(model, stalls, anchors)
    own, others = (snapshot.stalls, snapshot.anchors)
    if side is Side.ANCHOR:
        codes, scores, own, others = codes.T, scores.T, others, own
    hidden = np.isin(others.ids, list(without))
    if allowed is not None:
        hidden |= ~allowed
    # A filter counts after the rules about one party and before those about the pair.
    codes = np.where(hidden[None, :] & ((codes == 0) | (codes > Rule.FILTERED)), Rule.FILTERED, codes)
    ids = np.full((len(own), k), -1)
    best = np.zeros((len(own), k))
    for row in range(len(own)):
        open_partners = np.flatnonzero(codes[row] == 0)
        order = open_partners[np.lexsort((others.ids[open_partners], -scores[row, open_partners]))][:k]
        ids[row, : len(order)], best[row, : len(order)] = others.ids[order], 100 * scores[row, order]
    counts = np.array([np.bincount(row, minlength=len(Rule) + 1) for row in codes])
    counts = counts.reshape(len(own), len(Rule) + 1)
    rows = slice(None) if subjects is None else own.rows_of(subjects)
    return ids[rows], best[rows], counts[rows]


def check(market, side, k, **query):
    snapshot, model, stalls, anchors = market
    ids, scores, counts = brute_force(market, side, k, **query)
    found = pipeline.pool(
        model,
        stalls,
        anchors,
        snapshot.exclusions,
        side=side,
        k=k,
        allowed=query.get("allowed"),
        without_ids=query.get("without"),
        subjects=query.get("subjects"),
    )
    others = snapshot.anchors if side is Side.STALL else snapshot.stalls
    found_ids = np.append(others.ids, -1)[found.partner_rows]
    np.testing.assert_array_equal(found_ids, ids)
    np.testing.assert_allclose(100 * found.mutual, scores, atol=1e-9)
    np.testing.assert_array_equal(found.counts, counts)
    return found


@pytest.fixture(scope="module", params=[1, 2, 3])
def market(request):
    return encoded_market(request.param, 70, 130)


@pytest.fixture
def small_tiles(monkeypatch):
    """Many blocks and tiles, so that floors, pruning and both threads are at work."""
    monkeypatch.setattr(retrieval, "_SUBJECTS", 16)
    monkeypatch.setattr(retrieval, "_TILE_CELLS", 16 * 24)


@pytest.mark.parametrize("k", [1, 5, 50, 500])
@pytest.mark.parametrize("side", list(Side))
def test_all_subjects(market, side, k, small_tiles):
    lists = check(market, side, k)
    assert lists.held.any()
    if k == 5:
        kept = lists.mutual[:, 1:] > 0
        assert (np.diff(lists.mutual, axis=1)[kept] == 0).any(), "no ties: the market proves too little"


@pytest.mark.parametrize("side", list(Side))
def test_in_one_tile(market, side):
    check(market, side, 7)


@pytest.mark.parametrize("side", list(Side))
def test_some_subjects_in_any_order(market, side, small_tiles):
    snapshot = market[0]
    own = snapshot.stalls if side is Side.STALL else snapshot.anchors
    check(market, side, 5, subjects=own.ids[[40, 3, 17]])
    check(market, side, 5, subjects=own.ids[[9]])


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("share", [0.0, 0.03, 0.3, 0.9])
def test_filters_of_every_selectivity(market, side, share, small_tiles):
    others = market[0].anchors if side is Side.STALL else market[0].stalls
    rng = np.random.default_rng(0)
    check(market, side, 10, allowed=rng.random(len(others)) < share)
    check(market, side, 10, without=others.ids[rng.random(len(others)) < share])


@pytest.mark.parametrize("side", list(Side))
def test_an_adverse_filter_that_leaves_only_the_worst(market, side, small_tiles):
    snapshot, model, stalls, anchors = market
    others = snapshot.anchors if side is Side.STALL else snapshot.stalls
    subject = (snapshot.stalls if side is Side.STALL else snapshot.anchors).ids[[11]]
    found = pipeline.pool(model, stalls, anchors, snapshot.exclusions, side=side, subjects=subject, k=500)
    best = np.append(others.ids, -1)[found.partner_rows[0]]
    worst = np.isin(others.ids, best[best >= 0][-5:])
    lists = check(market, side, 10, allowed=worst, subjects=subject)
    assert lists.held.sum() == worst.sum()


@settings(max_examples=25)
@given(
    st.integers(0, 10_000),
    st.integers(0, 12),
    st.integers(0, 25),
    st.integers(1, 30),
    st.sampled_from(list(Side)),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_any_market(seed, stalls, anchors, k, side, unknown):
    check(encoded_market(seed, stalls, anchors, unknown), side, k)


@pytest.mark.parametrize("side", list(Side))
def test_equal_partners_come_in_order_of_id(side):
    """More equal partners than fit: the ties reach across the end of the list."""
    stalls = Parties.build(Side.STALL, WORDS, range(1, 41))
    anchors = Parties.build(Side.ANCHOR, WORDS, range(1, 301))
    snapshot = Snapshot(WORDS, stalls, anchors, Exclusions.of([(1, 2, Rule.NEVER), (2, 1, Rule.NEVER)]), "")
    model = pipeline.fit(snapshot)
    lists = pipeline.recommend(
        model,
        pipeline.encode(model, stalls),
        pipeline.encode(model, anchors),
        snapshot.exclusions,
        side=side,
        k=3,
    )
    assert lists.partner_ids[:3].tolist() == [[1, 3, 4], [2, 3, 4], [1, 2, 3]]


def test_all_excluded_gives_the_reasons():
    snapshot, model, stalls, anchors = encoded_market(5, 4, 9)
    pairs = [(int(s), int(a), Rule.BLOCKED) for s in stalls.parties.ids for a in anchors.parties.ids]
    fine = {
        "archived": np.zeros(9, dtype=bool),
        "verified": np.ones(9, dtype=bool),
        "of_age": np.ones(9, dtype=bool),
        "capacity": np.full(9, 99, dtype=np.int32),
    }
    everyone = pipeline.encode(model, Parties.from_arrays({**snapshot.anchors.to_arrays(), **fine}))
    arrays = {**snapshot.stalls.to_arrays(), "archived": np.array([False, True, False, False])}
    mine = {"licence_valid": np.ones(4, dtype=bool), "streaming_permit": np.zeros(4, dtype=np.int8)}
    own = Parties.from_arrays({**arrays, **mine, "capacity": np.full(4, 99, dtype=np.int32)})
    lists = pipeline.recommend(
        model, pipeline.encode(model, own), everyone, Exclusions.of(pairs), side=Side.STALL, k=3
    )
    assert (lists.partner_ids == -1).all() and not lists.scores.any() and not lists.parts.any()
    assert lists.reasons(0) == {"blocked": 9}
    assert lists.reasons(1) == {"archived": 9}


@pytest.mark.parametrize(("stalls", "anchors"), [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize("side", list(Side))
def test_an_empty_side(stalls, anchors, side):
    snapshot, model, left, right = encoded_market(6, stalls, anchors)
    lists = pipeline.recommend(model, left, right, snapshot.exclusions, side=side, k=4)
    assert lists.partner_ids.shape == (stalls if side is Side.STALL else anchors, 4)
    assert (lists.partner_ids == -1).all()


def test_the_float32_scores_stay_within_a_third_of_the_margin():
    for seed in range(5):
        _, model, stalls, anchors = encoded_market(seed, 60, 300)
        exact = exact_scores(model, stalls, anchors)
        quick = tile_scores(model, stalls, anchors, slice(None), slice(None))
        assert (np.abs(quick - exact) / exact).max() < float(shortlist._MARGIN) / 3


def test_progress_is_told_to_the_end(market, small_tiles):
    snapshot, model, stalls, anchors = market
    told = []
    pipeline.recommend(
        model,
        stalls,
        anchors,
        snapshot.exclusions,
        side=Side.STALL,
        k=3,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == sorted(told) and told[-1] == (70, 70) and len(told) == 5


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"k": 0}, "k"),
        ({"subjects": [10**9]}, "subjects"),
        ({"allowed": np.ones(3, dtype=bool)}, "allowed"),
        ({"allowed": np.ones(130)}, "allowed"),
    ],
)
def test_a_bad_query_is_named(market, query, named):
    snapshot, model, stalls, anchors = market
    with pytest.raises(EngineError, match=f"^{named}:"):
        pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=Side.STALL, **query)


def test_swapped_sides_are_refused(market):
    snapshot, model, stalls, anchors = market
    with pytest.raises(EngineError, match="side"):
        pipeline.recommend(model, anchors, stalls, snapshot.exclusions, side=Side.STALL)


def test_near_ties_beyond_the_cap_still_give_a_full_list(monkeypatch):
    monkeypatch.setattr(shortlist, "_MOST_TIES", 2)
    stalls, anchors = Parties.build(Side.STALL, WORDS, [1]), Parties.build(Side.ANCHOR, WORDS, range(1, 200))
    model = pipeline.fit(Snapshot(WORDS, stalls, anchors, Exclusions(), ""))
    lists = pipeline.recommend(
        model,
        pipeline.encode(model, stalls),
        pipeline.encode(model, anchors),
        Exclusions(),
        side=Side.STALL,
        k=4,
    )
    assert lists.partner_ids.tolist() == [[1, 2, 3, 4]]
