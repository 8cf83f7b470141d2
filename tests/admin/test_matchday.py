"""Match days in the admin: begun, wished, solved, released; who may, and what a page costs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from jobs.models import Job
from jobs.tasks import run_job
from matching.models import Match, MatchDay, MatchDayPair
from matching.services import matchdays
from matching.services.matchdays.moving import Settings, next_week
from tests.admin.conftest import fit_engine
from tests.factories import AnchorFactory, MerchantFactory, StallFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/matching/matchday/"


def furnish(pairs: int) -> None:
    """So many stalls and anchors that fit each other, and an engine that has run."""
    for _ in range(pairs):
        StallFactory.create(merchant=MerchantFactory.create(owner=UserFactory.create()), weekly_capacity=1)
        AnchorFactory.create(owner=UserFactory.create(), weekly_capacity=1)
    fit_engine()


def make_day(user: User, **fields: Any) -> MatchDay:
    week = next_week() + timedelta(weeks=1)
    return matchdays.begin_match_day(actor=user, settings=Settings(week, **fields))


def solved_day(user: User) -> MatchDay:
    day = make_day(user)
    matchdays.solve_match_day(day_id=day.pk)
    day.refresh_from_db()
    return day


def text_of(client: Client, url: str) -> str:
    response = client.get(url, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_staff_begin_solve_and_release_a_day(staff: Client) -> None:
    furnish(2)
    week = next_week() + timedelta(weeks=1)
    assert week.isoformat()[:4] in text_of(staff, f"{LIST}add/")
    data = {
        "first_week_on": week.isoformat(), "weeks": 1, "from_hour": 9, "to_hour": 24, "session_hours": 2,
        "places": 1, "rho": "0.5", "newcomer_floor": 1,
    }  # fmt: skip
    begun = staff.post(f"{LIST}add/", data)
    day = MatchDay.objects.get()
    page = f"{LIST}{day.pk}/change/"
    assert (begun.status_code, begun["Location"]) == (302, page)
    html = text_of(staff, page)
    assert "being prepared" in html and "No pair yet." in html and "Ask both sides" not in html

    progress = staff.post(f"{LIST}{day.pk}/solve/")["Location"]
    job = Job.objects.get(kind=matchdays.SOLVE_KIND)
    Job.objects.filter(pk=job.pk).update(done_units=1, total_units=4)
    shown = staff.get(progress)
    assert shown["Refresh"] == "1" and "25%" in shown.content.decode()
    run_job(job.pk)
    assert staff.get(progress)["Location"] == page
    html = text_of(staff, page)
    assert "0.0000%" in html and "Ask both sides" in html

    release = f"{LIST}{day.pk}/release/"
    assert "Tick that both sides" in staff.post(release, {}, follow=True).content.decode()
    day.refresh_from_db()
    answer = staff.post(release, {"confirmed": "yes", "version": day.version})
    run_job(Job.objects.get(kind=matchdays.RELEASE_KIND).pk)
    html = text_of(staff, answer["Location"])
    assert "2 pairs were proposed to both sides." in html and "0 no longer passed." in html
    assert Match.objects.filter(origin="match_day").count() == 2


def test_a_solution_that_was_not_on_the_page_is_not_released(staff: Client, town_staff: User) -> None:
    furnish(1)
    day = solved_day(town_staff)
    seen = day.version
    matchdays.solve_match_day(day_id=day.pk)
    refused = staff.post(f"{LIST}{day.pk}/release/", {"confirmed": "yes", "version": seen}, follow=True)
    assert "current state does not allow" in refused.content.decode()
    assert not Job.objects.filter(kind=matchdays.RELEASE_KIND).exists()


def test_wishes_and_what_contradicts_them_are_told(staff: Client, town_staff: User) -> None:
    furnish(2)
    day = solved_day(town_staff)
    pair = day.pairs.order_by("pk")[0]
    url, data = f"{LIST}{day.pk}/wish/", {"stall": pair.stall_id, "anchor": pair.anchor_id}
    told = staff.post(url, data | {"wish": "forbid"}, follow=True).content.decode()
    assert "Solve the match day again" in told and "Changed since it was solved" in told
    assert MatchDayPair.objects.get(wish="forbidden").stall_id == pair.stall_id
    told = staff.post(url, data | {"wish": "pin"}, follow=True).content.decode()
    assert "are forbidden already. Free the pair first." in told
    staff.post(url, data | {"wish": "free"})
    staff.post(url, data | {"wish": "pin"})
    assert MatchDayPair.objects.get(wish="pinned").anchor_id == pair.anchor_id
    for bad in ({"wish": "pin"}, data, data | {"wish": "marry"}, data | {"wish": "pin", "stall": "x"}):
        assert "Choose a stall and an anchor." in staff.post(url, bad, follow=True).content.decode()


def test_settings_that_cannot_be_stand_at_their_field(staff: Client) -> None:
    data = {
        "first_week_on": "2020-01-06", "weeks": 9, "from_hour": 9, "to_hour": 24, "session_hours": 2,
        "places": 1, "rho": "0.5", "newcomer_floor": 1,
    }  # fmt: skip
    html = staff.post(f"{LIST}add/", data).content.decode()
    assert "From 1 to 4." in html and "A Monday from" in html and not MatchDay.objects.exists()
    assert staff.post(f"{LIST}add/", data | {"rho": "x", "weeks": ""}).status_code == 200


def test_a_day_that_cannot_be_solved_says_why(staff: Client, town_staff: User) -> None:
    day = make_day(town_staff)
    matchdays.solve_match_day(day_id=day.pk)
    assert "There is no stall in the town." in text_of(staff, f"{LIST}{day.pk}/change/")


def test_a_day_is_cancelled(staff: Client, town_staff: User) -> None:
    day = make_day(town_staff)
    html = staff.post(f"{LIST}{day.pk}/cancel/", follow=True).content.decode()
    assert "cancelled" in html and f"{LIST}{day.pk}/solve/" not in html
    assert (
        "current state does not allow" in staff.post(f"{LIST}{day.pk}/cancel/", follow=True).content.decode()
    )


def test_only_staff_who_propose_act(client_of: Callable[..., Client], town_staff: User) -> None:
    day = make_day(town_staff)
    plain = client_of(UserFactory.create(is_staff=True))
    moves = [f"{LIST}{day.pk}/{name}/" for name in ("wish", "solve", "release", "cancel")]
    assert {plain.post(url).status_code for url in [*moves, f"{LIST}add/"]} == {403}
    assert plain.get(f"{LIST}{day.pk}/change/").status_code == 403
    assert {client_of(None).post(url).status_code for url in moves} == {302}
    staff = client_of(town_staff)
    assert {staff.get(url).status_code for url in moves} == {405}
    assert staff.post(f"{LIST}999/solve/").status_code == 404
    assert staff.get(f"{LIST}999/change/").status_code == 404
    assert staff.post(f"{LIST}{day.pk}/change/", {"status": "released"}).status_code == 403
    assert staff.post(f"{LIST}{day.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_page_and_the_list_cost_the_same_for_few_pairs_and_for_many(
    staff: Client, town_staff: User, django_assert_max_num_queries: Any
) -> None:
    costs = []
    for pairs in (1, 5):
        furnish(pairs)
        day = solved_day(town_staff)
        for url in (LIST, f"{LIST}{day.pk}/change/"):
            staff.get(url)
            with django_assert_max_num_queries(40) as captured:
                assert staff.get(url).status_code == 200
            costs.append(len(captured))
    assert costs[:2] == costs[2:]


def test_the_page_opens_in_chinese(client_of: Callable[..., Client], town_staff: User) -> None:
    furnish(1)
    day = solved_day(town_staff)
    assert client_of(town_staff, "zh-hans").get(f"{LIST}{day.pk}/change/").status_code == 200
