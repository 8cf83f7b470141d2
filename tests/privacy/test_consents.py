"""Consent by purpose: every answer stays on record, and taking one back acts at once."""

import pytest

from accounts.models import Consent
from accounts.services.anchors import update_anchor
from accounts.services.consents import TEXT_VERSION, TEXTS
from accounts.services.parties import update_merchant
from jobs.models import Job
from matching.models import Impression
from matching.services.impressions import Shown, record_impressions
from tests.matching.market import make_anchor, make_stall, make_user, member_of

pytestmark = pytest.mark.django_db
PATH = "/api/v1/accounts/me/consents/"


def answer(client, purpose, is_given, version=TEXT_VERSION):
    body = {"purpose": purpose, "is_given": is_given, "text_version": version}
    return client.put(PATH, body, format="json")


def given(response):
    return {row["purpose"]: row["is_given"] for row in response.json()}


def test_without_an_answer_everything_counts_and_texts_are_shown(api):
    rows = api(make_user()).get(PATH).json()
    assert [row["purpose"] for row in rows] == [purpose.value for purpose in TEXTS]
    assert all(row["is_given"] and row["text"] and row["answered_at"] is None for row in rows)
    assert {row["text_version"] for row in rows} == {TEXT_VERSION}
    chinese = api(make_user(), HTTP_ACCEPT_LANGUAGE="zh-Hans").get(PATH)
    assert chinese.status_code == 200


def test_personalisation_is_the_one_switch_of_every_own_party(api):
    user = make_user()
    anchor, stall = make_anchor(user), make_stall(user)
    client = api(user)
    assert given(answer(client, "personalisation", False))["personalisation"] is False
    anchor.refresh_from_db(), stall.merchant.refresh_from_db()
    assert not anchor.is_personalised and not stall.merchant.is_personalised
    assert Job.objects.filter(kind="matching.refresh_party").exists()
    # The switch on the profile is the same one.
    update_anchor(actor=user, anchor=anchor, data={"is_personalised": True})
    assert given(client.get(PATH))["personalisation"] is False
    update_merchant(actor=user, merchant=stall.merchant, data={"is_personalised": True})
    assert given(client.get(PATH))["personalisation"] is True


def test_of_who_takes_analytics_back_no_impression_is_kept(api):
    stall, anchor = make_stall(), make_anchor()
    user = member_of(stall)
    shown = [Shown(anchor.pk, 1, 5_000)]
    answer(api(user), "analytics", False)
    kept = record_impressions(actor=user, side="stall", subject=stall, list_id=None, shown=shown)
    assert kept == 0 and not Impression.objects.exists()
    answer(api(user), "analytics", True)
    assert record_impressions(actor=user, side="stall", subject=stall, list_id=None, shown=shown) == 1


def test_answers_are_only_added_and_a_repeat_adds_none(api):
    user = make_user()
    client = api(user)
    for is_given in (False, False, True):
        assert given(answer(client, "analytics", is_given))["analytics"] is is_given
    assert list(Consent.objects.order_by("pk").values_list("is_given", flat=True)) == [False, True]
    assert set(Consent.objects.values_list("text_version", flat=True)) == {TEXT_VERSION}
    assert client.get(PATH).json()[2]["answered_version"] == TEXT_VERSION


def test_the_service_itself_ends_by_erasure(api):
    response = answer(api(make_user()), "service", False)
    assert (response.status_code, response.json()["code"]) == (409, "erase_instead")
    assert not Consent.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"purpose": "selling", "is_given": True, "text_version": TEXT_VERSION}, "purpose"),
        ({"purpose": "analytics", "is_given": True, "text_version": "1999"}, "text_version"),
        ({"purpose": "analytics", "is_given": "?", "text_version": TEXT_VERSION}, "is_given"),
        ({"purpose": "analytics", "is_given": True, "text_version": TEXT_VERSION, "user": 1}, "user"),
    ],
)
def test_bad_answers_name_the_field(api, body, field):
    response = api(make_user()).put(PATH, body, format="json")
    assert response.status_code == 400 and field in response.json()["fields"]
    assert not Consent.objects.exists()


def test_one_person_s_answer_is_not_another_s(api, django_assert_max_num_queries):
    user = make_user()
    answer(api(user), "analytics", False)
    client = api(make_user())
    with django_assert_max_num_queries(4):
        assert given(client.get(PATH))["analytics"] is True
    assert api(None).get(PATH).status_code == 401
