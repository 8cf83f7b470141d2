"""The endpoints of stalls."""

import uuid

import pytest
from django.db import IntegrityError

from accounts.models import Stall
from tests.api.bodies import stall_body
from tests.factories import MerchantFactory, StallFactory

ALL = "/api/v1/stalls/"
pytestmark = pytest.mark.django_db


def one(stall: Stall) -> str:
    return f"{ALL}{stall.public_id}/"


def test_a_merchant_registers_a_stall_and_matching_hears_of_it(api, merchant_user, merchant, announced):
    answer = api(merchant_user).post(ALL, stall_body())

    assert answer.status_code == 201, answer.json()
    body = answer.json()
    stall = Stall.objects.get(public_id=body["id"])
    assert announced == [("stall", [stall.pk])]
    assert stall.merchant == merchant
    assert (stall.zone.code, stall.floor, stall.number) == ("a", 2, "A12")
    assert stall.history.get().history_user == merchant_user
    assert (body["commission_rate"], body["return_rate"]) == ("0.2000", "0.3500")
    # Past midnight goes on the next morning.
    assert body["availability"]["mon"] == ["09:00-12:00", "20:00-24:00"]
    assert body["availability"]["tue"] == ["00:00-02:00"]
    assert api(merchant_user).get(answer["Location"]).json() == body


def test_what_was_read_can_be_sent_back(api, merchant_user, merchant):
    client = api(merchant_user)
    body = client.post(ALL, stall_body()).json()
    read_only = ("id", "merchant", "archived_at", "created_at", "updated_at")
    sent = {name: value for name, value in body.items() if name not in read_only}
    answer = client.patch(f"{ALL}{body['id']}/", sent, HTTP_IF_MATCH='"v1"')

    assert (answer.status_code, answer["ETag"]) == (200, '"v1"'), answer.json()


def test_anonymous_is_401(api, stall):
    client = api(None)
    for call in (client.get, client.post):
        assert call(ALL).status_code == 401
    for call in (client.get, client.patch, client.delete):
        assert call(one(stall)).status_code == 401


def test_who_has_no_merchant_registers_no_stall(api, anchor_user, anchor):
    answer = api(anchor_user).post(ALL, stall_body())

    assert (answer.status_code, answer.json()["code"]) == (404, "no_party")
    assert not Stall.objects.exists()


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_a_stranger_gets_404(api, other_merchant_user, anchor_user, staff_user, other_stall, stall, method):
    for user in (other_merchant_user, anchor_user, staff_user):
        answer = getattr(api(user), method)(one(stall), HTTP_IF_MATCH="*")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_stall")
    stall.refresh_from_db()
    assert (stall.archived_at, stall.version) == (None, 1)


def test_an_id_that_is_none_is_404(api, merchant_user, stall):
    assert api(merchant_user).get(f"{ALL}{uuid.uuid4()}/").status_code == 404
    assert api(merchant_user).get(f"{ALL}{stall.pk}/").status_code == 404


def test_the_list_holds_own_open_stalls_in_pages(api, merchant_user, merchant, other_stall):
    stalls = StallFactory.create_batch(25, merchant=merchant)
    client = api(merchant_user)
    client.delete(one(stalls[0]), HTTP_IF_MATCH="*")
    first = client.get(ALL).json()
    second = client.get(first["next"]).json()

    ids = [row["id"] for row in first["results"] + second["results"]]
    assert len(first["results"]) == 20
    assert second["next"] is None
    assert ids == [str(stall.public_id) for stall in reversed(stalls[1:])]


def test_of_several_merchants_one_is_named(api, merchant_user, merchant):
    second = MerchantFactory(owner=merchant_user)
    client = api(merchant_user)

    assert client.post(ALL, stall_body()).json()["code"] == "party_ambiguous"
    answer = client.post(ALL, stall_body(), HTTP_X_PARTY=str(second.public_id))
    assert answer.json()["merchant"] == str(second.public_id)


@pytest.mark.parametrize("number", ["A12", " a12", "Ａ１２", "A 12"])
def test_a_place_is_taken_once_however_it_is_spelt(api, merchant_user, merchant, other_merchant_user, number):
    MerchantFactory(owner=other_merchant_user)
    assert api(merchant_user).post(ALL, stall_body()).status_code == 201
    answer = api(other_merchant_user).post(ALL, stall_body(number=number))

    assert (answer.status_code, answer.json()["code"]) == (409, "place_taken")
    assert "number" in answer.json()["fields"]
    assert Stall.objects.count() == 1


def test_the_database_itself_keeps_places_apart(stall):
    with pytest.raises(IntegrityError):
        StallFactory(zone=stall.zone, floor=stall.floor, number=stall.number)


def test_an_edit_needs_the_current_etag_and_is_heard_of(api, merchant_user, stall, announced):
    client = api(merchant_user)

    assert client.patch(one(stall), {"moq": 9}).status_code == 428
    edited = client.patch(one(stall), {"moq": 9}, HTTP_IF_MATCH='"v1"')
    assert (edited.status_code, edited["ETag"], edited.json()["moq"]) == (200, '"v2"', 9)
    assert client.patch(one(stall), {"moq": 10}, HTTP_IF_MATCH='"v1"').status_code == 412
    assert announced == [("stall", [stall.pk])]
    stall.refresh_from_db()
    last = stall.history.first()
    assert (stall.moq, last.moq, last.history_type, last.history_user) == (9, 9, "~", merchant_user)


def test_an_edit_whose_answer_was_lost_is_repeated_by_its_key(api, merchant_user, stall, announced):
    client, key = api(merchant_user), {"HTTP_IDEMPOTENCY_KEY": "edit-1"}
    sent = {"HTTP_IF_MATCH": f'"v{stall.version}"', **key}
    first = client.patch(one(stall), {"moq": 7}, **sent)
    again = client.patch(one(stall), {"moq": 7}, **sent)

    assert (first.status_code, again.status_code) == (200, 200), again.json()
    assert (again.json(), again["ETag"], again["Idempotency-Replayed"]) == (
        first.json(),
        first["ETag"],
        "true",
    )
    assert len(announced) == 1
    other = client.patch(one(stall), {"moq": 8}, **sent)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    # Without the key, who is late is told so.
    assert client.patch(one(stall), {"moq": 7}, HTTP_IF_MATCH=sent["HTTP_IF_MATCH"]).status_code == 412


def test_an_edit_is_checked_against_what_is_stored(api, merchant_user, stall):
    answer = api(merchant_user).patch(one(stall), {"price_min_cents": 99_999}, HTTP_IF_MATCH="*")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["price_min_cents"]


def test_archiving_frees_the_place_and_repeats_harmlessly(api, merchant_user, stall, announced):
    client = api(merchant_user)

    assert client.delete(one(stall)).status_code == 428
    assert client.delete(one(stall), HTTP_IF_MATCH='"v7"').status_code == 412
    for _ in range(2):
        assert client.delete(one(stall), HTTP_IF_MATCH='"v1"').status_code == 204
    assert announced == [("stall", [stall.pk])]
    assert client.get(one(stall)).json()["archived_at"]
    assert client.get(ALL).json()["results"] == []
    place = {"zone": stall.zone.code, "floor": stall.floor, "number": stall.number}
    assert client.post(ALL, stall_body(**place)).status_code == 201


def test_an_archived_stall_cannot_be_edited(api, merchant_user, stall):
    client = api(merchant_user)
    client.delete(one(stall), HTTP_IF_MATCH="*")
    answer = client.patch(one(stall), {"moq": 9}, HTTP_IF_MATCH="*")

    assert (answer.status_code, answer.json()["code"]) == (409, "archived")


BAD = {
    "name": ["", "x" * 121, None],
    "zone": ["", "zone-a", 1, None],
    "floor": [2.5, "2", True, -6, 100],
    "number": ["", "x" * 17, 12],
    "categories": [[], "dress", ["dres"], [1], None],
    "styles": [["nope"], ["commuter"] * 11],
    "price_min_cents": [0, -1, 13_000, 59.5, 10**30],
    "price_max_cents": [100_000_001],
    "moq": [0, "5"],
    "restock_days": [-1, 366],
    "return_rate": [1.2, -0.1, "NaN", "Infinity", 0.12345, "x", True],
    "commission_rate": [20, None, "20%", "1e999"],
    "cooperation_modes": [[], ["live"]],
    "platforms": [["tiktok"]],
    "languages": [["klingon"]],
    "audience_gender": [{"female": 0.9, "male": 0.3}, {"girls": 1}, [0.5, 0.5]],
    "availability": [{"monday": []}, {"mon": "9-12"}, "always"],
    "hosts_at_once": [0, 51],
    "streaming_permit": ["yes", None],
    "weekly_capacity": [-1],
    "merchant": ["00000000-0000-0000-0000-000000000000"],
    "archived_at": [None],
    "score": [99],
}


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize(
    ("field", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, merchant_user, merchant, field, value, language):
    answer = api(merchant_user, HTTP_ACCEPT_LANGUAGE=language).post(
        ALL, stall_body(**{field: value}), format="json"
    )

    assert answer.status_code == 400
    assert [name.split(".")[0] for name in answer.json()["fields"]] == [field]
    assert not Stall.objects.exists()


@pytest.mark.parametrize(
    ("change", "field", "hint"),
    [
        ({"commission_rate": 20}, "commission_rate", "for 20 % write 0.2"),
        ({"audience_age": {"18_24": 0.6, "25_34": 0.6}}, "audience_age", "sum to 1; they sum to 1.2"),
        ({"price_min_cents": 20_000}, "price_min_cents", "other way round"),
        ({"categories": ["连衣裙"]}, "categories", "perhaps dress"),
        ({"categories": ["dres"]}, "categories", "perhaps dress"),
        ({"return_rate": 0.12345}, "return_rate", "four decimals, such as 0.1234"),
        ({"availability": {"mon": ["9:30-12:00"]}}, "availability.mon", "09:00-12:00"),
        ({"audience_gender": {"female": 1.2}}, "audience_gender.female", "from 0 to 1"),
    ],
)
def test_the_message_says_what_would_be_right(api, merchant_user, merchant, change, field, hint):
    answer = api(merchant_user).post(ALL, stall_body(**change))

    assert hint in answer.json()["fields"][field][0]


def test_a_repeat_with_the_same_key_registers_once(api, merchant_user, merchant):
    client = api(merchant_user, HTTP_IDEMPOTENCY_KEY="k1")
    first, second = client.post(ALL, stall_body()), client.post(ALL, stall_body())

    assert first.json() == second.json()
    assert second["ETag"] == '"v1"'
    assert client.post(ALL, stall_body(moq=6)).status_code == 422
    assert Stall.objects.count() == 1


def test_queries(api, merchant_user, merchant, django_assert_max_num_queries):
    StallFactory.create_batch(12, merchant=merchant)
    client = api(merchant_user)
    client.get(ALL)  # reference data
    with django_assert_max_num_queries(4):
        assert len(client.get(ALL).json()["results"]) == 12
