"""Ranking without personalisation: by neutral facts only, at once, with the same exclusions, explained."""

import pytest
from django.utils.translation import override

from accounts.models import Stall
from accounts.services.anchors import update_anchor
from accounts.services.parties import update_merchant
from matching.engine.neutral import NEUTRAL_PARTS
from matching.filters import Filters
from matching.models import Reaction
from matching.reasons import HOW_RANKED
from matching.selectors import suggestions_for
from matching.selectors.suggestions import wants_personal
from matching.services.recommendations import rematch_everybody
from matchmaker.core.errors import InvalidInput
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def town(stall, anchor, other_stall, other_anchor):
    """Parties that differ in facts neutral and personal."""
    for number in range(6):
        merchant = MerchantFactory.create(owner=UserFactory.create())
        StallFactory.create(merchant=merchant, styles=["street"], return_rate=number / 10)
        AnchorFactory.create(
            owner=UserFactory.create(),
            categories=["dress", "shirt", "hoodie"][: 1 + number % 3],
            styles=["street"] if number % 2 else ["commuter"],
            average_viewers=10 * 4**number,
        )
    rematch_everybody()


def again(party):
    return type(party).objects.get(pk=party.pk)


def page_of(party, **asked):
    return suggestions_for(side="stall" if isinstance(party, Stall) else "anchor", subject=party, **asked)


def ids(page):
    return [item.partner.pk for item in page.items]


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_only_neutral_facts_count_and_sum(town, stall, anchor, side):
    party = stall if side == "stall" else anchor
    personal, neutral = page_of(party), page_of(party, personalised=False)
    assert (personal.source, personal.is_personalised) == ("stored", True)
    assert (neutral.source, neutral.is_personalised, neutral.list_id) == ("computed", False, None)
    assert sorted(ids(neutral)) == sorted(ids(personal)), "nobody is excluded by it"
    told = {part["code"] for item in neutral.items for part in item.parts}
    assert told <= set(NEUTRAL_PARTS) and {"category"} <= told
    assert {p["code"] for i in personal.items for p in i.parts} - set(NEUTRAL_PARTS), "else it shows nothing"
    for item in neutral.items:
        assert item.base + sum(part["points"] for part in item.parts) == item.score
        assert item.confidence == 0


def test_history_moves_no_neutral_list(town, stall, anchor):
    before = [(i.partner.pk, i.score, i.parts) for i in page_of(stall, personalised=False).items]
    for one in Stall.objects.exclude(pk=stall.pk):
        Reaction.objects.create(side="stall", kind="like", stall=one, anchor=anchor)
    rematch_everybody()
    assert [(i.partner.pk, i.score, i.parts) for i in page_of(stall, personalised=False).items] == before


@pytest.mark.parametrize("side", ["stall", "anchor"])
def test_the_stored_choice_holds_at_once(town, stall, anchor, side):
    """No worker runs here, and the list stored before stays stored."""
    wanted = page_of(stall if side == "stall" else anchor, personalised=False)
    if side == "stall":
        update_merchant(actor=None, merchant=stall.merchant, data={"is_personalised": False})
    else:
        update_anchor(actor=None, anchor=anchor, data={"is_personalised": False})
    party = again(stall if side == "stall" else anchor)
    assert not wants_personal(party)
    for page in (page_of(party), page_of(party, personalised=True)):
        assert (page.is_personalised, page.source) == (False, "computed")
        assert [(i.partner.pk, i.score) for i in page.items] == [
            (i.partner.pk, i.score) for i in wanted.items
        ]


def test_switched_on_again_the_stored_list_answers(town, anchor):
    for choice in (False, True):
        update_anchor(actor=None, anchor=again(anchor), data={"is_personalised": choice})
    assert page_of(again(anchor)).source == "stored"


def test_filters_hold_too(town, stall):
    page = page_of(stall, personalised=False, filters=Filters(category="shirt"))
    assert ids(page) and all("shirt" in item.partner.categories for item in page.items)


def test_a_cursor_is_bound_to_the_choice(town, stall):
    first = page_of(stall, personalised=False, page_size=3)
    rest = page_of(stall, personalised=False, page_size=20, cursor=first.next_cursor)
    whole = ids(page_of(stall, personalised=False))
    assert ids(first) + ids(rest) == whole and [i.rank for i in rest.items] == list(range(4, len(whole) + 1))
    with pytest.raises(InvalidInput):
        page_of(stall, cursor=first.next_cursor)
    with pytest.raises(InvalidInput):
        page_of(stall, personalised=False, cursor=page_of(stall, page_size=3).next_cursor)


def test_an_excluded_partner_is_in_neither_list(town, stall, anchor):
    Reaction.objects.create(side="anchor", kind="never", stall=stall, anchor=anchor)
    assert anchor.pk not in ids(page_of(stall)) and anchor.pk not in ids(page_of(stall, personalised=False))
    Reaction.objects.all().delete()
    assert anchor.pk in ids(page_of(stall, personalised=False))


def test_the_api_says_so_in_both_languages(town, api, merchant_user, anchor_user, stall):
    url = f"/api/v1/stalls/{stall.public_id}/suggestions/"
    for user, path in ((merchant_user, url), (anchor_user, "/api/v1/anchors/me/suggestions/")):
        client = api(user)
        on, off = client.get(path).json(), client.get(f"{path}?personalised=false&page_size=2").json()
        assert (on["personalised"], off["personalised"]) == (True, False)
        assert off["how_ranked"].startswith("Not personalised") and off["results"]
        assert "personalised=false" in off["next"] and client.get(off["next"]).json()["personalised"] is False
        bad = client.get(f"{path}?personalised=maybe")
        assert bad.status_code == 400 and "personalised" in bad.json()["fields"]


def test_a_changed_choice_by_the_api_holds_for_the_next_request(town, api, anchor_user):
    client = api(anchor_user)
    held = client.get("/api/v1/anchors/me/")
    answer = client.patch(
        "/api/v1/anchors/me/", {"is_personalised": False}, format="json", HTTP_IF_MATCH=held["ETag"]
    )
    assert (answer.status_code, answer.json()["is_personalised"]) == (200, False)
    assert client.get("/api/v1/anchors/me/suggestions/").json()["personalised"] is False


def test_a_switched_off_list_asks_for_as_many_rows(town, stall, django_assert_max_num_queries):
    page_of(stall, personalised=False)
    with django_assert_max_num_queries(20) as small:
        page_of(again(stall), personalised=False)
    for _ in range(6):
        AnchorFactory.create(owner=UserFactory.create())
    page_of(stall, personalised=False)
    with django_assert_max_num_queries(20) as large:
        page_of(again(stall), personalised=False)
    assert len(small) == len(large)


def test_the_words_name_no_other_facts():
    with override("en"):
        text = str(HOW_RANKED[False])
    assert all(code in text for code in NEUTRAL_PARTS)
