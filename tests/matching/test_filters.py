"""Filters ask for bands where cards show bands: thirty questions must not tell a figure."""

import numpy as np
import pytest

from accounts.cards import COMMISSION_STEP, FOLLOWER_EDGES, RETURN_STEP, count_band, price_band, rate_band
from matching.engine.types import Parties, Side, Vocabulary
from matching.filters import Filters, mask

WORDS = Vocabulary((), (), (), (), (), (), ())
RATES = [0.0, 0.049, 0.05, 0.15, 0.1999, 0.2, 0.2001, 0.35, 0.7, 0.95, 0.999, 1.0]
COUNTS = [0, 1, 999, 1_000, 9_999, 50_000, 120_000, 123_456, 199_999, 9_999_999, 10_000_000, 80_000_000]
CENTS = [1, 500, 770, 5_900, 6_668, 8_000, 9_000, 12_900, 400_000, 500_000, 9_000_000]

# (filter, column, figures, the band that a card shows of one)
CASES = [
    ("commission_min", "commission_rate", RATES, lambda v: rate_band(v, COMMISSION_STEP)["text"]),
    ("commission_max", "commission_rate", RATES, lambda v: rate_band(v, COMMISSION_STEP)["text"]),
    ("return_rate_max", "return_rate", RATES, lambda v: rate_band(v, RETURN_STEP)["text"]),
    ("followers_min", "followers", COUNTS, lambda v: count_band(v, FOLLOWER_EDGES)["text"]),
    ("followers_max", "followers", COUNTS, lambda v: count_band(v, FOLLOWER_EDGES)["text"]),
    ("price_min_cents", "price_high_cents", CENTS, lambda v: price_band(1, v)["high_cents"]),
    ("price_max_cents", "price_low_cents", CENTS, lambda v: price_band(v, 10**9)["low_cents"]),
]


def kept(column, figures, name, value):
    parties = Parties.build(Side.STALL, WORDS, np.arange(len(figures)), **{column: figures})
    return mask(Filters(**{name: value}), parties, WORDS).tolist()


@pytest.mark.parametrize(("name", "column", "figures", "band"), CASES, ids=[case[0] for case in CASES])
def test_two_figures_of_one_band_are_never_told_apart(name, column, figures, band):
    highest = max(figures)
    for value in sorted({*figures, *np.linspace(0, highest, 200).tolist()}):
        answers: dict[object, bool] = {}
        for figure, is_kept in zip(figures, kept(column, figures, name, value), strict=True):
            assert answers.setdefault(band(figure), is_kept) == is_kept, (value, figure)


@pytest.mark.parametrize(
    ("name", "column", "value", "figures"),
    [
        ("commission_min", "commission_rate", 0.2, [0.2, 0.2001, 0.35, 0.7, 0.95, 0.999, 1.0]),
        ("commission_min", "commission_rate", 1, [0.95, 0.999, 1.0]),
        ("commission_max", "commission_rate", 0.2, [0.0, 0.049, 0.05, 0.15, 0.1999, 0.2, 0.2001]),
        ("return_rate_max", "return_rate", 0.2, [0.0, 0.049, 0.05, 0.15, 0.1999]),
        ("return_rate_max", "return_rate", 0, [0.0, 0.049, 0.05]),
        ("followers_min", "followers", 10_000_000, [10_000_000, 80_000_000]),
        ("followers_max", "followers", 1_000, [0, 1, 999]),
        ("price_min_cents", "price_high_cents", 400_000, [400_000, 500_000, 9_000_000]),
        ("price_max_cents", "price_low_cents", 1_000, [1, 500, 770]),
    ],
)
def test_what_is_kept(name, column, value, figures):
    [(_, _, every, _)] = [case for case in CASES if case[0] == name]
    found = [f for f, is_kept in zip(every, kept(column, every, name, value), strict=True) if is_kept]

    assert found == figures


def test_who_does_not_say_is_left_out():
    for name, column, _figures, _band in CASES:
        assert kept(column, [float("nan")], name, 0.5 if column.endswith("rate") else 9_000) == [False]
