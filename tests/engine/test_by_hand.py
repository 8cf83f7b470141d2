"""A market of three stalls and four anchors, computed by hand in docs/engine.md."""

import math

import numpy as np
import pytest

from matching.engine import pipeline
from matching.engine.candidates import ruled_out
from matching.engine.explain import whole_points
from matching.engine.types import Rule, Side
from tests.engine.markets import hand_config, hand_snapshot


def s(x):
    return 1 / (1 + math.exp(-x))


def logit(p):
    return math.log(p / (1 - p))


@pytest.fixture(scope="module")
def market():
    snapshot = hand_snapshot()
    model = pipeline.fit(snapshot, hand_config())
    return snapshot, model, pipeline.encode(model, snapshot.stalls), pipeline.encode(model, snapshot.anchors)


def test_the_mask(market):
    snapshot, *_ = market
    codes = ruled_out(snapshot.stalls, snapshot.anchors, snapshot.exclusions, subject=Side.STALL)
    full, floor, passed = Rule.CAPACITY_FULL, Rule.COMMISSION_BELOW_FLOOR, Rule.PASSED
    assert codes.tolist() == [[0, 0, 0, full], [0, 0, 0, full], [0, floor, passed, full]]


def test_the_base_pair(market):
    _, model, *_ = market
    # Same category in 5 of the 8 pairs that the rules leave.
    assert model.encoder.base[0] == pytest.approx(0.625, abs=1e-6)
    # Commission features of the 5 pairs that know both rates: .5 .5 1 1 0.
    assert model.weights.hinge_base[0] == pytest.approx(0.6, abs=1e-6)


# Logits beside the base pair's: stall decides, anchor decides, both complete.
CATEGORY = 4 * 0.5
COMMISSION = 4 * 0.3
RELIABILITY = 4 * 0.2
STALL_2_FULFILS = (8 + 8 * 0.85) / (8 + 8)
MOVES = {
    (1, 11): (CATEGORY * 0.375 + COMMISSION * 0.1, CATEGORY * 0.375 - COMMISSION * 0.1, 0),
    (1, 13): (CATEGORY * 0.375, CATEGORY * 0.375, 0),
    (2, 12): (
        CATEGORY * 0.375 - COMMISSION * 0.4,
        CATEGORY * 0.375 + COMMISSION * 0.4 + RELIABILITY * 0.075,
        logit(STALL_2_FULFILS) - logit(0.85),
    ),
    (3, 11): (CATEGORY * 0.375 + COMMISSION * 0.6, CATEGORY * 0.375 - COMMISSION * 0.6, 0),
}


def by_hand(pair):
    stall, anchor, both = MOVES[pair]
    return 100 * s(logit(0.35) + stall) * s(logit(0.30) + anchor) * s(logit(0.85) + both)


@pytest.mark.parametrize("pair", MOVES)
def test_the_scores(market, pair):
    _, model, stalls, anchors = market
    explained = pipeline.explain_pairs(model, stalls, anchors, [pair])
    assert explained.scores[0] == pytest.approx(by_hand(pair), abs=1e-5)


def test_the_lists(market):
    snapshot, model, stalls, anchors = market
    lists = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=Side.STALL, k=4)
    assert lists.partner_ids.tolist() == [[13, 11, 12, -1], [12, 13, 11, -1], [11, -1, -1, -1]]
    assert lists.scores[2, 0] == pytest.approx(by_hand((3, 11)), abs=1e-5)
    assert lists.reasons(2) == {"capacity_full": 1, "passed": 1, "commission_below_floor": 1}
    assert lists.reasons_counts[2, 0] == 1
    theirs = pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=Side.ANCHOR, k=2)
    assert theirs.subject_ids.tolist() == [11, 12, 13, 14]
    assert theirs.partner_ids[3].tolist() == [-1, -1]
    assert theirs.reasons(3) == {"capacity_full": 3}


def test_the_parts_are_the_integral_along_the_straight_line(market):
    _, model, stalls, anchors = market
    explained = pipeline.explain_pairs(model, stalls, anchors, [(1, 11)])
    moves = np.array(MOVES[(1, 11)])
    start = np.array([logit(0.35), logit(0.30), logit(0.85)])
    # A plain midpoint sum with 100,000 steps, independent of the engine's quadrature.
    t = (np.arange(100_000) + 0.5) / 100_000
    p = 1 / (1 + np.exp(-(start[:, None] + t * moves[:, None])))
    shares = (p.prod(axis=0) * (1 - p)).mean(axis=1)
    parts = dict(zip(explained.part_codes, explained.parts[0].sum(axis=0), strict=True))
    assert parts["category"] == pytest.approx(100 * CATEGORY * 0.375 * (shares[0] + shares[1]), abs=1e-5)
    assert parts["commission"] == pytest.approx(100 * COMMISSION * 0.1 * (shares[0] - shares[1]), abs=1e-5)
    assert all(value == 0 for code, value in parts.items() if code not in ("category", "commission"))
    assert explained.base == pytest.approx(100 * 0.35 * 0.30 * 0.85)


def test_the_whole_points_shown_sum(market):
    _, model, stalls, anchors = market
    explained = pipeline.explain_pairs(model, stalls, anchors, [(1, 11)])
    base, score, parts = whole_points(explained.base, explained.scores[0], explained.hundredths[0])
    shown = {code: part for code, part in zip(explained.part_codes, parts, strict=True) if part}
    assert (base, score, shown) == (9, 21, {"category": 12})
