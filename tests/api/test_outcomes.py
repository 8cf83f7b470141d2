"""bookings/…/outcome/: record, correct, confirm, dispute, settle, by everybody who may and who may not."""

import json
import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from matching.models import Outcome, OutcomeEvent
from matching.services.outcomes import record_outcome
from tests.factories import AnchorFactory, UserFactory
from tests.matching.held import BETTER, FIGURES, bookings_in, held, settler
from tests.matching.market import agreed, session

pytestmark = pytest.mark.django_db


@pytest.fixture
def match(stall, anchor):
    return held(stall, anchor, session(0), session(2))


@pytest.fixture
def booking(match):
    return bookings_in(match)[0]


def url_of(booking, move=""):
    return f"/api/v1/bookings/{booking.public_id}/outcome/{move}"


@pytest.fixture
def recorded(booking, merchant_user):
    return record_outcome(actor=merchant_user, booking=booking, figures=FIGURES)


# --- recording -------------------------------------------------------------------------------------


def test_a_side_records_what_its_session_brought(api, merchant_user, anchor_user, booking):
    client = api(merchant_user)
    empty = client.get(url_of(booking))
    assert empty.status_code == 200 and "ETag" not in empty
    body = empty.json()
    assert (body["status"], body["figures"], body["metrics"], body["events"]) == (None, None, None, [])
    assert body["allowed_actions"] == ["record"]
    answer = client.put(url_of(booking), FIGURES | {"note": "From the platform"})
    assert answer.status_code == 201, answer.json()
    assert (answer["Location"], answer["ETag"]) == (url_of(booking), '"v1"')
    body = answer.json()
    assert body["figures"] == FIGURES
    assert body["metrics"] == {
        "orders_shipped": 90, "net_gmv_cents": 720_000, "gpm_cents": 166_667, "uv_value_cents": 333,
        "average_order_value_cents": 12_500, "conversion_rate": "0.0267", "return_rate": "0.2000",
        "cancelled_before_shipping_rate": "0.1000", "fulfilment_rate": "0.5000",
    }  # fmt: skip
    assert (body["status"], body["recorded_as"], body["allowed_actions"]) == (
        "recorded",
        "stall",
        ["correct"],
    )
    assert [(event["action"], event["note"]) for event in body["events"]] == [("record", "From the platform")]
    other = api(anchor_user).get(url_of(booking)).json()
    assert other["allowed_actions"] == ["confirm", "dispute"] and other["figures"] == FIGURES


def test_what_is_left_out_is_nothing(api, anchor_user, booking):
    needed = {name: FIGURES[name] for name in ("gmv_cents", "orders", "buyers", "views", "viewers")}
    answer = api(anchor_user).put(url_of(booking), needed | {"duration_seconds": 60})
    assert answer.status_code == 201 and answer.json()["figures"]["orders_returned"] == 0
    assert answer.json()["recorded_as"] == "anchor"


def test_only_its_recorder_corrects_it_and_only_what_was_read(
    api, merchant_user, anchor_user, booking, recorded
):
    client = api(merchant_user)
    assert client.put(url_of(booking), BETTER).status_code == 428
    assert client.put(url_of(booking), BETTER, HTTP_IF_MATCH='"v9"').status_code == 412
    answer = client.put(url_of(booking), BETTER, HTTP_IF_MATCH='"v1"')
    assert (answer.status_code, answer["ETag"], answer.json()["figures"]) == (200, '"v2"', BETTER)
    assert client.put(url_of(booking), BETTER, HTTP_IF_MATCH='"v1"').status_code == 412, (
        "a repeat is harmless"
    )
    other = api(anchor_user).put(url_of(booking), FIGURES, HTTP_IF_MATCH='"v2"')
    assert (other.status_code, other.json()["code"]) == (409, "not_awaited")
    assert other.json()["status_now"] == "recorded"
    assert OutcomeEvent.objects.count() == 2


def test_what_was_never_recorded_is_not_corrected(api, merchant_user, booking):
    assert api(merchant_user).put(url_of(booking), FIGURES, HTTP_IF_MATCH='"v1"').status_code == 412
    assert not Outcome.objects.exists()


def test_strangers_find_nothing_and_staff_do_not_speak_for_a_side(
    api, other_merchant_user, other_anchor_user, staff_user, booking
):
    for user in (other_merchant_user, other_anchor_user):
        for method, move in (("get", ""), ("put", ""), ("post", "confirm/"), ("post", "settle/")):
            assert getattr(api(user), method)(url_of(booking, move), FIGURES).status_code == 404
    assert api(None).put(url_of(booking), FIGURES).status_code == 401
    for method, move in (("put", ""), ("post", "confirm/"), ("post", "dispute/"), ("post", "settle/")):
        assert getattr(api(staff_user), method)(url_of(booking, move), {"bad": 1}).status_code == 403
    assert api(staff_user).get(url_of(booking)).json()["allowed_actions"] == []
    assert api(staff_user).get(f"/api/v1/bookings/{uuid.uuid4()}/outcome/").status_code == 404
    assert not Outcome.objects.exists()


def test_a_session_to_come_has_no_outcome(api, merchant_user, other_stall, anchor, stall):
    booking = bookings_in(agreed(stall, AnchorFactory.create(owner=UserFactory.create()), session(4)))[0]
    answer = api(merchant_user).put(url_of(booking), FIGURES)
    assert (answer.status_code, answer.json()["code"]) == (409, "match_not_approved")
    assert answer.json()["match_status_now"] == "agreed"
    assert api(merchant_user).get(url_of(booking)).json()["allowed_actions"] == []


@pytest.mark.parametrize(
    "field", ["status", "recorded_as", "recorded_by", "version", "booking", "net_gmv_cents", "id"]
)
def test_nobody_sets_what_is_not_theirs_to_set(api, merchant_user, anchor_user, booking, field):
    answer = api(merchant_user).put(url_of(booking), FIGURES | {field: "confirmed"})
    assert answer.status_code == 400 and list(answer.json()["fields"]) == [field]
    assert not Outcome.objects.exists()
    record_outcome(actor=merchant_user, booking=booking, figures=FIGURES)
    for move, more in (("confirm/", {}), ("dispute/", {"reason_code": "dispute_other"})):
        answer = api(anchor_user).post(url_of(booking, move), {field: "settled"} | more)
        assert answer.status_code == 400 and list(answer.json()["fields"]) == [field]
    answer = api(settler()).post(url_of(booking, "settle/"), {field: "stall"})
    assert answer.status_code == 400 and list(answer.json()["fields"]) == [field]
    assert Outcome.objects.get().status == "recorded"


def test_impossible_figures_are_named_with_what_can_be(api, merchant_user, booking):
    answer = api(merchant_user).put(url_of(booking), FIGURES | {"viewers": 6_001, "orders_returned": 91})
    assert (answer.status_code, answer.json()["code"]) == (400, "impossible_figures")
    fields = answer.json()["fields"]
    assert sorted(fields) == ["orders_returned", "viewers"]
    assert fields["viewers"] == ["Every viewer is at least one view: give at most 6000, the views."]
    assert not Outcome.objects.exists()


HOSTILE = [
    "1e400",
    "-1",
    "1180591620717411303424",
    '"12"',
    '"１２"',
    "true",
    "NaN",
    "1.5",
    "1.0",
    "null",
    "[]",
]


@pytest.mark.parametrize("raw", HOSTILE)
def test_what_is_no_figure_is_named(api, merchant_user, booking, raw):
    client = api(merchant_user)
    client.raise_request_exception = False
    for name in FIGURES:
        body = json.dumps(FIGURES | {name: "HERE"}).replace('"HERE"', raw)
        answer = client.put(url_of(booking), body, content_type="application/json")
        assert answer.status_code == 400 and list(answer.json()["fields"]) == [name], answer.content
    assert not Outcome.objects.exists()


# --- what the other side says ----------------------------------------------------------------------


def test_the_other_side_confirms(api, merchant_user, anchor_user, booking, recorded):
    assert api(merchant_user).post(url_of(booking, "confirm/")).status_code == 409
    client = api(anchor_user)
    first = client.post(url_of(booking, "confirm/"), HTTP_IDEMPOTENCY_KEY="k", HTTP_IF_MATCH='"v1"')
    assert (first.status_code, first.json()["status"], first["ETag"]) == (200, "confirmed", '"v2"')
    assert first.json()["allowed_actions"] == [] and first.json()["recorded_as"] == "stall"
    again = client.post(url_of(booking, "confirm/"), HTTP_IDEMPOTENCY_KEY="k", HTTP_IF_MATCH='"v1"')
    assert again.json() == first.json() and again["ETag"] == '"v2"'
    late = client.post(url_of(booking, "dispute/"), {"reason_code": "dispute_sales"})
    assert (late.status_code, late.json()["status_now"]) == (409, "confirmed")
    assert OutcomeEvent.objects.count() == 2


def test_what_was_corrected_meanwhile_is_not_confirmed(api, merchant_user, anchor_user, booking, recorded):
    api(merchant_user).put(url_of(booking), BETTER, HTTP_IF_MATCH='"v1"')
    assert api(anchor_user).post(url_of(booking, "confirm/"), HTTP_IF_MATCH='"v1"').status_code == 412
    assert Outcome.objects.get().status == "recorded"


def test_a_dispute_gives_its_reason_and_staff_settle_it(api, merchant_user, anchor_user, booking, recorded):
    client = api(anchor_user)
    for code in ("", "cancel_other", "x" * 99, None, 5):
        answer = client.post(url_of(booking, "dispute/"), {"reason_code": code})
        assert answer.status_code == 400 and list(answer.json()["fields"]) == ["reason_code"], code
    answer = client.post(url_of(booking, "dispute/"), {"reason_code": "dispute_sales", "note": "Too much"})
    assert (answer.status_code, answer.json()["status"]) == (200, "disputed")
    assert api(merchant_user).get(url_of(booking)).json()["allowed_actions"] == ["correct"]
    staff = api(settler())
    assert staff.get(url_of(booking)).json()["allowed_actions"] == ["settle"]
    part = staff.post(url_of(booking, "settle/"), {"gmv_cents": 5})
    assert part.status_code == 400 and "orders" in part.json()["fields"]
    answer = staff.post(url_of(booking, "settle/"), BETTER | {"note": "Receipts seen"})
    body = answer.json()
    assert (answer.status_code, body["status"], body["recorded_as"]) == (200, "settled", "staff")
    assert body["figures"] == BETTER and body["events"][-1]["note"] == "Receipts seen"
    events = client.get(url_of(booking)).json()["events"]
    assert [event["note"] for event in events] == ["", "Too much", ""], "notes of staff are for staff"
    assert [event["reason_code"] for event in events] == ["", "dispute_sales", ""]
    assert staff.post(url_of(booking, "settle/")).status_code == 409


def test_staff_record_where_nobody_did(api, booking):
    staff = api(settler())
    assert staff.post(url_of(booking, "settle/")).status_code == 400
    answer = staff.post(url_of(booking, "settle/"), FIGURES)
    assert (answer.status_code, answer.json()["recorded_as"]) == (200, "staff")


# --- where else it shows ---------------------------------------------------------------------------


def test_a_match_shows_what_is_said_of_each_booking(api, merchant_user, match, recorded, monkeypatch):
    client, url = api(merchant_user), f"/api/v1/matches/{match.public_id}/"
    body = client.get(url).json()
    assert [booking["outcome"] for booking in body["bookings"]] == ["recorded", None]
    record_outcome(actor=merchant_user, booking=bookings_in(match)[1], figures=FIGURES)
    body = client.get(url).json()
    assert body["status"] == "completed"
    assert [booking["outcome"] for booking in body["bookings"]] == ["recorded", "recorded"]


def cost(client, url):
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_reading_costs_the_same_for_one_booking_and_for_many(api, merchant_user, stall):
    client = api(merchant_user)
    few = held(stall, AnchorFactory.create(owner=UserFactory.create()), session(0))
    many = held(
        stall, AnchorFactory.create(owner=UserFactory.create(), weekly_capacity=9), session(1), session(2)
    )
    for match in (few, many):
        for booking in bookings_in(match):
            record_outcome(actor=merchant_user, booking=booking, figures=FIGURES)
    matches = [f"/api/v1/matches/{match.public_id}/" for match in (few, many)]
    assert cost(client, matches[0]) == cost(client, matches[1])
    assert cost(client, url_of(bookings_in(many)[0])) <= 10


def test_due_lists_what_is_to_be_told(api, merchant_user, anchor_user, other_merchant_user, match, recorded):
    for user in (merchant_user, anchor_user):
        answer = api(user).get("/api/v1/outcomes/due/")
        assert [row["booking"] for row in answer.json()["results"]] == [str(bookings_in(match)[1].public_id)]
    row = answer.json()["results"][0]
    assert (row["stall"], row["anchor"]) == (match.stall.name, match.anchor.display_name)
    assert row["match"] == str(match.public_id)
    assert api(other_merchant_user).get("/api/v1/outcomes/due/").json()["results"] == []
    assert api(merchant_user).get("/api/v1/outcomes/due/?status=x").status_code == 400


def test_due_costs_the_same_for_any_number(api, merchant_user, match):
    client = api(merchant_user)
    one = cost(client, "/api/v1/outcomes/due/")
    held(match.stall, AnchorFactory.create(owner=UserFactory.create()), session(5))
    assert cost(client, "/api/v1/outcomes/due/") == one <= 8
