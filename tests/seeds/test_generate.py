"""The generated town: its figures fit each other whatever the seed."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc

from accounts.choices import AGE_BANDS, CITY_TIERS, GENDERS
from accounts.validation.identity import ADULT_AGE, MIN_AGE, age_on
from matching.engine.types import PRICE_BINS
from matching.services.history import HOLDS_HOURS, MOVES
from seeds.generate import Town, make_town
from seeds.generate.diary import TOWN
from seeds.generate.dice import Dice
from seeds.generate.figures import Figures, outcome
from seeds.generate.history import STORIES
from seeds.generate.names import credit_code, organisation_check
from seeds.generate.ranges import categories, tiers

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
SEEDS = st.integers(min_value=0, max_value=2**32)
HOUR = timedelta(hours=1)


def town_of(seed: int, stalls: int = 25, anchors: int = 60) -> Town:
    return make_town(stalls=stalls, anchors=anchors, seed=seed, now=NOW)


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_people_and_money_of_a_session_explain_each_other(seed: int) -> None:
    for anchor in town_of(seed, stalls=0).anchors:
        figures = anchor.figures
        assert figures.buyers <= figures.viewers <= figures.views
        assert figures.buyers <= figures.orders
        assert figures.gmv_cents == figures.buyers * figures.average_order_cents
        assert figures.buyers == round(figures.viewers * figures.conversion_rate)
        assert 0 < figures.conversion_rate <= 0.2
        concurrent = figures.views * figures.stay_seconds / figures.duration_seconds
        assert abs(figures.average_viewers - concurrent) <= 1


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_an_anchors_row_agrees_with_the_figures_and_the_tier(seed: int) -> None:
    for anchor in town_of(seed, stalls=0).anchors:
        accounts = anchor.row["platforms"]
        followers = sum(account["followers"] for account in accounts)
        assert max(account["average_viewers"] for account in accounts) == anchor.figures.average_viewers
        tier = next(tier for tier in tiers() if followers >= tier.followers[0])
        low, high = tier.gmv_session_cny
        # One order more or less is what whole buyers cost.
        slack = anchor.figures.average_order_cents
        assert low * 100 - slack <= anchor.figures.gmv_cents <= high * 100 + slack


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_shares_sum_to_one_and_have_the_keys_of_the_town(seed: int) -> None:
    town = town_of(seed)
    for row in [party.row for party in (*town.stalls, *town.anchors)]:
        keys = {"audience_age": AGE_BANDS, "audience_gender": GENDERS, "audience_city_tier": CITY_TIERS}
        for name, groups in keys.items():
            if row.get(name):
                assert tuple(row[name]) == groups
                assert sum(row[name].values()) == pytest.approx(1, abs=1e-9)
    sold = [anchor.row["price_shares"] for anchor in town.anchors if anchor.row["price_shares"]]
    assert sold
    for shares in sold:
        assert len(shares) == PRICE_BINS
        assert sum(shares) == pytest.approx(1, abs=1e-9)
        assert min(shares) >= 0


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_prices_lie_within_the_categories_that_are_sold(seed: int) -> None:
    for stall in town_of(seed, anchors=0).stalls:
        ranges = [categories()[code].retail_cny for code in stall.row["categories"]]
        # Shops round to the nearest price that ends in nine.
        assert stall.row["price_min_cents"] >= min(low for low, _ in ranges) * 100 - 1000
        assert stall.row["price_max_cents"] <= max(high for _, high in ranges) * 100 + 1000
        assert 0 < stall.row["price_min_cents"] <= stall.row["price_max_cents"]


@given(seed=SEEDS)
@settings(max_examples=15, deadline=None)
def test_everybody_has_a_place_a_code_and_an_age(seed: int) -> None:
    town = town_of(seed)
    assert len(town.stalls) == 25
    assert all(uscc.is_valid(merchant.row["credit_code"]) for merchant in town.merchants)
    assert len({merchant.row["credit_code"] for merchant in town.merchants}) == len(town.merchants)
    places = [(s.row["zone"], s.row["floor"], s.row["number"]) for s in town.stalls]
    assert len(set(places)) == len(places)
    for anchor in town.anchors:
        age = age_on(anchor.row["birth_date"], NOW.astimezone(TOWN).date())
        assert age >= MIN_AGE
        assert age >= ADULT_AGE or anchor.row["guardian_consent_on"] is not None


def test_credit_codes_are_those_of_companies_and_of_shops() -> None:
    for is_company, prefix in ((True, "91440104MA"), (False, "92440104MA")):
        code = credit_code(Dice(1), "440104", is_company=is_company)
        assert code.startswith(prefix)
        assert uscc.validate(code) == code


def test_the_known_check_character_of_an_organisation_code_is_made() -> None:
    assert organisation_check("D2143569") == "X"  # the example of GB 11714


def test_the_same_seed_gives_the_same_town_and_another_seed_another() -> None:
    assert town_of(7) == town_of(7)
    assert town_of(7).anchors != town_of(8).anchors
    assert town_of(7).merchants != town_of(8).merchants


def test_a_second_town_takes_other_places_codes_and_phones() -> None:
    first = make_town(stalls=40, anchors=10, seed=7, now=NOW)
    second = make_town(stalls=40, anchors=10, seed=7, now=NOW, offset=100)
    for key in (
        lambda town: {(s.row["zone"], s.row["floor"], s.row["number"]) for s in town.stalls},
        lambda town: {m.row["credit_code"] for m in town.merchants},
        lambda town: {p.row["contact_phone"] for p in (*town.merchants, *town.anchors)},
    ):
        assert not key(first) & key(second)


def test_tiers_have_their_shares() -> None:
    anchors = town_of(3, stalls=0, anchors=4000).anchors
    sizes = [sum(account["followers"] for account in anchor.row["platforms"]) for anchor in anchors]
    counts = Counter(next(t.name for t in tiers() if size >= t.followers[0]) for size in sizes)
    for tier in tiers():
        assert counts[tier.name] / len(anchors) == pytest.approx(tier.share, abs=0.03)


def test_some_are_unverified_lapsed_minors_or_gone() -> None:
    town = town_of(3, stalls=600, anchors=1000)
    states = Counter(merchant.state.verification for merchant in town.merchants)
    assert set(states) == {"verified", "pending", "lapsed", "refused"}
    assert states["verified"] > 0.85 * len(town.merchants)
    assert any(merchant.state.is_archived for merchant in town.merchants)
    assert any(anchor.row["guardian_consent_on"] for anchor in town.anchors)
    today = NOW.astimezone(TOWN).date()
    ends = [m.row["licence_expires_on"] for m in town.merchants if m.row["licence_expires_on"]]
    assert 0 < sum(end < today for end in ends) < 0.06 * len(ends)
    departments = [{categories()[c].department for c in s.row["categories"]} for s in town.stalls]
    assert sum(len(found) == 1 for found in departments) > 0.9 * len(departments)


# --- history ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy() -> Town:
    return make_town(stalls=200, anchors=300, seed=11, now=NOW)


def test_history_has_every_story(busy: Town) -> None:
    assert {row["story"] for row in busy.history.matches} == set(STORIES)
    assert {row["kind"] for row in busy.history.reactions} == {"like", "pass", "never"}
    assert any(row["terms"]["sessions"][0]["places"] > 1 for row in busy.history.matches)


def test_moves_follow_from_each_other_and_from_who_was_there(busy: Town) -> None:
    for row in busy.history.matches:
        status, before = "", NOW - timedelta(days=10_000)
        joined = min(
            busy.stalls[row["stall"]].state.joined_days_ago,
            busy.anchors[row["anchor"]].state.joined_days_ago,
        )
        for move in row["moves"]:
            row_of_table = MOVES[move["action"]]
            assert status in row_of_table.sources
            assert before <= move["at"] <= NOW
            assert move["at"] >= NOW - timedelta(days=joined + 1)
            status, before = row_of_table.target, move["at"]
        assert status == row["story"]
        start = row["terms"]["sessions"][0]["starts_at"]
        assert (start > NOW) == (status in ("proposed", "agreed", "approved")) or status not in HOLDS_HOURS


def test_answers_come_within_the_time_that_a_proposal_has(busy: Town) -> None:
    for row in busy.history.matches:
        first, *rest = row["moves"]
        if rest and rest[0]["action"] in ("accept", "decline"):
            assert rest[0]["at"] - first["at"] <= timedelta(hours=72)
        if row["story"] == "proposed":
            assert NOW - first["at"] < timedelta(hours=72)


def test_nobody_is_in_two_places_or_beyond_capacity(busy: Town) -> None:
    anchor_hours: dict[tuple[int, datetime], tuple[datetime, datetime]] = {}
    sessions: Counter[tuple[int, datetime]] = Counter()
    stall_hours: Counter[tuple[int, datetime]] = Counter()
    weeks: Counter[tuple[str, int, object]] = Counter()
    for row in busy.history.matches:
        if row["story"] not in HOLDS_HOURS:
            continue
        for wanted in row["terms"]["sessions"]:
            span = (wanted["starts_at"], wanted["ends_at"])
            sessions[row["anchor"], span[0]] += 1
            assert sessions[row["anchor"], span[0]] <= wanted["places"]
            day = span[0].astimezone(TOWN).date()
            for side in ("stall", "anchor"):
                weeks[side, row[side], day - timedelta(days=day.weekday())] += 1
            hour = span[0]
            while hour < span[1]:
                assert anchor_hours.setdefault((row["anchor"], hour), span) == span
                stall_hours[row["stall"], hour] += 1
                hour += HOUR
    assert stall_hours
    for (stall, _hour), used in stall_hours.items():
        assert used <= busy.stalls[stall].row["hosts_at_once"]
    for (side, number, _week), used in weeks.items():
        party = busy.stalls[number] if side == "stall" else busy.anchors[number]
        assert used <= party.row["weekly_capacity"]


def test_sessions_lie_in_the_hours_of_both(busy: Town) -> None:
    for row in busy.history.matches:
        for wanted in row["terms"]["sessions"]:
            hour = wanted["starts_at"]
            while hour < wanted["ends_at"]:
                local = hour.astimezone(TOWN)
                at = local.weekday() * 24 + local.hour
                assert busy.stalls[row["stall"]].row["availability"][at] == "1"
                assert busy.anchors[row["anchor"]].row["availability"][at] == "1"
                hour += HOUR


@given(seed=SEEDS, buyers=st.integers(1, 20_000), rate=st.floats(0, 1), share=st.floats(0.05, 1))
@settings(deadline=None)
def test_what_a_booking_brought_adds_up(seed: int, buyers: int, rate: float, share: float) -> None:
    typical = Figures(14_400, 60.0, buyers * 90, buyers * 60, 50, buyers, buyers, 9_900)
    found = outcome(Dice(seed), typical, hours=3, order_cents=12_000, place_share=share, return_rate=rate)
    assert found["buyers"] <= found["viewers"] <= found["views"]
    assert found["gmv_cents"] == found["buyers"] * 12_000
    assert found["buyers"] <= found["orders"]
    assert found["orders_cancelled"] + found["orders_returned"] <= found["orders"]
    assert found["refunded_cents"] + found["cancelled_cents"] <= found["gmv_cents"] + 1
