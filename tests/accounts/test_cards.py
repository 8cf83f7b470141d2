"""What one party sees of another: bands, names, nothing to call or to pin down."""

import json
from decimal import Decimal

import pytest
from django.utils import translation

from accounts.cards import anchor_card, count_band, price_band, rate_band, sold_band, stall_card, tier
from accounts.choices import PRICE_EDGES_CENTS
from tests.factories import AnchorFactory, StallFactory

pytestmark = pytest.mark.django_db


def test_a_card_of_a_stall_holds_no_contact_and_no_exact_price(stall):
    stall.description = "call 13800138000"
    card = stall_card(stall)
    text = json.dumps(card, ensure_ascii=False)

    assert card["id"] == str(stall.public_id)
    for secret in (
        stall.merchant.contact_phone,
        "13800138000",
        stall.merchant.credit_code,
        "8000",
        "20000",
        "0.2000",
    ):
        assert secret not in text.replace(card["id"], "")
    assert (card["commission_band"]["low"], card["commission_band"]["high"]) == (0.2, 0.25)
    assert card["price_band"]["low_cents"] <= stall.price_min_cents
    assert card["price_band"]["high_cents"] >= stall.price_max_cents


def test_a_card_of_an_anchor_holds_no_contact_and_no_exact_figure():
    anchor = AnchorFactory(followers=123_457, average_viewers=813, bio="vx 13800138000", real_name="李晓")
    anchor.platforms[0]["handle"] = "secret_handle"
    card = anchor_card(anchor)
    text = json.dumps(card, ensure_ascii=False).replace(card["id"], "")

    for secret in (
        "123457",
        "123,457",
        "813",
        "13800138000",
        "李晓",
        "secret_handle",
        anchor.contact_phone,
        "1996",
    ):
        assert secret not in text
    assert card["tier"]["code"] == "tail"
    assert (card["followers_band"]["low"], card["followers_band"]["high"]) == (100_000, 200_000)
    assert card["audience"] == {"age": "25_34", "gender": "female", "city_tier": "tier_1"}


def test_labels_are_in_the_language_of_the_asker(stall):
    with translation.override("zh-hans"):
        assert stall_card(stall)["categories"] == [{"code": "dress", "name": "连衣裙"}]
    with translation.override("en"):
        assert stall_card(stall)["categories"] == [{"code": "dress", "name": "Dress"}]


def test_a_card_asks_the_database_nothing(stall, anchor, django_assert_num_queries):
    stall_card(stall)
    with django_assert_num_queries(0):
        stall_card(stall)
        anchor_card(anchor)


def test_cards_of_parties_that_said_little():
    assert stall_card(StallFactory(return_rate=None, styles=[]))["return_rate_band"] is None
    card = anchor_card(AnchorFactory(region=None, price_shares=[], audience_age={}, platforms=[]))
    assert (card["region"], card["price_band"], card["audience"]["age"]) == (None, None, None)


@pytest.mark.parametrize(
    ("followers", "code"),
    [
        (0, "new"),
        (49_999, "new"),
        (50_000, "tail"),
        (500_000, "waist"),
        (2_000_000, "shoulder"),
        (5_000_000, "head"),
    ],
)
def test_tiers_are_those_of_the_glossary(followers, code):
    assert tier(followers)["code"] == code


@pytest.mark.parametrize(
    ("rate", "band"), [("0", (0, 0.05)), ("0.0499", (0, 0.05)), ("0.05", (0.05, 0.1)), ("1", (0.95, 1))]
)
def test_rate_bands(rate, band):
    made = rate_band(Decimal(rate), 5)

    assert (made["low"], made["high"]) == band


def test_count_bands_have_an_open_end():
    assert count_band(7, (0, 10, 20))["high"] == 10
    assert count_band(20, (0, 10, 20)) == {"low": 20, "high": None, "text": "≥ 20"}


@pytest.mark.parametrize(
    ("low", "high"), [(1, 2), (500, 500), (5900, 12_900), (400_000, 500_000), (600_000, 900_000)]
)
def test_a_price_band_has_edges_of_bins(low, high):
    band = price_band(low, high)

    assert band["low_cents"] < band["high_cents"]
    assert {band["low_cents"], band["high_cents"]} <= set(PRICE_EDGES_CENTS)


def test_sold_prices_show_where_most_is_sold():
    edges = PRICE_EDGES_CENTS
    shares = [0.02] + [0.0] * 4 + [0.2, 0.5, 0.2] + [0.0] * 7 + [0.08]
    band = sold_band(shares)

    assert (band["low_cents"], band["high_cents"]) == (edges[5], edges[8])
    one = sold_band([0.0] * 15 + [1.0])
    assert (one["low_cents"], one["high_cents"]) == (edges[15], edges[16])
