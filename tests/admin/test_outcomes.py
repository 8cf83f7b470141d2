"""Outcomes in the admin: disputes first, the page of one, settling by form, by action and by file."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from matching.models import Booking, Match, Outcome
from matching.services.outcomes import dispute_outcome, record_outcome
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory
from tests.matching.held import BETTER, FIGURES, bookings_in, held
from tests.matching.market import member_of, session

pytestmark = pytest.mark.django_db
LIST = "/admin/matching/outcome/"


def make_booking(number: int = 0) -> Booking:
    stall = StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()))
    anchor = AnchorFactory.create(owner=UserFactory.create())
    return bookings_in(held(stall, anchor, session(day=number % 7)))[0]


def make_outcome(number: int = 0, *, is_disputed: bool = False) -> Outcome:
    booking = make_booking(number)
    match = booking.match
    outcome = record_outcome(actor=member_of(match.stall), booking=booking, figures=FIGURES)
    if is_disputed:
        actor = member_of(match.anchor)
        outcome = dispute_outcome(
            actor=actor, booking=booking, reason_code="dispute_sales", note="Platform says ¥12,000"
        )
    return outcome


def settle_page(booking: Booking) -> str:
    return f"{LIST}booking/{booking.pk}/"


def test_disputes_come_first_and_lists_cost_the_same(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    disputed = make_outcome(0, is_disputed=True)
    make_outcome(1)
    costs = []
    for more in (0, 3):
        for number in range(more):
            make_outcome(number + 2)
        staff.get(LIST)
        with django_assert_max_num_queries(20) as captured:
            response = staff.get(LIST)
        costs.append(len(captured))
    assert costs[0] == costs[1]
    rows = list(response.context["cl"].result_list)
    assert rows[0] == disputed and len(rows) == 5
    html = response.content.decode()
    assert "¥10,000" in html and "¥7,200" in html and "2.7%" in html and "20%" in html
    tile = " ".join(staff.get("/admin/").content.decode().split())
    assert "<strong>1</strong> <span>disputed outcomes</span>" in tile
    only = staff.get(LIST, {"status__exact": "disputed"}).context["cl"].result_list
    assert list(only) == [disputed]


def test_the_page_of_one_tells_all(staff: Client, django_assert_max_num_queries: Any) -> None:
    outcome = make_outcome(is_disputed=True)
    page = f"{LIST}{outcome.pk}/change/"
    staff.get(page)
    with django_assert_max_num_queries(12):
        html = " ".join(staff.get(page).content.decode().split())
    for text in (
        "¥1,666.67",
        "Sales differ",
        "Platform says ¥12,000",
        "Settle …",
        "<dt>net GMV</dt><dd>¥7,200</dd>",
    ):
        assert text in html, text
    assert staff.post(page, {"status": "settled"}).status_code == 403
    assert staff.get(f"{LIST}0/change/").status_code == 404


def typed(figures: dict[str, int]) -> dict[str, Any]:
    """Figures as staff type them: yuan, hours and minutes."""
    return {
        name: value / 100 if name.endswith("_cents") else str(timedelta(seconds=value))
        if name.endswith("_seconds")
        else value
        for name, value in figures.items()
    }  # fmt: skip


def test_staff_settle_a_dispute_with_figures_of_their_own(staff: Client, town_staff: User) -> None:
    outcome = make_outcome(is_disputed=True)
    page = settle_page(outcome.booking)
    html = staff.get(page).content.decode()
    assert 'name="gmv_cents" value="10000.00"' in html and 'value="02:00:00"' in html, "as people write them"
    data = {**typed(BETTER), "version": outcome.version, "note": "Receipts seen"}
    wrong = staff.post(page, data | {"viewers": 9_999})
    assert wrong.status_code == 200 and "at most 6000, the views" in wrong.content.decode()
    assert staff.post(page, data | {"orders": 2**70}).status_code == 200
    assert staff.post(page, data | {"version": 1}).status_code == 200, "somebody changed it meanwhile"
    outcome.refresh_from_db()
    assert outcome.status == "disputed"
    assert staff.post(page, data)["Location"] == f"{LIST}{outcome.pk}/change/"
    outcome.refresh_from_db()
    assert (outcome.status, outcome.recorded_as, outcome.recorded_by) == ("settled", "staff", town_staff)
    assert outcome.gmv_cents == 1_200_000
    html = staff.get(f"{LIST}{outcome.pk}/change/").content.decode()
    assert "GMV: ¥10,000 → ¥12,000" in html and "Receipts seen" in html and "Settle …" not in html
    again = staff.post(page, data | {"version": outcome.version})
    assert again.status_code == 200 and "The current state does not allow this." in again.content.decode()


def test_staff_record_from_the_page_of_a_booking(staff: Client) -> None:
    booking = make_booking()
    own_page = f"/admin/matching/booking/{booking.pk}/change/"
    assert settle_page(booking) in staff.get(own_page).content.decode()
    assert staff.post(settle_page(booking), {**typed(FIGURES), "note": ""}).status_code == 302
    assert Match.objects.get().status == "completed"
    outcome = Outcome.objects.get()
    assert {name: getattr(outcome, name) for name in FIGURES} == FIGURES
    assert (
        f"{LIST}{outcome.pk}/change/"
        in staff.get(f"/admin/matching/booking/{booking.pk}/change/").content.decode()
    )


def test_many_are_settled_as_they_were_recorded(staff: Client) -> None:
    outcomes = [make_outcome(0, is_disputed=True), make_outcome(1)]
    data = {"action": "settle", "_selected_action": [outcome.pk for outcome in outcomes]}
    asked = staff.post(LIST, data)
    assert "buyers: 80" in asked.content.decode() and not Outcome.objects.filter(status="settled").exists()
    staff.post(LIST, data | {"confirmed": "1", "note": "As told"})
    assert set(Outcome.objects.values_list("status", "recorded_as")) == {("settled", "stall")}


def test_a_file_is_taken_whole_or_not_at_all(staff: Client) -> None:
    bookings = [make_booking(number) for number in range(2)]
    header = "booking,gmv,orders,buyers,views,viewers,duration(minutes)"
    rows = [f"{booking.public_id},100,5,4,90,80,60" for booking in bookings]

    def send(*lines: str) -> Any:
        upload = SimpleUploadedFile("o.csv", "\n".join((header, *lines)).encode())
        return staff.post(f"{LIST}import/", {"file": upload})

    refused = send(rows[0], rows[1].replace(",80,", ",99,"))
    assert refused.status_code == 200 and "rows.3.viewers" in refused.content.decode()
    assert not Outcome.objects.exists()
    assert send(*rows)["Location"] == LIST
    assert set(Outcome.objects.values_list("status", "gmv_cents")) == {("settled", 10_000)}
    assert staff.post(f"{LIST}import/", {}).status_code == 200


def test_an_export_has_figures_and_what_follows(staff: Client) -> None:
    make_outcome()
    text = staff.get(f"{LIST}export/").content.decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["GMV"], row["net GMV"], row["orders"], row["return rate"]) == (
        "10000.00", "7200.00", "100", "0.2000",
    )  # fmt: skip
    assert row["state"] == "waiting for confirmation" and row["duration"] == "7200"


def test_without_the_permission_nothing_is_settled(client_of: Any, staff_user: User) -> None:
    booking = make_booking()
    for user in (staff_user, UserFactory.create()):
        client = client_of(user)
        for page in (settle_page(booking), f"{LIST}import/", LIST):
            assert client.post(page, FIGURES).status_code in (302, 403)
    assert not Outcome.objects.exists()
    assert (
        client_of(UserFactory.create(is_staff=True, is_superuser=True)).get(f"{LIST}booking/0/").status_code
        == 404
    )
