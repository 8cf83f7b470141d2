"""Which figures are possible, and what follows from them: computed by hand."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils.translation import override

from matching.models import Outcome
from matching.outcomes import (
    FIGURES,
    MOST_CENTS,
    MOST_COUNT,
    NEEDED,
    Figures,
    check_figures,
    fulfilment_rate,
    limits_of,
    metrics_of,
)
from matchmaker.core.errors import InvalidInput
from tests.matching import held


@pytest.fixture(autouse=True)
def english():
    with override("en"):
        yield


TWO_HOURS = timedelta(hours=2)
NOTHING = dict.fromkeys(NEEDED, 0) | {"duration_seconds": 60}


def row(gmv, refunded, cancelled, orders, off, returned, buyers, views, viewers):
    return Figures(
        gmv_cents=gmv,
        refunded_cents=refunded,
        cancelled_cents=cancelled,
        orders=orders,
        orders_cancelled=off,
        orders_returned=returned,
        buyers=buyers,
        views=views,
        viewers=viewers,
        duration_seconds=7200,
    )


# (figures), shipped, net GMV, GPM, UV value, average order, conversion, return, cancelled before shipping
BY_HAND = [
    (
        row(1_000_000, 180_000, 100_000, 100, 10, 18, 80, 6_000, 3_000),
        (90, 720_000, 166_667, 333, 12_500, "0.0267", "0.2000", "0.1000"),
    ),
    # 5 cents over 2 viewers are 2.5: up; 1 of 8 is 0.125 exactly.
    (row(5, 0, 0, 1, 0, 0, 1, 8, 2), (1, 5, 625, 3, 5, "0.5000", "0.0000", "0.0000")),
    # 2 of 3 and 1 of 3, and a GPM of 333.33…
    (row(1, 0, 0, 3, 0, 1, 2, 3, 3), (3, 1, 333, 0, 1, "0.6667", "0.3333", "0.0000")),
    # Everything went back.
    (row(900, 900, 0, 3, 0, 3, 3, 9, 9), (3, 0, 100_000, 100, 300, "0.3333", "1.0000", "0.0000")),
    # Everything was cancelled: nothing was shipped, so there is no return rate.
    (row(900, 0, 900, 3, 3, 0, 3, 9, 9), (0, 0, 100_000, 100, 300, "0.3333", None, "1.0000")),
    # People came, nobody bought.
    (row(0, 0, 0, 0, 0, 0, 0, 50, 40), (0, 0, 0, 0, None, "0.0000", None, None)),
    # Nobody came.
    (row(0, 0, 0, 0, 0, 0, 0, 0, 0), (0, 0, None, None, None, None, None, None)),
    # As large as it can be: nothing is lost on the way.
    (
        row(MOST_CENTS, 0, 0, MOST_COUNT, 0, 1, MOST_COUNT, MOST_COUNT, MOST_COUNT),
        (MOST_COUNT, MOST_CENTS, 4_656_613, 4_657, 4_657, "1.0000", "0.0000", "0.0000"),
    ),
]


@pytest.mark.parametrize(("figures", "expected"), BY_HAND)
def test_metrics_by_hand(figures, expected):
    found = metrics_of(figures)
    assert (found.orders_shipped, found.net_gmv_cents, found.gpm_cents) == expected[:3]
    assert (found.uv_value_cents, found.average_order_value_cents) == expected[3:5]
    rates = (found.conversion_rate, found.return_rate, found.cancelled_before_shipping_rate)
    assert tuple(None if rate is None else str(rate) for rate in rates) == expected[5:]
    values = {name: getattr(figures, name) for name in FIGURES}
    assert check_figures(values, planned=TWO_HOURS) == figures


def test_uv_value_is_of_viewers_and_gpm_of_views():
    assert metrics_of(row(600, 0, 0, 1, 0, 0, 1, 6, 3)).uv_value_cents == 200
    assert metrics_of(row(600, 0, 0, 1, 0, 0, 1, 6, 3)).gpm_cents == 100_000


def test_fulfilment():
    assert fulfilment_rate(2, 3) == Decimal("0.6667") and fulfilment_rate(0, 0) is None


def refused(values, planned=TWO_HOURS):
    with pytest.raises(InvalidInput) as error:
        check_figures(values, planned=planned)
    assert error.value.code == "impossible_figures"
    return error.value.fields


@pytest.mark.parametrize(
    ("change", "fields", "hint"),
    [
        ({"viewers": 6_001}, ["viewers"], "6000, the views"),
        ({"viewers": 0}, ["viewers", "buyers"], "at least 1"),
        ({"buyers": 3_001, "orders": 4_000}, ["buyers"], "3000, the viewers"),
        ({"buyers": 101}, ["buyers"], "100, the orders"),
        ({"buyers": 0}, ["buyers"], "at least 1"),
        ({"gmv_cents": 0}, ["gmv_cents", "cancelled_cents", "refunded_cents"], "at least 1"),
        ({"orders_cancelled": 101}, ["orders_cancelled", "orders_returned", "refunded_cents"], "100"),
        ({"orders_returned": 91}, ["orders_returned"], "at most 90"),
        ({"orders_cancelled": 83}, ["orders_returned"], "at most 17"),
        ({"cancelled_cents": 1_000_001}, ["cancelled_cents", "refunded_cents"], "1000000"),
        ({"cancelled_cents": 0}, ["cancelled_cents"], "at least 1"),
        ({"orders_cancelled": 0}, ["cancelled_cents"], "is 0"),
        ({"refunded_cents": 900_001}, ["refunded_cents"], "at most 900000"),
        (
            {"orders_cancelled": 100, "orders_returned": 0},
            ["refunded_cents"],
            "Nothing was shipped",
        ),
        ({"duration_seconds": 6 * 3600 + 1}, ["duration_seconds"], "at most 21600"),
        ({"duration_seconds": 0}, ["duration_seconds"], "from 1 to"),
    ],
)
def test_what_cannot_be_is_named_with_what_can(change, fields, hint):
    found = refused(held.FIGURES | change)
    assert sorted(found) == sorted(fields), found
    assert hint in found[fields[0]][0], found


def test_every_impossible_field_is_named_at_once():
    found = refused(held.FIGURES | {"viewers": 7_000, "orders_returned": 95, "duration_seconds": 10**6})
    assert sorted(found) == ["duration_seconds", "orders_returned", "viewers"]


def test_without_orders_there_is_no_money():
    assert sorted(refused(NOTHING | {"gmv_cents": 5})) == ["gmv_cents"]
    assert sorted(refused(NOTHING | {"buyers": 1, "views": 9, "viewers": 9})) == ["buyers"]
    assert check_figures(NOTHING, planned=TWO_HOURS).gmv_cents == 0


def test_a_broadcast_may_end_four_hours_late():
    assert check_figures(held.FIGURES | {"duration_seconds": 21_600}, planned=TWO_HOURS)
    assert "duration_seconds" in refused(held.FIGURES | {"duration_seconds": 21_601})


@pytest.mark.parametrize("value", [None, True, -1, 2**70, 1.0, float("nan"), 1e400, "12", "１２", [], {}])
@pytest.mark.parametrize("name", FIGURES)
def test_what_is_no_whole_number_is_named_alone(name, value):
    assert sorted(refused(held.FIGURES | {name: value})) == [name]


def test_what_is_needed_and_what_is_unknown():
    assert sorted(refused({})) == sorted(NEEDED)
    assert sorted(refused(held.FIGURES | {"status": "confirmed"})) == ["status"]


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_let_through_fits_its_column(name):
    column = Outcome._meta.get_field(name)
    assert limits_of(name)[1] <= (2**63 - 1 if "BigInteger" in type(column).__name__ else 2**31 - 1)
    assert column.has_default() == (name not in NEEDED)
