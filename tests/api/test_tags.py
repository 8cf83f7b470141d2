"""Tags held about a party: all of them to see, each to delete, and lists that follow."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from accounts.models import Anchor, ForgottenTag, Stall
from accounts.services.anchors import register_anchor, update_anchor
from jobs.models import Job
from matching.engine.scoring import PART_COLUMNS
from matching.engine.types import COLUMNS
from matching.models import Match, Reaction
from matching.services.recommendations import rematch_everybody
from matching.snapshot.history import histories
from matching.snapshot.market import current_market
from matching.tags import TAGS, tags_of_side
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.market import make_anchor, make_stall

MINE = "/api/v1/anchors/me/tags/"
# Not of the party's own making: who it is, and whether it may take part at all.
IDENTITY = {
    "ids", "verified", "archived", "licence_valid", "of_age", "personalised", "days_since_joined",
}  # fmt: skip
pytestmark = pytest.mark.django_db


def of_stall(stall: Stall) -> str:
    return f"/api/v1/stalls/{stall.public_id}/tags/"


def held(client: Any, url: str) -> dict[str, dict[str, Any]]:
    answer = client.get(url)
    assert answer.status_code == 200, answer.content
    return {tag["code"]: tag for tag in answer.json()["tags"]}


@pytest.fixture
def past(stall, anchor):
    """A match that was kept, one that failed, a decline, and likes both ways."""
    then = timezone.now() - timedelta(days=9)
    ended = {"agreed_at": then, "ended_at": then + timedelta(days=2)}
    for status, values in (("completed", ended), ("failed", ended), ("declined", {"ended_at": then})):
        for by, one, other in (("stall", stall, make_anchor()), ("anchor", make_stall(), anchor)):
            row = Match.objects.create(stall=one, anchor=other, status=status, proposed_by=by, **values)
            Match.objects.filter(pk=row.pk).update(created_at=then - timedelta(hours=5))
        for by, one, other in (("anchor", stall, make_anchor()), ("stall", make_stall(), anchor)):
            row = Match.objects.create(stall=one, anchor=other, status=status, proposed_by=by, **values)
            Match.objects.filter(pk=row.pk).update(created_at=then - timedelta(hours=5))
    Reaction.objects.create(side="stall", kind="like", stall=stall, anchor=make_anchor())
    Reaction.objects.create(side="anchor", kind="like", stall=make_stall(), anchor=anchor)
    Reaction.objects.update(updated_at=then)


# --- seeing ----------------------------------------------------------------------------------------------


def test_every_column_the_engine_reads_is_in_the_list():
    named = {column for tag in TAGS for column in tag.columns}
    assert named - {"text"} == set(COLUMNS) - IDENTITY
    for part, columns in PART_COLUMNS.items():
        of_part = {column for tag in TAGS if part in tag.parts for column in tag.columns}
        assert set(columns) <= of_part, part


def test_codes_are_unique_and_each_is_erasable_or_says_why_not():
    for side in ("stall", "anchor"):
        assert len(tags_of_side(side)) == sum(side in tag.sides for tag in TAGS)
    for tag in TAGS:
        assert tag.is_erasable != bool(tag.why_kept) and (tag.parts or tag.is_rule)


def test_a_stall_sees_what_is_held_and_why(api, merchant_user, stall, past):
    tags = held(api(merchant_user), of_stall(stall))
    assert list(tags) == list(tags_of_side("stall"))
    assert (
        tags["styles"]["value"] == ["commuter"] and tags["styles"]["text"] and tags["styles"]["is_erasable"]
    )
    assert tags["prices"]["text"] == "¥80 – ¥200" and tags["prices"]["is_used_for_rules"]
    assert not tags["prices"]["is_erasable"] and tags["prices"]["why_kept"]
    assert tags["reliability"]["value"] == [2, 4] and tags["reliability"]["text"] == "2 of 4"
    assert tags["reliability"]["source"] == "counted" and tags["styles"]["source"] == "declared"
    assert tags["reply"]["text"] == "5.0 hours"
    assert tags["accepts_given"]["value"] == [3, 4] and tags["accepts_received"]["value"] == [2, 3]
    assert tags["load"]["value"] is None and tags["audience_age"]["text"] == ""


def test_an_anchor_reads_hers_in_chinese(api, anchor_user, anchor, past):
    english = held(api(anchor_user), MINE)
    chinese = held(api(anchor_user, HTTP_ACCEPT_LANGUAGE="zh-hans"), MINE)
    assert english["categories"]["text"] != chinese["categories"]["text"]
    assert english["region"]["text"] == "Guangdong"
    assert english["reach"]["value"] == 800 and english["followers"]["value"] == 120_000


def test_it_tells_since_when(api, anchor_user):
    """From the history of the profile."""
    anchor = register_anchor(
        actor=anchor_user,
        data={
            "display_name": "Mei", "birth_date": "1996-05-20", "categories": ["dress"],
            "platforms": [{"platform": "douyin", "handle": "mei", "followers": 5000, "average_viewers": 50}],
            "commission_rate": "0.2000",
        },
    )  # fmt: skip
    first = held(api(anchor_user), MINE)
    update_anchor(actor=anchor_user, anchor=anchor, data={"styles": ["street"]})
    second = held(api(anchor_user), MINE)
    assert second["styles"]["since"] > first["styles"]["since"]
    assert second["categories"]["since"] == first["categories"]["since"]


def test_switched_off_only_neutral_facts_rank(api, anchor_user, anchor, past):
    Anchor.objects.filter(pk=anchor.pk).update(is_personalised=False)
    answer = api(anchor_user).get(MINE).json()
    assert answer["is_personalised"] is False
    ranking = {tag["code"] for tag in answer["tags"] if tag["is_used_for_ranking"]}
    assert ranking == {"categories", "price_shares", "region", "hours"}


def test_who_may_not(api, merchant_user, other_merchant_user, anchor_user, stall):
    assert api(None).get(of_stall(stall)).status_code == 401
    for user in (other_merchant_user, anchor_user):
        assert api(user).get(of_stall(stall)).status_code == 404
        assert api(user).delete(f"{of_stall(stall)}reliability/").status_code == 404
    assert api(merchant_user).get(MINE).status_code == 404
    assert not ForgottenTag.objects.exists()


def test_it_costs_the_same_for_much_history(api, merchant_user, stall, past, django_assert_max_num_queries):
    client = api(merchant_user)
    held(client, of_stall(stall))
    with django_assert_max_num_queries(20) as few:
        held(client, of_stall(stall))
    for _ in range(4):
        Reaction.objects.create(side="stall", kind="like", stall=stall, anchor=make_anchor())
    with django_assert_max_num_queries(20) as many:
        held(client, of_stall(stall))
    assert len(few) == len(many)


# --- deleting ----------------------------------------------------------------------------------------------


def erasable(side: str) -> list[str]:
    return [code for code, tag in tags_of_side(side).items() if tag.is_erasable]


@pytest.mark.parametrize(
    ("side", "code"), [(side, code) for side in ("stall", "anchor") for code in erasable(side)]
)
def test_a_deleted_tag_is_gone_and_lists_follow(
    api, merchant_user, anchor_user, stall, anchor, past, side, code
):
    party, user = (stall, merchant_user) if side == "stall" else (anchor, anchor_user)
    filled = {"audience_age": {"25_34": 1.0}, "audience_gender": {"male": 1.0}, "description": "x"}
    filled |= {"audience_city_tier": {"tier_1": 1.0}, "platforms": ["douyin"]}
    limits = {"moq_max": 9, "stock_depth_min": 5, "restock_days_max": 9, "return_rate_max": 1}
    if side == "stall":
        Stall.objects.filter(pk=party.pk).update(**filled, languages=["mandarin"], followers_wanted_min=5)
    else:
        Anchor.objects.filter(pk=party.pk).update(bio="x", is_commission_floor=True, **limits)
    client, url = api(user), of_stall(stall) if side == "stall" else MINE
    Job.objects.all().delete()
    answer = client.delete(f"{url}{code}/")
    assert (answer.status_code, answer.content) == (204, b"")
    value = held(client, url)[code]["value"]
    assert value in (None, False) and not held(client, url)[code]["is_used_for_ranking"]
    assert client.delete(f"{url}{code}/").status_code == 204, "a repeat is harmless"
    assert Job.objects.filter(kind="matching.refresh_party", args__party_id=party.pk).exists()


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_what_is_needed_stays_and_says_why(api, merchant_user, anchor_user, stall, anchor, side):
    client, url = (api(merchant_user), of_stall(stall)) if side == "stall" else (api(anchor_user), MINE)
    kept = [code for code, tag in tags_of_side(side).items() if not tag.is_erasable]
    assert {"categories", "hours", "load"} <= set(kept)
    for code in kept:
        answer = client.delete(f"{url}{code}/")
        assert (answer.status_code, answer.json()["code"]) == (409, "tag_needed")
    assert client.delete(f"{url}no-such/").json()["code"] == "no_such_tag"


def test_evidence_of_before_counts_no_more_and_later_evidence_does(api, merchant_user, stall, past):
    client = api(merchant_user)
    for code in ("reliability", "reply", "accepts_given", "accepts_received"):
        assert client.delete(f"{of_stall(stall)}{code}/").status_code == 204
    empty = histories("stall", [stall.pk])
    for name in ("accepted", "completed", "decisions_given", "decisions_yes", "received", "received_yes"):
        assert getattr(empty, name).get(stall.pk, 0) == 0, name
    assert stall.pk not in empty.reply_hours
    later = timezone.now() + timedelta(minutes=1)
    Match.objects.create(
        stall=stall, anchor=make_anchor(), status="completed", proposed_by="anchor", agreed_at=later,
        ended_at=later,
    )  # fmt: skip
    again = histories("stall", [stall.pk])
    assert (again.completed[stall.pk], again.decisions_yes[stall.pk]) == (1, 1)
    assert stall.pk in again.reply_hours


def test_one_tag_of_one_party_is_deleted_and_nothing_else(api, merchant_user, stall, anchor, past):
    before = histories("stall"), histories("anchor")
    api(merchant_user).delete(f"{of_stall(stall)}reliability/")
    stalls, anchors = histories("stall"), histories("anchor")
    assert anchors == before[1]
    assert (stalls.completed.pop(stall.pk), before[0].completed.pop(stall.pk)) == (0, 2)
    assert stalls.completed == before[0].completed
    assert stalls.decisions_given == before[0].decisions_given and stalls.reply_hours == before[0].reply_hours


def test_the_warm_market_forgets_at_once(api, anchor_user, anchor, stall, past):
    rematch_everybody()
    client = api(anchor_user)
    for code in ("reach", "followers", "reliability"):
        client.delete(f"{MINE}{code}/")
    parties = current_market().anchors.parties
    row = parties.rows_of([anchor.pk])[0]
    assert np.isnan(parties.average_viewers[row]) and np.isnan(parties.followers[row])
    assert parties.accepted[row] == 0
    other = parties.rows_of([Anchor.objects.exclude(pk=anchor.pk).first().pk])[0]
    assert not np.isnan(parties.followers[other])


def test_figures_declared_anew_are_known_again(api, anchor_user, anchor):
    client = api(anchor_user)
    client.delete(f"{MINE}reach/")
    client.delete(f"{MINE}reliability/")
    accounts = [{"platform": "douyin", "handle": "new", "followers": 9_000, "average_viewers": 300}]
    update_anchor(actor=anchor_user, anchor=Anchor.objects.get(pk=anchor.pk), data={"platforms": accounts})
    assert held(client, MINE)["reach"]["value"] == 300
    assert [row.code for row in ForgottenTag.objects.all()] == ["reliability"]


def test_an_archived_stall_keeps_what_it_has(api, merchant_user, stall):
    Stall.objects.filter(pk=stall.pk).update(archived_at=timezone.now())
    assert api(merchant_user).delete(f"{of_stall(stall)}reliability/").status_code == 409
    assert not ForgottenTag.objects.exists()


def test_deleted_tags_of_others_change_nothing_for_a_party():
    stall = StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()))
    ForgottenTag.objects.create(stall=stall, code="reliability", forgotten_at=timezone.now())
    anchor = AnchorFactory.create(owner=UserFactory.create())
    assert histories("anchor", [anchor.pk]).unsaid == {}
