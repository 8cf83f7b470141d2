"""matches/{id}/terms/ and terms/preview/: by everybody who may and may not."""

from datetime import timedelta
from decimal import Decimal

import pytest

from accounts.models import Anchor, CalendarException, Membership, Stall
from jobs.models import IdempotencyKey
from matching.models import Block, Match, Terms
from matching.services.matches import accept_match, counter_match
from tests.factories import UserFactory
from tests.matching.market import member_of, proposed, session, terms
from tests.matching.test_norms import FIVE, market

pytestmark = pytest.mark.django_db
PREVIEW = "/api/v1/terms/preview/"


def url_of(match):
    return f"/api/v1/matches/{match.public_id}/terms/"


def wanted(**changes):
    start, end = session().starts_at.isoformat(), session().ends_at.isoformat()
    body = {"commission_rate": "0.1800", "cooperation_mode": "creator_broadcast"}
    return body | {"sessions": [{"starts_at": start, "ends_at": end}]} | changes


def body_for(stall, anchor=None, **changes):
    pair = {"stall": str(stall.public_id)} | ({"anchor": str(anchor.public_id)} if anchor else {})
    return pair | {"terms": wanted()} | changes


@pytest.fixture
def match(stall, anchor):
    return proposed(stall, anchor)


def counter(match, **changes):
    return counter_match(
        actor=member_of(match.anchor), match=match, terms=terms(commission_rate=Decimal("0.2"), **changes)
    )


# --- versions --------------------------------------------------------------------------------------


def test_all_versions_are_read_oldest_first_with_what_changed(api, merchant_user, match):
    counter(match, slot_fee_cents=50_000)
    answer = api(merchant_user).get(url_of(match))
    assert answer.status_code == 200
    first, second = answer.json()["versions"]
    assert (first["version"], first["proposed_by"], first["changes"]) == (1, "stall", [])
    assert (second["version"], second["proposed_by"]) == (2, "anchor")
    assert [change["text"] for change in second["changes"]] == [
        "Commission 18% → 20%", "Slot fee none → ¥500",
    ]  # fmt: skip
    assert second["changes"][1] == {
        "field": "slot_fee_cents", "from": 0, "to": 50_000, "text": "Slot fee none → ¥500",
    }  # fmt: skip
    assert first["preview"].startswith("Commission 18% of settled sales; no slot fee")
    assert second["digest"] == Match.objects.get().terms.digest and second["created_at"]
    assert [(v["is_current"], v["is_frozen"]) for v in (first, second)] == [(False, False), (True, False)]


def test_what_both_agreed_to_is_frozen(api, anchor_user, match):
    counter(match)
    accept_match(actor=member_of(match.stall), match=match)
    versions = api(anchor_user).get(url_of(match)).json()["versions"]
    assert [(v["is_current"], v["is_frozen"]) for v in versions] == [(False, False), (True, True)]


def test_the_norms_of_the_stalls_categories_stand_beside(api, staff_user, match):
    market(*FIVE)
    (norm,) = api(staff_user).get(url_of(match)).json()["norms"]
    assert norm["category"] == {"code": "dress", "name": norm["text"].partition(":")[0]}
    assert norm["commission_rate"] == {"lower": "0.2000", "median": "0.3000", "upper": "0.4000"}
    assert (norm["matches"], norm["why_none"], norm["slot_fee_median_cents"]) == (5, None, None)
    Match.objects.filter(pk=Match.objects.order_by("pk").last().pk).update(agreed_at=None)
    (norm,) = api(staff_user).get(url_of(match)).json()["norms"]
    assert (norm["matches"], norm["commission_rate"], norm["why_none"]) == (0, None, "too_few")


def test_terms_are_there_for_the_two_sides_and_staff_only(
    api, match, merchant_user, anchor_user, staff_user, other_merchant_user, other_anchor_user
):
    for user in (merchant_user, anchor_user, staff_user):
        assert api(user).get(url_of(match)).status_code == 200
    for user in (other_merchant_user, other_anchor_user, UserFactory.create(is_staff=True)):
        assert api(user).get(url_of(match)).status_code == 404
    assert api(None).get(url_of(match)).status_code == 401
    assert api(merchant_user).post(url_of(match), {}).status_code == 405


def test_terms_cost_the_same_for_one_version_and_for_many(
    api, merchant_user, match, django_assert_max_num_queries
):
    client, counts = api(merchant_user), []
    for _round in range(2):
        client.get(url_of(match))
        with django_assert_max_num_queries(10) as captured:
            client.get(url_of(match))
        counts.append(len(captured))
        match = counter(match)
        match = counter_match(actor=merchant_user, match=match, terms=terms(session(day=2)))
    assert counts[0] == counts[1]


def test_the_detail_of_a_match_tells_its_terms_in_words(api, merchant_user, match):
    detail = api(merchant_user).get(f"/api/v1/matches/{match.public_id}/").json()
    assert detail["terms"]["preview"].startswith("Commission 18% of settled sales")
    listed = api(merchant_user).get("/api/v1/matches/").json()["results"][0]
    assert "preview" not in listed["terms"]


# --- preview ---------------------------------------------------------------------------------------


def test_a_preview_is_told_and_nothing_is_kept(api, merchant_user, stall, anchor):
    answer = api(merchant_user, HTTP_IDEMPOTENCY_KEY="once").post(PREVIEW, body_for(stall, anchor))
    assert answer.status_code == 200, answer.json()
    data = answer.json()
    assert data["preview"].startswith("Commission 18% of settled sales") and data["warnings"] == []
    assert data["norms"][0]["why_none"] == "too_few"
    match = proposed(stall, anchor)
    assert data["digest"] == match.terms.digest
    assert (Match.objects.count(), Terms.objects.count(), IdempotencyKey.objects.count()) == (1, 1, 0)


def test_a_commission_outside_the_quartiles_is_told(api, merchant_user, stall):
    market(*FIVE)
    (warning,) = api(merchant_user).post(PREVIEW, body_for(stall)).json()["warnings"]
    assert (warning["code"], warning["field"]) == ("commission_unusual", "terms.commission_rate")
    assert "20% to 40%" in warning["text"] and warning["is_refusal"] is False
    usual = body_for(stall, terms=wanted(commission_rate="0.4"))
    assert api(merchant_user).post(PREVIEW, usual).json()["warnings"] == []


def test_what_a_proposal_would_be_refused_for_is_told_in_its_words(api, merchant_user, stall, anchor):
    # As a must it is a rule of the pair too: the stall offers enough, these terms do not.
    Anchor.objects.filter(pk=anchor.pk).update(is_commission_floor=True, commission_rate=Decimal("0.19"))
    day = (session().starts_at + timedelta(hours=1)).date()
    CalendarException.objects.create(stall=stall, on=day, hours="0" * 24)
    body = body_for(stall, anchor)
    warnings = api(merchant_user).post(PREVIEW, body).json()["warnings"]
    refusal = api(merchant_user).post("/api/v1/matches/", body)
    assert refusal.status_code == 400
    told = {warning["field"]: [] for warning in warnings}
    for warning in warnings:
        assert warning["is_refusal"] is True
        told[warning["field"]].append(warning["text"])
    assert told == refusal.json()["fields"]
    assert {warning["code"] for warning in warnings} == {"commission_below_floor", "hours_closed"}


def test_an_anchor_may_go_below_its_own_floor(api, anchor_user, stall, anchor):
    Anchor.objects.filter(pk=anchor.pk).update(is_commission_floor=True, commission_rate=Decimal("0.19"))
    assert api(anchor_user).post(PREVIEW, body_for(stall, anchor)).json()["warnings"] == []


def test_a_pair_that_is_kept_apart_gets_no_preview(api, merchant_user, anchor_user, stall, anchor):
    Block.objects.create(side="anchor", merchant=stall.merchant, anchor=anchor)
    for user in (merchant_user, anchor_user):
        answer = api(user).post(PREVIEW, body_for(stall, anchor))
        assert (answer.status_code, answer.json()["code"]) == (409, "not_eligible")
        assert answer.json()["reasons"] == ["excluded"]


def test_terms_of_an_open_match_may_be_tried_by_both(api, merchant_user, anchor_user, stall, anchor):
    proposed(stall, anchor)
    # The stall invites; that the anchor may not ask first is no reason against its counter-offer.
    Stall.objects.filter(pk=stall.pk).update(streaming_permit="by_invitation")
    for user in (merchant_user, anchor_user):
        assert api(user).post(PREVIEW, body_for(stall, anchor)).status_code == 200
    Match.objects.all().update(status="withdrawn", awaiting="")
    assert api(anchor_user).post(PREVIEW, body_for(stall, anchor)).status_code == 409


def test_a_preview_is_for_those_who_may_propose(
    api, stall, anchor, merchant_user, anchor_user, staff_user, other_merchant_user, other_anchor_user
):
    body = body_for(stall, anchor)
    for user in (merchant_user, anchor_user, staff_user):
        assert api(user).post(PREVIEW, body).status_code == 200
    for user in (other_merchant_user, other_anchor_user, UserFactory.create(is_staff=True)):
        assert api(user).post(PREVIEW, body).status_code == 404
        assert api(user).post(PREVIEW, body | {"side": "stall"}).status_code == 404
        assert api(user).post(PREVIEW, body_for(stall)).status_code == 404
    assert api(anchor_user).post(PREVIEW, body_for(stall) | {"side": "anchor"}).status_code == 404
    assert api(None).post(PREVIEW, body).status_code == 401


def test_who_acts_for_both_says_for_whom(api, merchant_user, stall, anchor):
    Membership.objects.create(user=merchant_user, anchor=anchor)
    answer = api(merchant_user).post(PREVIEW, body_for(stall, anchor))
    assert answer.status_code == 400 and list(answer.json()["fields"]) == ["side"]
    assert api(merchant_user).post(PREVIEW, body_for(stall, anchor, side="anchor")).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stall": "17"}, "stall"),
        ({"anchor": None}, "anchor"),
        ({"side": "staff"}, "side"),
        ({"price": 1}, "price"),
        ({"terms": None}, "terms"),
        ({"terms": wanted(commission_rate="1.01")}, "terms.commission_rate"),
        ({"terms": wanted(slot_fee_cents=2**70)}, "terms.slot_fee_cents"),
        ({"terms": wanted(cooperation_mode="\x00")}, "terms.cooperation_mode"),
        ({"terms": wanted(sessions=[])}, "terms.sessions"),
        ({"terms": wanted(sessions=wanted()["sessions"] * 2)}, "terms.sessions"),
        (
            {"terms": wanted(sessions=[wanted()["sessions"][0] | {"starts_at": "2020-01-01T20:00:00Z"}])},
            "terms.sessions.0.starts_at",
        ),
    ],
)
def test_what_is_wrong_with_a_preview_is_named(api, merchant_user, stall, anchor, change, field):
    answer = api(merchant_user).post(PREVIEW, body_for(stall, anchor) | change)
    assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()


def test_parties_that_are_not_there(api, merchant_user, stall, anchor):
    nobody = "00000000-0000-4000-8000-000000000000"
    for change in ({"stall": nobody}, {"anchor": nobody}):
        assert api(merchant_user).post(PREVIEW, body_for(stall, anchor) | change).status_code == 404


def test_a_preview_costs_the_same_whatever_the_town_agreed_on(
    api, merchant_user, stall, anchor, django_assert_max_num_queries
):
    client, counts = api(merchant_user), []
    for _round in range(2):
        client.post(PREVIEW, body_for(stall, anchor))
        with django_assert_max_num_queries(30) as captured:
            client.post(PREVIEW, body_for(stall, anchor))
        counts.append(len(captured))
        market(*FIVE)
    assert counts[0] == counts[1]
