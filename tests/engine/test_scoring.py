"""Directional features: their values, their directions, and what an unknown or an opt-out does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine import pipeline
from matching.engine.config import Config, config_from
from matching.engine.pairs import pair_terms
from matching.engine.scoring import (
    ANCHOR_DECIDES,
    COMPLETED,
    HINGES,
    PART_CODES,
    PART_COLUMNS,
    STALL_DECIDES,
    hinge_features,
    hinge_values,
    shrunk_rate,
)
from matching.engine.types import COLUMNS, Parties, Side
from matching.engine.weights import direction_total
from tests.engine.markets import WORDS, encoded_market

CONFIG = Config()
MARKET = encoded_market(21, 15, 25)
NEUTRAL = ("category", "price", "hours", "region")


def feature(part, stall, anchor):
    x = hinge_values(Parties.build(Side.STALL, WORDS, [1], **stall), CONFIG)
    y = hinge_values(Parties.build(Side.ANCHOR, WORDS, [1], **anchor), CONFIG)
    number = [hinge.part for hinge in HINGES].index(part)
    return float(hinge_features(x, y)[number, 0])


@pytest.mark.parametrize(
    ("part", "stall", "anchor", "value"),
    [
        ("commission", {"commission_rate": [0.2]}, {"commission_rate": [0.2]}, 0.5),
        ("commission", {"commission_rate": [0.25]}, {"commission_rate": [0.2]}, 0.75),
        ("commission", {"commission_rate": [0.4]}, {"commission_rate": [0.2]}, 1.0),
        ("commission", {"commission_rate": [0.05]}, {"commission_rate": [0.2]}, 0.0),
        ("slot_fee", {"slot_fee_cents": [0]}, {"slot_fee_cents": [0]}, 0.5),
        ("slot_fee", {"slot_fee_cents": [0]}, {"slot_fee_cents": [50_000]}, 0.0),
        ("slot_fee", {"slot_fee_cents": [29_900]}, {"slot_fee_cents": [9_900]}, 1.0),
        ("moq", {"moq": [10]}, {"moq": [10]}, 0.0),
        ("moq", {"moq": [10]}, {"moq": [20]}, 0.5),
        ("moq", {"moq": [10]}, {"moq": [40]}, 1.0),
        ("stock", {"stock_depth": [200]}, {"stock_depth": [100]}, 0.5),
        ("stock", {"stock_depth": [100]}, {"stock_depth": [0]}, 1.0),
        ("restock", {"restock_days": [7]}, {"restock_days": [7]}, 0.5),
        ("restock", {"restock_days": [2]}, {"restock_days": [4]}, 0.75),
        ("restock", {"restock_days": [28]}, {"restock_days": [7]}, 0.0),
        ("return_rate", {"return_rate": [0.4]}, {"return_rate": [0.4]}, 0.5),
        ("return_rate", {"return_rate": [0.3]}, {"return_rate": [0.45]}, 1.0),
        ("followers", {"followers_wanted_min": [1000]}, {"followers": [1000]}, 0.5),
        ("followers", {"followers_wanted_min": [1000]}, {"followers": [4000]}, 1.0),
    ],
)
def test_a_pair_feature_by_hand(part, stall, anchor, value):
    assert feature(part, stall, anchor) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("hinge", HINGES, ids=lambda hinge: hinge.part)
def test_a_pair_feature_of_an_unknown_is_unknown(hinge):
    assert math.isnan(feature(hinge.part, {}, {}))


def moved(stall, anchor):
    """{part: logits by direction} of one pair."""
    _, model, *_ = MARKET
    left = pipeline.encode(model, Parties.build(Side.STALL, WORDS, [1], **stall))
    right = pipeline.encode(model, Parties.build(Side.ANCHOR, WORDS, [1], **anchor))
    terms = pair_terms(model, left, right, np.array([0]), np.array([0]))[:, :, 0]
    return {code: terms[:, number] for number, code in enumerate(PART_CODES)}


def test_a_better_commission_pulls_the_two_sides_apart():
    generous = moved({"commission_rate": [0.4]}, {"commission_rate": [0.1]})["commission"]
    mean = moved({"commission_rate": [0.1]}, {"commission_rate": [0.4]})["commission"]
    assert generous[ANCHOR_DECIDES] > 0 > generous[STALL_DECIDES]
    assert mean[ANCHOR_DECIDES] < 0 < mean[STALL_DECIDES]
    # From worst to best the feature moves the anchor's logit by slope x its share of the weights.
    share = CONFIG.weight_commission / direction_total(CONFIG, ANCHOR_DECIDES)
    assert generous[ANCHOR_DECIDES] - mean[ANCHOR_DECIDES] == pytest.approx(CONFIG.slope * share)


@pytest.mark.parametrize(
    ("part", "direction", "worse", "better"),
    [
        ("anchor_reply", STALL_DECIDES, {"reply_hours": [60]}, {"reply_hours": [1]}),
        ("anchor_load", STALL_DECIDES, {"capacity": [4], "load_used": [3]}, {"capacity": [4]}),
        ("reach", STALL_DECIDES, {"average_viewers": [5]}, {"average_viewers": [5000]}),
        ("on_site", STALL_DECIDES, {"on_site": [False]}, {"on_site": [True]}),
        (
            "anchor_history",
            STALL_DECIDES,
            {"received": [9], "received_yes": [0]},
            {"received": [9], "received_yes": [9]},
        ),
        (
            "anchor_history",
            ANCHOR_DECIDES,
            {"decisions_given": [9], "decisions_yes": [0]},
            {"decisions_given": [9], "decisions_yes": [9]},
        ),
        (
            "anchor_reliability",
            STALL_DECIDES,
            {"accepted": [9], "completed": [2]},
            {"accepted": [9], "completed": [9]},
        ),
        (
            "anchor_reliability",
            COMPLETED,
            {"accepted": [9], "completed": [2]},
            {"accepted": [9], "completed": [9]},
        ),
    ],
)
def test_what_is_better_of_an_anchor_moves_its_direction_up_and_no_other(part, direction, worse, better):
    low, high = moved({}, worse)[part], moved({}, better)[part]
    assert high[direction] > low[direction]
    if part != "anchor_reliability":
        others = [d for d in range(3) if d != direction]
        assert low[others].tolist() == high[others].tolist() == [0, 0]


def test_without_history_a_party_stands_at_the_base():
    silent = moved({}, {})
    for part in ("stall_reliability", "anchor_reliability", "stall_history", "anchor_history"):
        assert silent[part] == pytest.approx([0, 0, 0]), part


def test_shrunk_rate():
    rate = shrunk_rate(np.array([0, 8], np.int32), np.array([0, 8], np.int32), 0.85, 8.0)
    assert rate.tolist() == pytest.approx([0.85, 0.925])


def test_the_weights_of_a_direction_sum_to_one():
    _, model, *_ = MARKET
    prior = model.weights
    for direction in (STALL_DECIDES, ANCHOR_DECIDES):
        total = prior.block_scale[direction] @ model.encoder.weights
        total += np.abs(prior.hinge_scale[direction]).sum()
        total += np.ptp(prior.curves[direction], axis=1).sum()
        assert total == pytest.approx(CONFIG.slope)


def test_the_base_is_the_staffs_estimate():
    config = config_from({"mean_stall_accepts": 0.5, "mean_anchor_accepts": 0.2, "mean_fulfilment": 0.9})
    model = pipeline.fit(MARKET[0], config)
    stalls, anchors = (pipeline.encode(model, side) for side in (MARKET[0].stalls, MARKET[0].anchors))
    pair = [(int(stalls.parties.ids[0]), int(anchors.parties.ids[0]))]
    assert pipeline.explain_pairs(model, stalls, anchors, pair).base == pytest.approx(9.0)


@pytest.mark.parametrize("side", list(Side))
def test_opting_out_leaves_neutral_facts_and_no_history(side):
    snapshot, model, stalls, anchors = MARKET
    parties = snapshot.stalls if side is Side.STALL else snapshot.anchors
    arrays = {**parties.to_arrays(), "personalised": np.zeros(len(parties), dtype=bool)}
    private = pipeline.encode(model, Parties.from_arrays(arrays))
    left, right = (private, anchors) if side is Side.STALL else (stalls, private)
    rows, columns = np.indices((len(left), len(right))).reshape(2, -1)
    terms = pair_terms(model, left, right, rows, columns)
    assert not private.history.any()
    other = side.other
    for number, code in enumerate(PART_CODES):
        of_the_other = code.startswith(f"{other}_") or (other is Side.ANCHOR and code in ("reach", "on_site"))
        if code in NEUTRAL or of_the_other:
            continue
        assert not terms[:, number].any(), code
    assert all(terms[:, PART_CODES.index(code)].any() for code in NEUTRAL)


def test_each_part_names_columns_that_exist():
    assert set(PART_COLUMNS) == set(PART_CODES)
    for columns in PART_COLUMNS.values():
        assert columns and set(columns) <= set(COLUMNS) | {"text"}


HINGE_COLUMNS = {column: hinge.part for hinge in HINGES for column in hinge.columns}


@given(st.sampled_from(sorted(HINGE_COLUMNS)), st.sampled_from(list(Side)))
def test_an_unknown_value_adds_nothing(column, side):
    snapshot, model, stalls, anchors = MARKET
    parties = snapshot.stalls if side is Side.STALL else snapshot.anchors
    arrays = parties.to_arrays()
    blank = Parties.from_arrays({**arrays, column: np.full_like(arrays[column], np.nan)})
    encoded = pipeline.encode(model, blank)
    left, right = (encoded, anchors) if side is Side.STALL else (stalls, encoded)
    rows, columns = np.indices((len(left), len(right))).reshape(2, -1)
    terms = pair_terms(model, left, right, rows, columns)
    assert np.isfinite(terms).all()
    uses = {"followers": Side.ANCHOR, "followers_wanted_min": Side.STALL}.get(column, side)
    if uses is side:
        assert not terms[:, PART_CODES.index(HINGE_COLUMNS[column])].any()
