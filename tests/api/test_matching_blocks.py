"""blocks/: by everybody who may and may not; and that the other side is not told."""

import uuid

import pytest

from accounts.models import Membership
from matching.models import Block
from matching.services import recommendations
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/blocks/"


@pytest.fixture
def block(stall, anchor):
    return Block.objects.create(side="stall", merchant=stall.merchant, anchor=anchor)


def test_a_merchant_blocks_an_anchor(api, merchant_user, stall, anchor):
    answer = api(merchant_user).post(URL, {"anchor": str(anchor.public_id)})
    assert answer.status_code == 201, answer.json()
    block = Block.objects.get()
    assert (block.side, block.merchant, block.anchor, block.actor) == (
        "stall", stall.merchant, anchor, merchant_user,
    )  # fmt: skip
    assert answer.json() == {
        "id": str(block.public_id),
        "side": "stall",
        "merchant": {"id": str(stall.merchant.public_id), "name": stall.merchant.name},
        "stalls": [{"id": str(stall.public_id), "name": stall.name}],
        "anchor": {"id": str(anchor.public_id), "name": anchor.display_name},
        "created_at": answer.json()["created_at"],
    }


def test_an_anchor_blocks_the_merchant_of_a_stall_with_all_its_stalls(api, anchor_user, stall, anchor):
    second = StallFactory.create(merchant=stall.merchant)
    answer = api(anchor_user).post(URL, {"stall": str(stall.public_id)})
    assert answer.status_code == 201 and answer.json()["side"] == "anchor"
    assert [row["id"] for row in answer.json()["stalls"]] == [str(stall.public_id), str(second.public_id)]


def test_a_repeat_is_harmless(api, merchant_user, stall, anchor):
    body = {"anchor": str(anchor.public_id)}
    first, second = (api(merchant_user).post(URL, body) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200) and first.json() == second.json()
    keyed = [api(merchant_user, HTTP_IDEMPOTENCY_KEY="k").post(URL, body) for _ in range(2)]
    assert keyed[1]["Idempotency-Replayed"] == "true" and keyed[0].json() == keyed[1].json()
    assert Block.objects.count() == 1


def test_the_other_side_is_not_told(api, anchor_user, merchant_user, stall, anchor):
    recommendations.rematch_everybody()
    api(merchant_user).post(URL, {"anchor": str(anchor.public_id)})
    assert api(anchor_user).get(URL).json()["results"] == []
    recommendations.rematch_everybody()
    page = api(anchor_user).get("/api/v1/anchors/me/suggestions/")
    assert page.json()["results"] == []
    assert [(row["code"], row["count"]) for row in page.json()["why_none"]] == [("excluded", 1)]
    assert b"block" not in page.content


def test_the_blocks_of_ones_parties_are_listed_newest_first(api, anchor_user, anchor, block):
    mine = [
        Block.objects.create(side="anchor", merchant=MerchantFactory.create(), anchor=anchor)
        for _ in range(3)
    ]
    page = api(anchor_user).get(URL, {"page_size": 2}).json()
    rest = api(anchor_user).get(page["next"]).json()
    shown = [row["id"] for row in page["results"] + rest["results"]]
    assert shown == [str(row.public_id) for row in reversed(mine)] and rest["next"] is None
    assert api(anchor_user).get(URL, {"side": "stall"}).status_code == 400


def test_a_block_is_taken_back(api, merchant_user, block):
    url = f"{URL}{block.public_id}/"
    assert api(merchant_user).delete(url).status_code == 204
    assert not Block.objects.exists()
    assert api(merchant_user).delete(url).status_code == 404


def test_a_block_is_not_there_for_the_other_side_nor_for_strangers(
    api, block, anchor_user, other_merchant_user, staff_user
):
    for user in (anchor_user, other_merchant_user, staff_user):
        assert api(user).delete(f"{URL}{block.public_id}/").status_code == 404
        assert api(user).get(URL).json()["results"] == []
    assert api(None).delete(f"{URL}{block.public_id}/").status_code == 401
    assert Block.objects.count() == 1


def test_who_acts_for_nobody_on_that_side_cannot_block(
    api, merchant_user, anchor_user, staff_user, stall, anchor
):
    of_anchor, of_stall = {"anchor": str(anchor.public_id)}, {"stall": str(stall.public_id)}
    for user, body in (
        (anchor_user, of_anchor),
        (merchant_user, of_stall),
        (staff_user, of_anchor),
        (staff_user, of_stall),
    ):
        answer = api(user).post(URL, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_party")
    assert api(None).post(URL, of_anchor).status_code == 401
    assert not Block.objects.exists()


def test_who_acts_for_several_names_one(api, merchant_user, stall, anchor):
    second = MerchantFactory.create(owner=merchant_user)
    body = {"anchor": str(anchor.public_id)}
    answer = api(merchant_user).post(URL, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "party_ambiguous")
    assert api(merchant_user, HTTP_X_PARTY=str(second.public_id)).post(URL, body).status_code == 201
    assert Block.objects.get().merchant == second
    foreign = api(merchant_user, HTTP_X_PARTY=str(MerchantFactory.create().public_id)).post(URL, body)
    assert foreign.status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "stall"),
        ({"stall": str(uuid.uuid4()), "anchor": str(uuid.uuid4())}, "stall"),
        ({"anchor": "1"}, "anchor"),
        ({"anchor": None}, "anchor"),
        ({"anchor": 2**200}, "anchor"),
        ({"anchor": str(uuid.uuid4()), "side": "anchor"}, "side"),
        ([], "body"),
        ("\x00", "body"),
    ],
)
def test_what_is_wrong_with_a_block_is_named(api, merchant_user, merchant, body, field):
    answer = api(merchant_user).post(URL, body)
    assert answer.status_code == 400, answer.json()
    assert field in answer.json()["fields"] or field == "body"


def test_parties_that_are_not_there(api, merchant_user, anchor_user, merchant, anchor):
    for user, kind in ((merchant_user, "anchor"), (anchor_user, "stall")):
        assert api(user).post(URL, {kind: str(uuid.uuid4())}).status_code == 404


def test_the_list_costs_the_same_for_one_block_and_for_many(
    api, merchant_user, stall, block, django_assert_max_num_queries
):
    client, counts = api(merchant_user), []
    for _round in range(2):
        client.get(URL)
        with django_assert_max_num_queries(10) as captured:
            client.get(URL)
        counts.append(len(captured))
        StallFactory.create(merchant=stall.merchant)
        for _ in range(5):
            Block.objects.create(side="stall", merchant=stall.merchant, anchor=AnchorFactory.create())
    assert counts[0] == counts[1]


def test_an_agency_sees_the_blocks_of_all_its_anchors(api, block, anchor, other_anchor):
    agency = UserFactory.create()
    for one in (anchor, other_anchor):
        Membership.objects.create(user=agency, anchor=one)
        Block.objects.create(side="anchor", merchant=block.merchant, anchor=one)
    assert len(api(agency).get(URL).json()["results"]) == 2
