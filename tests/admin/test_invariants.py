"""Checks of invariants in the admin: the list, the page, the button and its progress, the tile."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from jobs.tasks import run_job
from matching.models import InvariantCheck
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/matching/invariantcheck/"


def make_check(violations: int = 0) -> InvariantCheck:
    found = [{"what": "job_dead", "ids": {"job": n, "kind": "<b>"}} for n in range(min(violations, 20))]
    row = {"number": 11, "examined": 4711, "violations": violations, "milliseconds": 1500, "found": found}
    return InvariantCheck.objects.create(
        violations=violations, results=[row | {"number": 2, "found": [], "violations": 0}, row]
    )


def text_of(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_tells_the_result(staff: Client) -> None:
    make_check()
    make_check(3)
    html = text_of(staff, LIST)
    assert "no violation" in html and "violations: 3" in html and "9422" in html and "Check now" in html


def test_the_page_tells_what_was_found_of_which_rows(staff: Client) -> None:
    html = text_of(staff, f"{LIST}{make_check(25).pk}/change/")
    assert "Work that is due gets done" in html and "4711" in html
    assert "work was given up; try it again under jobs (job 3, kind &lt;b&gt;)" in html
    assert "and 5 more" in html


def test_the_page_is_chinese_for_who_reads_chinese(client_of: Callable[..., Client], town_staff: Any) -> None:
    check = make_check(1)
    html = text_of(client_of(town_staff, "zh-hans"), f"{LIST}{check.pk}/change/")
    assert check.results[1]["found"][0]["what"] not in html


def test_the_button_asks_for_a_check_and_leads_to_what_it_found(staff: Client) -> None:
    answer = staff.post(f"{LIST}check/")
    job = Job.objects.get(kind="matching.check_invariants")
    assert (answer.status_code, answer["Location"]) == (302, f"{LIST}check/{job.public_id}/")
    assert staff.post(f"{LIST}check/")["Location"] == answer["Location"], "one is queued already"

    Job.objects.filter(pk=job.pk).update(done_units=6, total_units=15)
    progress = staff.get(answer["Location"])
    assert progress["Refresh"] == "1" and "40%" in progress.content.decode()
    run_job(job.pk)
    over = staff.get(answer["Location"])
    assert over["Location"] == f"{LIST}{InvariantCheck.objects.get().pk}/change/"


def test_a_check_that_was_given_up_is_told(staff: Client) -> None:
    location = staff.post(f"{LIST}check/")["Location"]
    Job.objects.update(state="dead")
    response = staff.get(location)
    assert "The job was given up" in response.content.decode() and "Refresh" not in response


def test_only_who_may_see_checks_asks_for_one(client_of: Callable[..., Client], staff: Client) -> None:
    location = staff.post(f"{LIST}check/")["Location"]
    Job.objects.all().delete()
    plain = client_of(UserFactory.create(is_staff=True))
    assert [plain.post(f"{LIST}check/").status_code, plain.get(location).status_code] == [403, 403]
    assert client_of(None).post(f"{LIST}check/").status_code == 302
    assert staff.get(f"{LIST}check/").status_code == 405
    assert staff.get(location).status_code == 404
    assert not Job.objects.exists()


def test_nobody_edits_a_check(client_of: Callable[..., Client]) -> None:
    check = make_check(1)
    client = client_of(UserFactory.create(is_staff=True, is_superuser=True))
    for url in (f"{LIST}{check.pk}/change/", f"{LIST}{check.pk}/delete/", f"{LIST}add/"):
        assert client.post(url, {"violations": 0, "post": "yes"}).status_code == 403
    assert InvariantCheck.objects.get().violations == 1


def test_the_first_page_names_the_last_check(staff: Client, client_of: Callable[..., Client]) -> None:
    assert "invariants violated" not in text_of(staff, "/admin/")
    make_check(3)
    last = make_check(2)
    html = text_of(staff, "/admin/")
    assert f"{LIST}{last.pk}/change/" in html and "invariants violated" in html
    plain = client_of(UserFactory.create(is_staff=True))
    assert "invariants violated" not in text_of(plain, "/admin/")


def test_the_list_costs_the_same_for_few_checks_and_for_many(
    staff: Client, django_assert_max_num_queries: Any
) -> None:
    costs = []
    for count in (1, 6):
        while InvariantCheck.objects.count() < count:
            make_check(2)
        staff.get(LIST)
        with django_assert_max_num_queries(40) as captured:
            staff.get(LIST)
        costs.append(len(captured))
    assert costs[0] == costs[1]
