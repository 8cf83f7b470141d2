"""Staff keep the town's holidays: hours as ranges, never as characters."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import Holiday, User
from matchmaker.core.weeks import town_today
from tests.admin.conftest import make_agreed
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/holiday/"
QUEUE = "/admin/matching/match/"


def form(**changes: Any) -> dict[str, Any]:
    day = town_today() + timedelta(days=40)
    return {"on": f"{day}", "name_zh": "国庆节", "name_en": "National Day", "open_hours": ""} | changes


def page(holiday: Holiday) -> str:
    return f"{LIST}{holiday.pk}/change/"


def packed(*hours: int) -> str:
    return "".join("1" if hour in hours else "0" for hour in range(24))


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        ("", packed()),
        ("09:00-12:00", packed(9, 10, 11)),
        ("9:00-10:00, 22:00-24:00", packed(9, 22, 23)),
        ("09:00 - 10:00 , 11:00–12:00", packed(9, 11)),
        ("09：00－10：00，11:00～12:00；13:00至14:00、15:00-16:00", packed(9, 11, 13, 15)),
        ("09:00-10:00 11:00-12:00", packed(9, 11)),
        ("00:00-24:00", "1" * 24),
    ],
)
def test_staff_add_a_holiday_with_its_hours_as_ranges(staff: Client, written: str, hours: str) -> None:
    assert staff.post(f"{LIST}add/", form(open_hours=written)).status_code == 302
    assert Holiday.objects.get().hours == hours


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"open_hours": "9-12"}, "Give whole hours such as"),
        ({"open_hours": "09:30-12:00"}, "Give whole hours such as"),
        ({"open_hours": "22:00-02:00"}, "Hours of a single date end at 24:00"),
        ({"open_hours": "25:00-26:00"}, "Hours go from 00:00 to 24:00"),
        ({"open_hours": "0" * 24}, "Give whole hours such as"),
        ({"open_hours": "09:00-10:00," * 25}, "at most 24 entries"),
        ({"open_hours": "x" * 401}, "at most 400 characters"),
        ({"on": "2199-01-01"}, "within two years of today"),
        ({"on": "2026-02-30"}, "Enter a valid date"),
        ({"name_zh": " "}, "This field is required"),
        ({"name_en": "a\u202eb"}, "invisible character U+202E"),
        ({"name_en": "a\nb"}, "invisible character U+000A"),
        ({"name_en": "x" * 81}, "at most 80 characters"),
    ],
)
def test_a_faulty_holiday_is_not_stored(staff: Client, fault: dict[str, str], told: str) -> None:
    response = staff.post(f"{LIST}add/", form(**fault))
    assert response.status_code == 200
    [errors] = response.context["adminform"].form.errors.values()
    assert told in str(errors[0])
    assert not Holiday.objects.exists()


def test_a_date_is_a_holiday_once(staff: Client) -> None:
    staff.post(f"{LIST}add/", form())
    assert staff.post(f"{LIST}add/", form()).status_code == 200
    assert Holiday.objects.count() == 1


def test_a_holiday_is_changed_and_taken_away(staff: Client) -> None:
    old = Holiday.objects.create(on="2020-10-01", name_zh="国庆节", name_en="Day", hours=packed(9, 10))
    html = staff.get(page(old)).content.decode()
    assert 'value="09:00-11:00"' in html and packed(9, 10) not in html
    # Its date is long ago and may stay.
    data = form(on="2020-10-01", name_en="National Day", open_hours="09:00-11:00")
    assert staff.post(page(old), data).status_code == 302
    old.refresh_from_db()
    assert (old.name_en, old.hours) == ("National Day", packed(9, 10))
    assert staff.post(f"{LIST}{old.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Holiday.objects.exists()


def test_who_may_only_look_changes_nothing(client_of: Any) -> None:
    row = Holiday.objects.create(on=town_today(), name_zh="国庆节", name_en="Day", hours=packed(9))
    assert client_of(UserFactory.create(is_staff=True)).get(LIST).status_code == 403
    viewer: User = UserFactory.create(is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_holiday"))
    client = client_of(viewer)
    assert "09–10" in client.get(page(row)).content.decode()
    for url in (f"{LIST}add/", page(row), f"{LIST}{row.pk}/delete/"):
        assert client.post(url, form(post="yes")).status_code == 403
    assert Holiday.objects.get().name_en == "Day"


def test_a_holiday_on_booked_hours_is_a_conflict_in_the_queue(staff: Client) -> None:
    match = make_agreed()
    assert "the stall is closed" not in staff.get(QUEUE).content.decode()
    on = match.bookings.get().session.starts_at.date()
    staff.post(f"{LIST}add/", form(on=f"{on}"))
    html = staff.get(QUEUE).content.decode()
    assert "the stall is closed" in html
    Holiday.objects.get().delete()
    assert "the stall is closed" not in staff.get(QUEUE).content.decode()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_pages_open_at_a_constant_price(
    client_of: Any, town_staff: User, language: str, django_assert_max_num_queries: Any
) -> None:
    client = client_of(town_staff, language)
    costs = []
    for first in (0, 10):
        for day in range(first, first + 5):
            on = town_today() + timedelta(days=day)
            Holiday.objects.create(on=on, name_zh="国庆节", name_en="National Day")
        client.get(LIST)
        with django_assert_max_num_queries(12) as captured:
            assert client.get(LIST).status_code == 200
        costs.append(len(captured))
    assert costs[0] == costs[1]
    with django_assert_max_num_queries(10):
        assert client.get(page(Holiday.objects.all()[0])).status_code == 200
