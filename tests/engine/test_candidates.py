"""Each hard rule alone, and the same answer from one pair, one list and a tile."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.engine.candidates import (
    LISTED_RULES,
    PAIR_RULES,
    PARTY_RULES,
    RuleColumns,
    ruled_out,
    start_bits,
    strike_out,
)
from matching.engine.config import Config, config_from
from matching.engine.errors import EngineError
from matching.engine.types import COLUMNS, Exclusions, Parties, Rule, Side, StreamingPermit
from tests.engine.markets import WORDS, random_market

NAN = float("nan")


def hours(*free):
    week = np.zeros((1, 168), dtype=bool)
    week[0, list(free)] = True
    return week


def code(stall=None, anchor=None, *, subject=None, exclusions=None, config=None):
    """The rule against one pair that is otherwise fine."""
    stalls = Parties.build(Side.STALL, WORDS, [1], **(stall or {}))
    anchors = Parties.build(Side.ANCHOR, WORDS, [2], **(anchor or {}))
    found = ruled_out(stalls, anchors, exclusions or Exclusions(), subject=subject, config=config)
    return int(found[0, 0])


def test_parties_that_say_nothing_are_a_candidate_pair():
    assert code() == 0


@pytest.mark.parametrize(
    ("stall", "anchor", "rule"),
    [
        ({"archived": [True]}, {}, Rule.ARCHIVED),
        ({}, {"archived": [True]}, Rule.ARCHIVED),
        ({"licence_valid": [False]}, {}, Rule.LICENCE_EXPIRED),
        ({}, {"of_age": [False]}, Rule.UNDER_AGE),
        ({"streaming_permit": [StreamingPermit.BANNED]}, {}, Rule.STREAMING_BANNED),
        ({"streaming_permit": [StreamingPermit.BY_INVITATION]}, {}, 0),
        ({"capacity": [3], "load_used": [3]}, {}, Rule.CAPACITY_FULL),
        ({"capacity": [3], "load_used": [2]}, {}, 0),
        ({}, {"capacity": [3], "load_used": [4]}, Rule.CAPACITY_FULL),
        ({}, {"capacity": [0]}, Rule.CAPACITY_FULL),
        ({"hours": hours(1, 2, 3)}, {"hours": hours(3, 4)}, Rule.NO_COMMON_HOURS),
        ({"hours": hours(1, 2, 3)}, {"hours": hours(2, 3, 4)}, 0),
        ({"hours": hours(100, 101)}, {"hours": hours(100, 101)}, 0),
        ({"hours": hours(0, 167)}, {"hours": hours(0, 167)}, 0),  # Sunday night into Monday
        ({"hours": hours(1)}, {"hours": hours(1)}, Rule.NO_COMMON_HOURS),  # too short for a session
        ({"hours": hours(1)}, {}, Rule.NO_COMMON_HOURS),
        ({"hours": hours(1, 2)}, {}, 0),
        (
            {"commission_rate": [0.19]},
            {"commission_rate": [0.2], "commission_is_must": [True]},
            Rule.COMMISSION_BELOW_FLOOR,
        ),
        ({"commission_rate": [0.2]}, {"commission_rate": [0.2], "commission_is_must": [True]}, 0),
        ({"commission_rate": [0.19]}, {"commission_rate": [0.2]}, 0),
        ({"commission_rate": [NAN]}, {"commission_rate": [0.2], "commission_is_must": [True]}, 0),
        (
            {"price_low_cents": [12_501], "price_high_cents": [20_000]},
            {"price_low_cents": [1_000], "price_high_cents": [10_000]},
            Rule.PRICE_DISJOINT,
        ),
        (
            {"price_low_cents": [12_500], "price_high_cents": [20_000]},
            {"price_low_cents": [1_000], "price_high_cents": [10_000]},
            0,
        ),
        (
            {"price_low_cents": [100], "price_high_cents": [799]},
            {"price_low_cents": [1_000], "price_high_cents": [2_000]},
            Rule.PRICE_DISJOINT,
        ),
        ({"price_low_cents": [12_501]}, {}, 0),
        ({"moq": [31]}, {"moq": [30]}, Rule.MOQ_INFEASIBLE),
        ({"moq": [30]}, {"moq": [30]}, 0),
        ({"moq": [31]}, {}, 0),
        ({"stock_depth": [49]}, {"stock_depth": [50]}, Rule.STOCK_INFEASIBLE),
        ({"stock_depth": [50]}, {"stock_depth": [50]}, 0),
        ({}, {"stock_depth": [50]}, 0),
    ],
)
@pytest.mark.parametrize("subject", [Side.STALL, Side.ANCHOR, None])
def test_each_rule_alone(stall, anchor, rule, subject):
    assert code(stall, anchor, subject=subject) == rule


@pytest.mark.parametrize("rule", LISTED_RULES)
def test_a_listed_pair_is_out_and_only_that_pair(rule):
    assert code(exclusions=Exclusions.of([(1, 2, rule)])) == rule
    assert code(exclusions=Exclusions.of([(1, 3, rule), (2, 2, rule)])) == 0


def test_of_two_listed_reasons_the_first_counts():
    both = Exclusions.of([(1, 2, Rule.DECLINED), (1, 2, Rule.BLOCKED)])
    assert code(exclusions=both) == Rule.BLOCKED


def test_a_rule_that_pairs_are_not_listed_under_is_refused():
    with pytest.raises(EngineError, match="exclusions"):
        code(exclusions=Exclusions.of([(1, 2, Rule.PRICE_DISJOINT)]))


def test_unverified_is_about_the_partner():
    new_stall, new_anchor = {"verified": [False]}, {"verified": [False]}
    assert code(new_stall, subject=Side.STALL) == 0
    assert code(new_stall, subject=Side.ANCHOR) == Rule.UNVERIFIED
    assert code({}, new_anchor, subject=Side.STALL) == Rule.UNVERIFIED
    assert code({}, new_anchor, subject=Side.ANCHOR) == 0
    assert code(new_stall, subject=None) == Rule.UNVERIFIED
    assert code({}, new_anchor, subject=None) == Rule.UNVERIFIED


def test_the_first_rule_that_fails_is_reported():
    everything = {"archived": [True], "licence_valid": [False], "moq": [99]}
    assert code(everything, {"moq": [1], "capacity": [0]}) == Rule.ARCHIVED


def test_session_length_and_tolerance_come_from_the_configuration():
    free = {"hours": hours(1, 2)}
    assert code(free, free, config=config_from({"session_hours": 3})) == Rule.NO_COMMON_HOURS
    dear = {"price_low_cents": [2_000], "price_high_cents": [3_000]}
    cheap = {"price_low_cents": [500], "price_high_cents": [1_000]}
    assert code(dear, cheap) == Rule.PRICE_DISJOINT
    assert code(dear, cheap, config=config_from({"price_tolerance": 2.0})) == 0


def test_every_rule_is_registered_once():
    registered = [*PARTY_RULES, *LISTED_RULES, *PAIR_RULES, Rule.FILTERED]
    assert sorted(registered) == sorted(Rule)


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_start_bits_are_the_windows_by_definition(length, seed):
    free = np.random.default_rng(seed).random((2, 168)) < 0.7
    words = start_bits(free, length)
    for row in range(2):
        for hour in range(168):
            fits = all(free[row, (hour + later) % 168] for later in range(length))
            # packbits puts the first hour into the highest bit of the first byte.
            byte, bit = divmod(hour % 64, 8)
            value = int(words[hour // 64][row].tobytes()[byte])
            assert bool(value >> (7 - bit) & 1) == fits


def test_one_pair_one_list_and_the_market_agree():
    market = random_market(1, 12, 30)
    stalls, anchors, listed = market.stalls, market.anchors, market.exclusions
    for subject in (Side.STALL, Side.ANCHOR, None):
        whole = ruled_out(stalls, anchors, listed, subject=subject)
        for row in range(len(stalls)):
            stall = stalls.take(slice(row, row + 1))
            one_list = ruled_out(stall, anchors, listed, subject=subject)
            np.testing.assert_array_equal(one_list[0], whole[row])
        one_pair = ruled_out(stalls.take(slice(3, 4)), anchors.take(slice(7, 8)), listed, subject=subject)
        assert one_pair[0, 0] == whole[3, 7]


@pytest.mark.parametrize("subject_axis", [0, 1])
def test_the_tile_path_strikes_out_the_same_cells(subject_axis):
    market = random_market(2, 20, 50)
    config = Config()
    whole = ruled_out(market.stalls, market.anchors, Exclusions(), subject=None)
    alive = (whole == 0) | np.isin(whole, [int(rule) for rule in PAIR_RULES])
    counts = strike_out(
        alive,
        RuleColumns.of(market.stalls, config).at((slice(None), None)),
        RuleColumns.of(market.anchors, config).at((None, slice(None))),
        subject_axis=subject_axis,
    )
    np.testing.assert_array_equal(alive, whole == 0)
    for rule in PAIR_RULES:
        expected = (whole == rule).sum(axis=1 - subject_axis)
        np.testing.assert_array_equal(counts.get(rule, np.zeros_like(expected)), expected)


FLOATS = sorted(name for name, (dtype, _) in COLUMNS.items() if issubclass(dtype, np.floating))


@given(st.sampled_from(FLOATS), st.sampled_from(list(Side)), st.integers(0, 1000))
def test_unknown_never_excludes(column, side, seed):
    market = random_market(seed, 4, 6, unknown=0.0)
    parties = market.stalls if side is Side.STALL else market.anchors
    arrays = parties.to_arrays()
    blank = Parties.from_arrays({**arrays, column: np.full_like(arrays[column], np.nan)})
    stalls, anchors = (blank, market.anchors) if side is Side.STALL else (market.stalls, blank)
    before = ruled_out(market.stalls, market.anchors, market.exclusions, subject=None)
    after = ruled_out(stalls, anchors, market.exclusions, subject=None)
    assert np.all(after[before == 0] == 0)


def test_no_stalls_or_no_anchors():
    none = Parties.build(Side.STALL, WORDS, [])
    anchors = Parties.build(Side.ANCHOR, WORDS, [1, 2])
    assert ruled_out(none, anchors, Exclusions(), subject=Side.STALL).shape == (0, 2)
