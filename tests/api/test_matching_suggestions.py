"""Suggestions: lists with filters, reactions and impressions, by everybody who may and may not."""

import uuid
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.utils import timezone

from accounts.choices import StreamingPermit, VerificationStatus
from accounts.models import Anchor, Merchant, Stall, Zone
from matching.models import Block, Impression, PairRule, Reaction, RecommendationList, WeekLoad
from matching.selectors import suggestions_for
from matching.services.recommendations import rematch_everybody
from matching.tokens import make_suggestion_id, read_suggestion_id
from matchmaker.core.weeks import coming_weeks, town_today
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.market import proposed

MINE = "/api/v1/anchors/me/suggestions/"
SEEN = "/api/v1/suggestions/impressions/"
pytestmark = pytest.mark.django_db


def of_stall(stall):
    return f"/api/v1/stalls/{stall.public_id}/suggestions/"


def reaction_url(suggestion_id):
    return f"/api/v1/suggestions/{suggestion_id}/reaction/"


@pytest.fixture
def town(stall, anchor, other_stall, other_anchor):
    """A town of a dozen on each side, with everybody's list computed."""
    for number in range(10):
        merchant = MerchantFactory.create(owner=UserFactory.create())
        StallFactory.create(merchant=merchant, floor=number % 4, styles=["street"])
        AnchorFactory.create(
            owner=UserFactory.create(),
            followers=1_000 * 4**number,
            commission_rate=Decimal(number) / 25,
            categories=["dress", "shirt", "hoodie"][: 1 + number % 3],
            styles=["street"] if number % 2 else ["commuter"],
        )
    rematch_everybody()


def listed(client, url, query=""):
    answer = client.get(f"{url}?{query}")
    assert answer.status_code == 200, answer.data
    return answer.json()


def partners(page):
    return [row["partner"]["id"] for row in page["results"]]


# --- lists -----------------------------------------------------------------------------------------


def test_a_stall_reads_its_anchors(api, merchant_user, stall, town):
    page = listed(api(merchant_user), of_stall(stall))
    assert len(page["results"]) == 12 and page["next"] is None
    assert (page["source"], page["why_none"], page["cannot_propose"]) == ("stored", [], [])
    assert page["list_id"] == str(RecommendationList.objects.get(side="stall", subject_id=stall.pk).public_id)
    values = [row["score"] + sum(a["points"] for a in row["adjustments"]) for row in page["results"]]
    # Scores are whole points, adjustments have two places.
    assert all(later <= value + 1 for value, later in pairwise(values)) and len(set(partners(page))) == 12
    for place, row in enumerate(page["results"], start=1):
        assert row["rank"] == place and row["computed_at"] == page["computed_at"]
        assert row["base"] + sum(part["points"] for part in row["parts"]) == row["score"]
        assert all(set(part) == {"code", "points", "text", "facts"} and part["text"] for part in row["parts"])
        assert 0 <= row["confidence"] <= 1 and row["reaction"] is None
        assert row["allowed_actions"] == ["like", "pass", "never", "propose"]
        ref = read_suggestion_id(row["id"])
        assert (ref.side, ref.subject_id, str(ref.partner_id)) == (
            "stall",
            stall.public_id,
            row["partner"]["id"],
        )


def test_an_anchor_reads_her_stalls(api, anchor_user, town):
    page = listed(api(anchor_user), MINE)
    assert len(page["results"]) == 12
    assert {row["partner"]["side"] for row in page["results"]} == {"stall"}


def test_no_list_holds_contacts_or_internal_ids(api, merchant_user, anchor_user, stall, anchor, town):
    for client, url, partner in (
        (api(merchant_user), of_stall(stall), anchor),
        (api(anchor_user), MINE, stall.merchant),
    ):
        text = client.get(url).content.decode()
        assert partner.contact_phone not in text and "phone" not in text
        assert "real_name" not in text and '"pk"' not in text


def test_reasons_speak_the_language_of_the_asker(api, merchant_user, stall, town):
    english = listed(api(merchant_user), of_stall(stall))["results"][0]["parts"]
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE="zh-hans")
    chinese = listed(client, of_stall(stall))["results"][0]["parts"]
    assert english and [part["code"] for part in english] == [part["code"] for part in chinese]
    assert str(chinese) != str(english)


def test_who_may_not_read(api, other_merchant_user, anchor_user, merchant_user, staff_user, stall, town):
    for user in (other_merchant_user, anchor_user, staff_user):
        assert api(user).get(of_stall(stall)).status_code == 404
    assert api(None).get(of_stall(stall)).status_code == api(None).get(MINE).status_code == 401
    assert api(merchant_user).get(MINE).status_code == 404, "no anchor, no list"
    assert api(merchant_user).get(f"/api/v1/stalls/{uuid.uuid4()}/suggestions/").status_code == 404


def test_pages_follow_each_other(api, merchant_user, stall, town):
    client = api(merchant_user)
    whole = partners(listed(client, of_stall(stall)))
    seen, page = [], listed(client, of_stall(stall), "page_size=5")
    while page:
        seen += partners(page)
        page = client.get(page["next"]).json() if page["next"] else None
    assert seen == whole


def test_a_cursor_keeps_its_list_while_a_new_one_comes(api, merchant_user, stall, town):
    client = api(merchant_user)
    first = listed(client, of_stall(stall), "page_size=5")
    AnchorFactory.create(owner=UserFactory.create())
    rematch_everybody()
    second = client.get(first["next"]).json()
    assert second["list_id"] == first["list_id"]
    assert not set(partners(first)) & set(partners(second))
    assert listed(client, of_stall(stall))["list_id"] != first["list_id"]


def test_before_anything_is_computed_the_list_is_pending(api, merchant_user, stall, anchor):
    page = listed(api(merchant_user), of_stall(stall))
    assert (page["source"], page["results"], page["computed_at"]) == ("pending", [], None)


def test_a_cursor_of_another_list_is_refused(api, merchant_user, stall, town):
    client = api(merchant_user)
    cursor = listed(client, of_stall(stall), "page_size=5")["next"].partition("cursor=")[2].partition("&")[0]
    mine = StallFactory.create(merchant=stall.merchant)
    assert client.get(f"{of_stall(mine)}?cursor={cursor}").status_code == 400
    assert client.get(f"{of_stall(stall)}?cursor=made-up").status_code == 400


def test_excluded_partners_are_left_out_by_either_id(api, merchant_user, stall, town):
    client = api(merchant_user)
    first, second, *rest = listed(client, of_stall(stall))["results"]
    page = listed(client, of_stall(stall), f"exclude={first['id']},{second['partner']['id']}")
    assert partners(page) == [row["partner"]["id"] for row in rest]
    answer = client.get(f"{of_stall(stall)}?exclude=17")
    assert answer.status_code == 400 and "exclude" in answer.json()["fields"]


# --- filters ---------------------------------------------------------------------------------------


FILTERS = {
    "floor=3": lambda s: s.floor == 3,
    "moq_max=5": lambda s: s.moq <= 5,
    "restock_days_max=3": lambda s: s.restock_days <= 3,
    "return_rate_max=0.25": lambda s: s.return_rate <= Decimal("0.25"),
    "commission_min=0.25": lambda s: s.commission_rate >= Decimal("0.25"),
    "commission_max=0.2": lambda s: s.commission_rate <= Decimal("0.20"),
    "price_max_cents=8000": lambda s: s.price_min_cents <= 8000,
    "price_min_cents=25000": lambda s: s.price_max_cents >= 25000,
    "streaming_permit=by_invitation": lambda s: s.streaming_permit == "by_invitation",
    "category=dress": lambda s: "dress" in s.categories,
    "category=dress&moq_max=5&floor=2": lambda s: "dress" in s.categories and s.moq <= 5 and s.floor == 2,
}


def test_an_anchor_filters_stalls(api, anchor_user, stall, anchor):
    elsewhere = Zone.objects.exclude(pk=stall.zone_id).first()
    other = {
        "floor": 3, "moq": 40, "restock_days": 2, "return_rate": Decimal("0.2000"), "price_min_cents": 12_000,
        "commission_rate": Decimal("0.3000"), "price_max_cents": 30_000, "streaming_permit": "by_invitation",
        "categories": ["shirt"], "zone": elsewhere,
    }  # fmt: skip
    stalls = [stall] + [StallFactory.create(merchant=stall.merchant, **{name: other[name]}) for name in other]
    rematch_everybody()
    filters = FILTERS | {f"zone={elsewhere.code}": lambda s: s.zone_id == elsewhere.pk}
    for query, keeps in filters.items():
        kept = {str(s.public_id) for s in stalls if keeps(s)}
        page = listed(api(anchor_user), MINE, query)
        assert set(partners(page)) == kept and 0 < len(kept) < len(stalls), query
        assert (page["source"], page["list_id"]) == ("computed", None)


def test_a_stall_filters_anchors(api, merchant_user, stall, town):
    client = api(merchant_user)
    big = {str(a.public_id) for a in Anchor.objects.filter(followers__gte=100_000)}
    assert set(partners(listed(client, of_stall(stall), "followers_min=100000"))) == big
    small = {str(a.public_id) for a in Anchor.objects.filter(followers__lte=50_000)}
    assert set(partners(listed(client, of_stall(stall), "followers_max=50000"))) == small
    assert len(partners(listed(client, of_stall(stall), "region=guangdong&language=mandarin"))) == 12
    none = listed(client, of_stall(stall), "region=beijing")
    assert none["results"] == [] and {reason["code"] for reason in none["why_none"]} == {"filtered"}
    assert none["why_none"][0]["count"] == 12 and none["why_none"][0]["text"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("colour=red", "colour"),
        ("categry=dress", "categry"),
        ("category=rocket", "category"),
        ("zone=nowhere", "zone"),
        ("floor=top", "floor"),
        ("floor=99999999999999999999", "floor"),
        ("commission_min=1.5", "commission_min"),
        ("commission_min=NaN", "commission_min"),
        ("commission_min=0.3&commission_max=0.2", "commission_min"),
        ("price_min_cents=2&price_max_cents=1", "price_min_cents"),
        ("price_min_cents=-1", "price_min_cents"),
        ("moq_max=9223372036854775808", "moq_max"),
        ("streaming_permit=maybe", "streaming_permit"),
        ("page_size=51", "page_size"),
        ("followers_min=1", "followers_min"),
        ("category=dress&category=shirt", "category"),
    ],
)
def test_what_is_wrong_with_a_filter_is_named(api, anchor_user, anchor, query, field):
    answer = api(anchor_user).get(f"{MINE}?{query}")
    assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()


# --- what is never listed --------------------------------------------------------------------------


def _change(model, row, **values):
    model.objects.filter(pk=row.pk).update(**values)


YESTERDAY = timedelta(days=1)
OUT = {
    "passed by me": lambda s, a: Reaction.objects.create(
        side="stall", stall=s, anchor=a, kind="pass", until=timezone.now() + timedelta(days=1)
    ),
    "never by the other": lambda s, a: Reaction.objects.create(
        side="anchor", stall=s, anchor=a, kind="never"
    ),
    "blocked": lambda s, a: Block.objects.create(side="anchor", merchant=s.merchant, anchor=a),
    "forbidden": lambda s, a: PairRule.objects.create(stall=s, anchor=a, kind="forbid"),
    "open match": lambda s, a: proposed(s, a),
    "archived anchor": lambda s, a: _change(Anchor, a, archived_at=timezone.now()),
    "archived stall": lambda s, a: _change(Stall, s, archived_at=timezone.now()),
    "banned": lambda s, a: _change(Stall, s, streaming_permit=StreamingPermit.BANNED),
    "licence": lambda s, a: _change(Merchant, s.merchant, licence_expires_on=town_today() - YESTERDAY),
    "minor": lambda s, a: _change(Anchor, a, birth_date=town_today() - timedelta(days=17 * 365)),
    "full anchor": lambda s, a: _fill("anchor", a),
    "full stall": lambda s, a: _fill("stall", s),
}
ONE_SIDED = {
    "unverified anchor": (lambda s, a: _change(Anchor, a, verification=VerificationStatus.PENDING), "anchor"),
    "lapsed merchant": (
        lambda s, a: _change(Merchant, s.merchant, verified_until=town_today() - YESTERDAY),
        "stall",
    ),
}


def _fill(side, party):
    for week_on in coming_weeks(timezone.now()):
        values = {"used": party.weekly_capacity, "capacity": party.weekly_capacity}
        WeekLoad.objects.create(side=side, party_id=party.pk, week_on=week_on, **values)


@pytest.mark.parametrize("name", list(OUT))
def test_who_became_ineligible_is_in_no_list(api, merchant_user, anchor_user, stall, anchor, town, name):
    OUT[name](stall, anchor)
    for query in ("", "category=dress"):  # the stored list, and one that is computed for the asker
        anchors = partners(listed(api(merchant_user), of_stall(stall), query))
        assert str(anchor.public_id) not in anchors, query
        answer = api(anchor_user).get(f"{MINE}?{query}")
        if name == "archived anchor":
            assert answer.status_code == 404
        else:
            assert str(stall.public_id) not in partners(answer.json()), query


@pytest.mark.parametrize("name", list(ONE_SIDED))
def test_the_unverified_see_and_are_not_seen(api, merchant_user, anchor_user, stall, anchor, town, name):
    change, hidden = ONE_SIDED[name]
    change(stall, anchor)
    of_mine, of_hers = listed(api(merchant_user), of_stall(stall)), listed(api(anchor_user), MINE)
    own, other = (of_hers, of_mine) if hidden == "anchor" else (of_mine, of_hers)
    party = anchor if hidden == "anchor" else stall
    assert str(party.public_id) not in partners(other) and partners(own)
    assert [reason["code"] for reason in own["cannot_propose"]] == ["unverified"]
    assert all("propose" not in row["allowed_actions"] for row in own["results"])


def test_a_stall_by_invitation_is_not_asked(api, anchor_user, stall, town):
    _change(Stall, stall, streaming_permit=StreamingPermit.BY_INVITATION)
    page = listed(api(anchor_user), MINE)
    actions = {row["partner"]["id"]: row["allowed_actions"] for row in page["results"]}
    assert "propose" not in actions.pop(str(stall.public_id))
    assert all("propose" in others for others in actions.values())


def test_a_spent_quota_is_told(api, merchant_user, stall, town, monkeypatch):
    monkeypatch.setattr("matching.services.quota.PROPOSALS_A_WEEK", 1)
    client = api(merchant_user)
    assert listed(client, of_stall(stall))["proposals_left"] == 1
    proposed(stall, Anchor.objects.last())
    page = listed(client, of_stall(stall))
    assert page["proposals_left"] == 0
    assert all("propose" not in row["allowed_actions"] for row in page["results"])


def test_a_list_costs_the_same_whatever_its_length(
    api, merchant_user, stall, town, django_assert_max_num_queries
):
    client = api(merchant_user)
    listed(client, of_stall(stall))
    for size in (1, 12):
        with django_assert_max_num_queries(14):
            assert len(listed(client, of_stall(stall), f"page_size={size}")["results"]) == size


# --- reactions -------------------------------------------------------------------------------------


@pytest.fixture
def suggestion(stall, anchor):
    return make_suggestion_id("stall", stall.public_id, anchor.public_id)


def test_like_stays_in_the_list_and_is_shown(api, merchant_user, stall, anchor, town, suggestion):
    client = api(merchant_user)
    answer = client.put(reaction_url(suggestion), {"kind": "like"})
    assert answer.status_code == 200
    assert answer.json() == {"suggestion": suggestion, "kind": "like", "until": None}
    rows = {row["partner"]["id"]: row for row in listed(client, of_stall(stall))["results"]}
    mine = rows[str(anchor.public_id)]
    assert (mine["reaction"], mine["allowed_actions"]) == ("like", ["pass", "never", "propose"])
    assert rows.pop(str(anchor.public_id)) and all(row["reaction"] is None for row in rows.values())


def test_pass_hides_at_once_and_undo_brings_back(api, merchant_user, stall, anchor, town, suggestion):
    client = api(merchant_user)
    first = client.put(reaction_url(suggestion), {"kind": "pass"}).json()
    assert client.put(reaction_url(suggestion), {"kind": "pass"}).json() == first, "PUT is idempotent"
    assert first["until"] and str(anchor.public_id) not in partners(listed(client, of_stall(stall)))
    assert [client.delete(reaction_url(suggestion)).status_code for _ in range(2)] == [204, 204]
    assert str(anchor.public_id) in partners(listed(client, of_stall(stall)))


def test_who_may_not_react(api, anchor_user, other_merchant_user, staff_user, merchant_user, suggestion):
    for user, status in ((anchor_user, 404), (other_merchant_user, 404), (staff_user, 404), (None, 401)):
        client = api(user)
        assert client.put(reaction_url(suggestion), {"kind": "never"}).status_code == status
        assert client.delete(reaction_url(suggestion)).status_code == status
    client = api(merchant_user)
    assert client.put(reaction_url(suggestion[:-1] + "_"), {"kind": "never"}).status_code == 404
    assert client.put(reaction_url("nonsense"), {"kind": "never"}).status_code == 404
    assert (
        client.put(
            reaction_url(make_suggestion_id("stall", uuid.uuid4(), uuid.uuid4())), {"kind": "never"}
        ).status_code
        == 404
    )
    assert not Reaction.objects.exists()


@pytest.mark.parametrize("body", [{}, {"kind": "love"}, {"kind": "like", "until": "2030-01-01"}, []])
def test_what_is_wrong_with_a_reaction_is_named(api, merchant_user, suggestion, body):
    assert api(merchant_user).put(reaction_url(suggestion), body).status_code == 400
    assert not Reaction.objects.exists()


# --- impressions -----------------------------------------------------------------------------------


def seen_of(page, count=3, **changes):
    rows = [
        {"id": r["id"], "rank": r["rank"], "score": r["score"]} | changes for r in page["results"][:count]
    ]
    return {"list_id": page["list_id"], "suggestions": rows}


def test_what_was_seen_is_kept_once_with_the_stored_rank_and_score(api, merchant_user, stall, town):
    client = api(merchant_user)
    page = listed(client, of_stall(stall))
    assert client.post(SEEN, seen_of(page, rank=9, score=99)).json() == {"recorded": 3}
    assert client.post(SEEN, seen_of(page, 4)).json() == {"recorded": 1}
    shown = suggestions_for(side="stall", subject=stall).items[:4]
    rows = list(Impression.objects.order_by("rank"))
    assert [(row.rank, row.anchor_id) for row in rows] == [(item.rank, item.partner.pk) for item in shown]
    assert all(
        abs(row.score_hundredths - 100 * item.score) <= 50 for row, item in zip(rows, shown, strict=True)
    )
    assert {(row.side, str(row.list_id), row.actor) for row in rows} == {
        ("stall", page["list_id"], merchant_user)
    }


def test_a_computed_page_counts_once_a_day(api, merchant_user, stall, town):
    client = api(merchant_user)
    page = listed(client, of_stall(stall), "category=dress")
    assert page["list_id"] is None
    assert [client.post(SEEN, seen_of(page)).json()["recorded"] for _ in range(2)] == [3, 0]
    assert set(Impression.objects.values_list("rank", flat=True)) == {1, 2, 3}


def test_who_may_not_report(api, anchor_user, other_merchant_user, merchant_user, stall, other_stall, town):
    page = listed(api(merchant_user), of_stall(stall))
    for user, status in ((anchor_user, 404), (other_merchant_user, 404), (None, 401)):
        assert api(user).post(SEEN, seen_of(page)).status_code == status
    theirs = listed(api(other_merchant_user), of_stall(other_stall))
    client = api(merchant_user)
    assert client.post(SEEN, seen_of(page) | {"list_id": theirs["list_id"]}).status_code == 404
    assert client.post(SEEN, seen_of(page) | {"list_id": str(uuid.uuid4())}).status_code == 404
    assert not Impression.objects.exists()


def test_what_is_wrong_with_a_report_is_named(api, merchant_user, stall, town):
    client = api(merchant_user)
    page = listed(client, of_stall(stall))
    good = seen_of(page)
    mixed = good["suggestions"] + [
        {"id": make_suggestion_id("anchor", uuid.uuid4(), uuid.uuid4()), "rank": 1, "score": 1}
    ]
    for body, field in (
        (good | {"suggestions": []}, "suggestions"),
        (good | {"suggestions": good["suggestions"] * 17}, "suggestions"),
        (good | {"suggestions": mixed}, "suggestions"),
        (seen_of(page, rank=0), "suggestions.0.rank"),
        (seen_of(page, score=101), "suggestions.0.score"),
        (good | {"when": "now"}, "when"),
        ({"suggestions": good["suggestions"]}, "list_id"),
    ):
        answer = client.post(SEEN, body)
        assert answer.status_code == 400 and field in answer.json()["fields"], answer.json()
    assert not Impression.objects.exists()
