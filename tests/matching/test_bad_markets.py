"""Markets that nobody planned for: a clear answer each along the whole path, never a silent empty list."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from accounts.models import Anchor, Category, Stall
from matching.engine import pipeline
from matching.engine.types import Parties, Side, Snapshot
from matching.models import Block, EngineRun, PairRule, Reaction, RecommendationList
from matching.services.recommendations import patch_partners, refresh_party, rematch_everybody
from matchmaker.core.weeks import town_today
from tests.engine.markets import WORDS, random_market
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db
MINE = "/api/v1/anchors/me/suggestions/"


def of_stall(stall: Stall) -> str:
    return f"/api/v1/stalls/{stall.public_id}/suggestions/"


def why_none(client: Any, url: str) -> dict[str, int]:
    """The reasons of an empty page, each told in English; asked again in Chinese they read otherwise."""
    page = client.get(url).json()
    assert page["results"] == [] and page["next"] is None
    assert page["why_none"] and all(reason["text"] for reason in page["why_none"])
    chinese = client.get(url, HTTP_ACCEPT_LANGUAGE="zh-hans").json()["why_none"]
    assert [reason["code"] for reason in chinese] == [reason["code"] for reason in page["why_none"]]
    return {reason["code"]: reason["count"] for reason in page["why_none"]}


def everywhere(client: Any, url: str) -> dict[str, int]:
    """The reasons along every path: the stored list, a filtered one, one without personalisation."""
    told = why_none(client, url)
    for query in ("personalised=false", "commission_min=0"):
        assert set(why_none(client, f"{url}?{query}")) <= {*told, "filtered"}
    return told


def test_an_empty_town_is_matched():
    result = rematch_everybody()
    assert result["stored"] == 0 and EngineRun.objects.get().finished_at is not None
    assert rematch_everybody()["stored"] == 0


def test_one_stall_alone(api, merchant_user, stall):
    client = api(merchant_user)
    assert client.get(of_stall(stall)).json()["source"] == "pending"
    rematch_everybody()
    assert everywhere(client, of_stall(stall)) == {"no_partners": 0}
    refresh_party(side="stall", party_id=stall.pk)
    patch_partners(changed={"stall": [stall.pk]})
    assert why_none(client, of_stall(stall)) == {"no_partners": 0}


def test_one_anchor_alone(api, anchor_user, anchor):
    rematch_everybody()
    assert everywhere(api(anchor_user), MINE) == {"no_partners": 0}


def test_a_town_that_fills_after_an_empty_run(api, merchant_user, stall):
    rematch_everybody()
    AnchorFactory.create(owner=UserFactory.create())
    refresh_party(side="stall", party_id=stall.pk)
    assert len(api(merchant_user).get(of_stall(stall)).json()["results"]) == 1


@pytest.mark.parametrize("column", [{"weekly_capacity": 0}, {"availability": "0" * 168}])
def test_all_anchors_are_full(api, merchant_user, anchor_user, stall, anchor, other_anchor, column):
    Anchor.objects.update(**column)
    rematch_everybody()
    assert everywhere(api(merchant_user), of_stall(stall)) == {"capacity_full": 2}
    assert everywhere(api(anchor_user), MINE) == {"capacity_full": 1}, "her own room is what is missing"


def test_every_capacity_is_zero(api, merchant_user, anchor_user, stall, anchor):
    Anchor.objects.update(weekly_capacity=0)
    Stall.objects.update(weekly_capacity=0)
    rematch_everybody()
    assert everywhere(api(merchant_user), of_stall(stall)) == {"capacity_full": 1}
    assert everywhere(api(anchor_user), MINE) == {"capacity_full": 1}


def test_they_fill_up_after_the_list_was_made(api, merchant_user, stall, anchor, other_anchor):
    rematch_everybody()
    Anchor.objects.update(weekly_capacity=0)
    assert everywhere(api(merchant_user), of_stall(stall)) == {"capacity_full": 2}


def test_what_the_asker_excludes_is_told_as_filtered(api, merchant_user, stall, anchor, other_anchor):
    rematch_everybody()
    query = f"exclude={anchor.public_id},{other_anchor.public_id}"
    assert why_none(api(merchant_user), f"{of_stall(stall)}?{query}") == {"filtered": 2}


def test_rules_that_contradict_each_other(api, merchant_user, anchor_user, stall, anchor):
    """Liked and blocked, forbidden and forbidden again with an end: the strictest holds, once."""
    Reaction.objects.create(side="stall", kind="like", stall=stall, anchor=anchor)
    Reaction.objects.create(side="anchor", kind="never", stall=stall, anchor=anchor)
    Block.objects.create(side="stall", merchant=stall.merchant, anchor=anchor)
    PairRule.objects.create(kind="forbid", stall=stall, anchor=anchor)
    rematch_everybody()
    # What others decided about the pair is told to no side.
    assert everywhere(api(merchant_user), of_stall(stall)) == {"excluded": 1}
    assert everywhere(api(anchor_user), MINE) == {"excluded": 1}


def test_wishes_that_nobody_can_fulfil(api, merchant_user, anchor_user, stall, anchor):
    Anchor.objects.update(is_commission_floor=True, commission_rate=Decimal(1))
    rematch_everybody()
    assert everywhere(api(merchant_user), of_stall(stall)) == {"commission_below_floor": 1}
    assert everywhere(api(anchor_user), MINE) == {"commission_below_floor": 1}


def test_a_category_that_nobody_has(api, merchant_user, stall, other_stall, anchor):
    rare = Category.objects.exclude(code__in=["dress"]).first().code
    Stall.objects.filter(pk=stall.pk).update(categories=[rare])
    rematch_everybody()
    client = api(merchant_user)
    [row] = client.get(of_stall(stall)).json()["results"]
    points = {part["code"]: part["points"] for part in row["parts"]}
    assert points["category"] < 0, "low, and told why"
    assert why_none(client, f"{of_stall(stall)}?category={rare}") == {"filtered": 1}


def test_parties_that_say_nothing_at_all(api, merchant_user, stall, anchor):
    """Categories of no reference data, shares and counts unknown."""
    Stall.objects.update(categories=[], styles=[], return_rate=None, description="")
    Anchor.objects.update(
        categories=[], styles=[], languages=[], platforms=[], price_shares=[], audience_age={},
        audience_gender={}, audience_city_tier={}, region=None, bio="",
    )  # fmt: skip
    rematch_everybody()
    [row] = api(merchant_user).get(of_stall(stall)).json()["results"]
    assert row["base"] + sum(part["points"] for part in row["parts"]) == row["score"]


def test_codes_that_are_in_no_vocabulary(api, merchant_user, stall, anchor):
    Stall.objects.update(categories=["no-such"], styles=["no-such"])
    rematch_everybody()
    assert len(api(merchant_user).get(of_stall(stall)).json()["results"]) == 1


def test_an_unverified_town_tells_why(api, merchant_user, stall, anchor):
    Anchor.objects.update(verified_until=town_today() - timedelta(days=1))
    rematch_everybody()
    assert everywhere(api(merchant_user), of_stall(stall)) == {"unverified": 1}


def test_the_last_anchor_leaves(api, merchant_user, stall, anchor, other_anchor):
    rematch_everybody()
    Anchor.objects.all().delete()
    assert RecommendationList.objects.get(side="stall").partner_ids, "the list is of before"
    assert why_none(api(merchant_user), of_stall(stall)) == {"archived": 2}


# --- the engine alone ------------------------------------------------------------------------------


def engine_lists(snapshot: Snapshot) -> list[Any]:
    model = pipeline.fit(snapshot)
    stalls, anchors = pipeline.encode(model, snapshot.stalls), pipeline.encode(model, snapshot.anchors)
    return [pipeline.recommend(model, stalls, anchors, snapshot.exclusions, side=side) for side in Side]


def test_unknown_everywhere_ranks_everybody_at_the_base():
    left, right = (Parties.build(side, WORDS, np.arange(1, 6)) for side in Side)
    market = random_market(1, 5, 5)
    for lists in engine_lists(Snapshot(WORDS, left, right, type(market.exclusions)(), "2026-01-01")):
        assert (lists.partner_ids[:, :5] == np.arange(1, 6)).all(), "equal scores come in order of id"
        single = lists.parts[:, :5].any(axis=(0, 1))
        assert np.allclose(lists.scores[:, :5], lists.scores[0, 0]) and single.sum() <= 3


@pytest.mark.parametrize("rows", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_markets_of_nobody(rows):
    for lists in engine_lists(random_market(2, *rows)):
        assert np.isfinite(lists.scores).all()


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_infinite_and_negative_figures_are_no_crash():
    market = random_market(3, 6, 6)
    for bad in (np.inf, -np.inf, -1.0, 1e300):
        columns = {
            name: np.full(6, bad).astype(getattr(market.anchors, name).dtype)
            for name in ("followers", "average_viewers", "commission_rate", "slot_fee_cents", "moq")
        }
        arrays = market.anchors.to_arrays() | columns
        for lists in engine_lists(
            Snapshot(WORDS, market.stalls, Parties.from_arrays(arrays), market.exclusions, "2026-01-01")
        ):
            assert not np.isnan(lists.scores).any()


def test_merchants_of_no_stall_change_nothing():
    MerchantFactory.create(owner=UserFactory.create())
    StallFactory.create()
    assert rematch_everybody()["stored"] == 1
