"""The endpoints of merchants."""

from datetime import timedelta

import pytest

from accounts.models import Membership, Merchant
from matchmaker.core.weeks import town_today
from tests.api.bodies import merchant_body
from tests.factories import MerchantFactory, StallFactory, UserFactory, credit_code

ALL, MINE = "/api/v1/merchants/", "/api/v1/merchants/me/"
pytestmark = pytest.mark.django_db


def test_a_user_registers_a_merchant_and_owns_it(api, merchant_user):
    answer = api(merchant_user).post(ALL, merchant_body())

    assert answer.status_code == 201, answer.json()
    assert answer["ETag"] == '"v1"'
    body = answer.json()
    assert body["verification"] == "pending"
    assert body["verified_until"] is None
    assert body["contact_phone"] == "+8613800138000"
    merchant = Merchant.objects.get(public_id=body["id"])
    assert merchant.memberships.get().user == merchant_user
    first = merchant.history.get()
    assert (first.history_type, first.history_user) == ("+", merchant_user)
    assert api(merchant_user).get(answer["Location"]).json() == body


def test_anonymous_is_401(api):
    assert api(None).post(ALL, merchant_body()).status_code == 401
    assert api(None).get(MINE).status_code == 401
    assert api(None).patch(MINE, {"name": "x"}).status_code == 401


def test_a_phone_that_was_never_confirmed_registers_nothing(api):
    answer = api(UserFactory(phone_verified_at=None)).post(ALL, merchant_body())

    assert answer.status_code == 403
    assert answer.json()["code"] == "phone_not_verified"
    assert not Merchant.objects.exists()


def test_an_anchor_has_no_merchant(api, anchor_user, anchor):
    answer = api(anchor_user).get(MINE)

    assert (answer.status_code, answer.json()["code"]) == (404, "no_party")


def test_a_credit_code_is_registered_once(api, merchant_user, other_merchant_user):
    assert api(merchant_user).post(ALL, merchant_body()).status_code == 201
    answer = api(other_merchant_user).post(ALL, merchant_body())

    assert answer.status_code == 409
    assert answer.json()["code"] == "credit_code_taken"
    assert "credit_code" in answer.json()["fields"]
    assert Merchant.objects.count() == 1
    assert Membership.objects.count() == 1


def test_a_repeat_with_the_same_key_registers_once(api, merchant_user):
    client = api(merchant_user, HTTP_IDEMPOTENCY_KEY="k1")
    first, second = client.post(ALL, merchant_body()), client.post(ALL, merchant_body())

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert Merchant.objects.count() == 1


BAD = {
    "name": ["", "x" * 121, 7, None, "a\u0007b", "a\u202eb"],
    "credit_code": [
        credit_code(5)[:-1] + "0",
        "12345",
        "91440101O00000001M",
        credit_code(5).replace("4", "x", 1),
    ],
    "licence_expires_on": [
        "2020-02-30",
        "tomorrow",
        5,
        (town_today() - timedelta(days=1)).isoformat(),
        "2999-01-01",
    ],
    "contact_phone": ["123", 13800138000, "+861380013800012"],
    "is_personalised": ["yes", 1, None],
    "verification": ["verified"],
    "verified_until": ["2099-01-01"],
    "id": ["00000000-0000-0000-0000-000000000000"],
    "owner": [1],
}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, merchant_user, field, value, language):
    client = api(merchant_user, HTTP_ACCEPT_LANGUAGE=language)
    answer = client.post(ALL, merchant_body(**{field: value}))

    assert answer.status_code == 400
    assert answer["Content-Language"] == language
    assert list(answer.json()["fields"]) == [field]
    assert all(answer.json()["fields"][field])
    assert not Merchant.objects.exists()
    assert not Membership.objects.exists()


def test_the_right_check_character_is_told(api, merchant_user):
    answer = api(merchant_user).post(ALL, merchant_body(credit_code="91350100M000100Y4" + "7"))

    assert "should be 3, not 7" in answer.json()["fields"]["credit_code"][0]


def test_all_problems_are_told_at_once(api, merchant_user):
    answer = api(merchant_user).post(ALL, {"credit_code": "1", "licence_expires_on": "x", "nam": "n"})

    assert set(answer.json()["fields"]) == {"credit_code", "licence_expires_on", "nam", "name"}
    assert "name" in answer.json()["fields"]["nam"][0]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ('{"name": NaN}', ["name"]),
        ('{"name": [1, -1e999]}', ["name.1"]),
        ('{"name": "a", "name": "b"}', ["name"]),
        ('{"name": "a\\u0000b"}', ["name"]),
        ('{"name": "\\ud800"}', ["name"]),
        ("[]", ["body"]),
        ("{", ["body"]),
        ('"x"', ["body"]),
        ("[" * 100_000, ["body"]),
        ("[" * 900 + "]" * 900, ["body"]),
        (b"\xff\xfe", ["body"]),
    ],
)
def test_what_is_no_decent_json_is_400(api, merchant_user, body, fields):
    answer = api(merchant_user).post(ALL, body, content_type="application/json")

    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["fields"]) == fields
    assert not Merchant.objects.exists()


def test_ten_megabytes_are_413(api, merchant_user):
    body = '{"name": "' + "x" * 10_000_000 + '"}'
    answer = api(merchant_user).post(ALL, body, content_type="application/json")

    assert answer.status_code == 413
    assert not Merchant.objects.exists()


def test_an_edit_needs_the_current_etag(api, merchant_user, merchant):
    client = api(merchant_user)
    etag = client.get(MINE)["ETag"]

    assert client.patch(MINE, {"contact_name": "王"}).status_code == 428
    edited = client.patch(MINE, {"contact_name": "王"}, HTTP_IF_MATCH=etag)
    assert (edited.status_code, edited["ETag"]) == (200, '"v2"')
    assert client.patch(MINE, {"contact_name": "李"}, HTTP_IF_MATCH=etag).status_code == 412
    merchant.refresh_from_db()
    assert merchant.contact_name == "王"
    assert [row.contact_name for row in merchant.history.all()][0] == "王"


def test_an_edit_that_changes_nothing_keeps_the_version(api, merchant_user, merchant):
    answer = api(merchant_user).patch(MINE, {"contact_name": merchant.contact_name}, HTTP_IF_MATCH='"v1"')

    assert (answer.status_code, answer["ETag"]) == (200, '"v1"')


@pytest.mark.parametrize(
    "change", [{"name": "另一家公司"}, {"credit_code": credit_code(42)}, {"licence_expires_on": "2098-01-01"}]
)
def test_another_identity_is_verified_again(api, merchant_user, merchant, change, announced):
    stall = StallFactory(merchant=merchant)
    answer = api(merchant_user).patch(MINE, change, HTTP_IF_MATCH="*")

    assert answer.json()["verification"] == "pending"
    assert answer.json()["verified_until"] is None
    assert announced == [("stall", [stall.pk])]


def test_a_new_contact_needs_no_new_look(api, merchant_user, merchant, announced):
    answer = api(merchant_user).patch(MINE, {"contact_phone": "+85291234567"}, HTTP_IF_MATCH="*")

    assert answer.json()["verification"] == "verified"
    assert announced == []


def test_a_merchant_whose_licence_lapsed_can_still_be_edited(api, merchant_user):
    MerchantFactory(owner=merchant_user, licence_expires_on=town_today() - timedelta(days=3))

    assert api(merchant_user).patch(MINE, {"contact_name": "王"}, HTTP_IF_MATCH="*").status_code == 200


def test_queries(api, merchant_user, merchant, django_assert_max_num_queries):
    client = api(merchant_user)
    with django_assert_max_num_queries(4):
        client.get(MINE)
