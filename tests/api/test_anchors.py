"""The endpoints of anchors and their calendars."""

from datetime import date

import pytest

from accounts.models import Anchor
from matchmaker.core.weeks import town_today
from tests.api.bodies import anchor_body
from tests.factories import AnchorFactory, UserFactory, id_number

ALL, MINE, CALENDAR = "/api/v1/anchors/", "/api/v1/anchors/me/", "/api/v1/anchors/me/calendar/"
pytestmark = pytest.mark.django_db


def born(years: int, days: int = 0) -> str:
    """The birthday of somebody who was or will be `years` old `days` ago (negative: from now)."""
    today = town_today()
    return date.fromordinal(
        date(today.year - years, today.month, min(today.day, 28)).toordinal() - days
    ).isoformat()


def test_somebody_registers_as_an_anchor_and_matching_hears_of_it(api, anchor_user, announced):
    answer = api(anchor_user).post(ALL, anchor_body())

    assert answer.status_code == 201, answer.json()
    body = answer.json()
    anchor = Anchor.objects.get(public_id=body["id"])
    assert announced == [("anchor", [anchor.pk])]
    assert (body["followers"], body["average_viewers"]) == (150_000, 900)
    assert (body["region"], body["verification"]) == ("guangdong", "pending")
    assert anchor.memberships.get().user == anchor_user
    assert anchor.history.get().history_user == anchor_user
    assert api(anchor_user).get(answer["Location"]).json() == body


def test_of_an_id_number_only_a_keyed_hash_and_four_characters_are_kept(api, anchor_user):
    number = id_number(1)
    body = api(anchor_user).post(ALL, anchor_body(id_number=number)).json()
    anchor = Anchor.objects.get()

    assert (body["id_last4"], "id_number" in body) == (number[-4:], False)
    assert len(anchor.id_digest) == 64
    rows = (Anchor.objects.values().get(), anchor.history.values().get())
    assert not any(number in str(value) for row in rows for value in row.values())


def test_one_person_is_one_anchor(api, anchor_user, other_anchor_user):
    assert api(anchor_user).post(ALL, anchor_body(id_number=id_number(1))).status_code == 201
    answer = api(other_anchor_user).post(ALL, anchor_body(id_number=id_number(1)))

    assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")
    assert Anchor.objects.count() == 1


def test_an_agent_registers_several(api, anchor_user):
    client = api(anchor_user)

    assert [client.post(ALL, anchor_body()).status_code for _ in range(2)] == [201, 201]
    assert client.get(MINE).json()["code"] == "party_ambiguous"


def test_anonymous_and_others(api, merchant_user, merchant):
    for path in (ALL, MINE, CALENDAR):
        assert api(None).get(path).status_code == 401
    for path in (MINE, CALENDAR):
        assert api(merchant_user).get(path).json()["code"] == "no_party"
    answer = api(UserFactory(phone_verified_at=None)).post(ALL, anchor_body())
    assert answer.json()["code"] == "phone_not_verified"


def test_nobody_acts_for_a_strangers_anchor(api, anchor_user, anchor, other_anchor):
    client = api(anchor_user, HTTP_X_PARTY=str(other_anchor.public_id))

    assert client.get(MINE).status_code == 404
    assert client.patch(MINE, {"bio": "x"}, HTTP_IF_MATCH="*").status_code == 404
    assert client.put(CALENDAR, {"weekly": {}}, HTTP_IF_MATCH="*").status_code == 404
    other_anchor.refresh_from_db()
    assert other_anchor.version == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"birth_date": born(15)}, "birth_date"),
        ({"birth_date": born(16, -1)}, "birth_date"),
        ({"birth_date": born(16, -1), "guardian_consent_on": born(0)}, "birth_date"),
        ({"birth_date": born(17)}, "guardian_consent_on"),
        ({"birth_date": born(17), "guardian_consent_on": None}, "guardian_consent_on"),
        ({"birth_date": born(17), "guardian_consent_on": "2999-01-01"}, "guardian_consent_on"),
        ({"birth_date": "2999-01-01"}, "birth_date"),
        ({"birth_date": "1899-01-01"}, "birth_date"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_under_16_and_without_consent_nobody_registers(api, anchor_user, changes, field, language):
    answer = api(anchor_user, HTTP_ACCEPT_LANGUAGE=language).post(ALL, anchor_body(**changes))

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert not Anchor.objects.exists()


@pytest.mark.parametrize(
    "changes", [{"birth_date": born(18)}, {"birth_date": born(16), "guardian_consent_on": born(0)}]
)
def test_of_age_or_with_consent(api, anchor_user, changes):
    assert api(anchor_user).post(ALL, anchor_body(**changes)).status_code == 201


BAD = {
    "display_name": ["", "x" * 61],
    "id_number": [id_number(1)[:-1] + "?", id_number(1)[:-2] + "7" + id_number(1)[-1], "123"],
    "region": ["guangdon"],
    "platforms": [[], {}, [{"platform": "douyin"}], [{"platform": "tv", "followers": 1}], None,
                  [{"platform": "douyin", "followers": 5, "fans": 5}],
                  [{"platform": "douyin", "followers": -1}],
                  [{"platform": "douyin", "followers": 1}] * 2,
                  [{"platform": "douyin", "followers": 10, "average_viewers": 100_000}]],
    "followers": [1_000_000],
    "price_shares": [[1.0], [0.5] * 16, ["x"] * 16, [1.2, -0.2] + [0] * 14],
    "audience_age": [{"18_24": 0.5}],
    "commission_rate": [18, "nan"],
    "is_commission_floor": ["yes"],
    "moq_max": [0],
    "return_rate_max": [2],
    "legal_basis": ["consent"],
    "verification": ["verified"],
    "id_digest": ["0" * 64],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, anchor_user, field, value):
    answer = api(anchor_user).post(ALL, anchor_body(**{field: value}))

    assert answer.status_code == 400
    assert {name.split(".")[0] for name in answer.json()["fields"]} == {field}
    assert not Anchor.objects.exists()


def test_id_number_and_birth_date_are_of_one_person(api, anchor_user):
    answer = api(anchor_user).post(ALL, anchor_body(id_number=id_number(1, date(1990, 1, 1))))

    assert list(answer.json()["fields"]) == ["birth_date"]


def test_an_edit_needs_the_current_etag_and_is_heard_of(api, anchor_user, anchor, announced):
    client = api(anchor_user)

    assert client.patch(MINE, {"bio": "x"}).status_code == 428
    assert client.patch(MINE, {"bio": "x"}, HTTP_IF_MATCH='"v1"').status_code == 200
    assert client.patch(MINE, {"bio": "y"}, HTTP_IF_MATCH='"v1"').status_code == 412
    assert announced == [("anchor", [anchor.pk])]
    assert anchor.history.first().bio == "x"


def test_another_identity_is_verified_again(api, anchor_user, anchor):
    answer = api(anchor_user).patch(MINE, {"real_name": "王小明"}, HTTP_IF_MATCH="*")

    assert (answer.json()["verification"], answer.json()["verified_until"]) == ("pending", None)


def test_queries(api, anchor_user, anchor, django_assert_max_num_queries):
    client = api(anchor_user)
    client.get(MINE)
    with django_assert_max_num_queries(5):
        client.get(MINE)


def test_an_unclaimed_anchor_is_nobodys(api, anchor_user):
    AnchorFactory()

    assert api(anchor_user).get(MINE).status_code == 404
