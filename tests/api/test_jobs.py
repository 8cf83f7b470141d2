"""`jobs/{id}/`: how far a piece of work is, for whoever asked for it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import Stall, User
from jobs import services
from jobs.models import Job
from jobs.tasks import run_job

pytestmark = pytest.mark.django_db

Api = Callable[[User | None], APIClient]


@pytest.fixture
def monitored(api: Api, stall: Stall, merchant_user: User) -> str:
    """The address that the answer to an edit names."""
    client = api(merchant_user)
    etag = client.get(f"/api/v1/stalls/{stall.public_id}/")["ETag"]
    answer = client.patch(f"/api/v1/stalls/{stall.public_id}/", {"moq": 9}, HTTP_IF_MATCH=etag)
    assert answer.status_code == 200, answer.json()
    address, relation = answer["Link"].split("; ")
    assert relation == 'rel="monitor"'
    return str(address.strip("<>"))


def test_an_edit_names_its_job_and_the_job_tells_its_progress(
    api: Api, merchant_user: User, monitored: str
) -> None:
    client = api(merchant_user)
    before = client.get(monitored).json()
    assert (before["state"], before["progress"], before["kind"]) == ("queued", 0.0, "matching.refresh_party")
    job = Job.objects.get(public_id=before["id"])
    held = services.claim(job.pk)
    assert held is not None
    services.record_progress(held, done=1, total=4)
    assert client.get(monitored).json()["progress"] == 0.25
    services.fail(held, error="secret traceback")
    assert "secret" not in client.get(monitored).content.decode()


def test_a_finished_job_is_done_to_the_full(api: Api, merchant_user: User, monitored: str) -> None:
    run_job(Job.objects.get().pk)
    after = api(merchant_user).get(monitored).json()
    assert (after["state"], after["progress"]) == ("done", 1.0)
    assert after["finished_at"]


def test_reading_names_no_job(api: Api, merchant_user: User, stall: Stall) -> None:
    assert "Link" not in api(merchant_user).get(f"/api/v1/stalls/{stall.public_id}/")


def test_a_refused_edit_names_no_job(api: Api, merchant_user: User, stall: Stall) -> None:
    answer = api(merchant_user).patch(f"/api/v1/stalls/{stall.public_id}/", {"moq": -1}, HTTP_IF_MATCH='"v1"')
    assert answer.status_code == 400 and "Link" not in answer
    assert not Job.objects.exists()


def test_strangers_and_the_anonymous_see_nothing(
    api: Api, other_merchant_user: User, anchor_user: User, monitored: str
) -> None:
    assert api(None).get(monitored).status_code == 401
    for user in (other_merchant_user, anchor_user):
        answer = api(user).get(monitored)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_job")


def test_staff_see_it_with_the_permission_only(api: Api, staff_user: User, monitored: str) -> None:
    assert api(staff_user).get(monitored).status_code == 404
    staff_user.user_permissions.add(Permission.objects.get(codename="view_job"))
    assert api(staff_user).get(monitored).status_code == 200


def test_the_number_of_queries(
    api: Api, merchant_user: User, monitored: str, django_assert_num_queries: Any
) -> None:
    client = api(merchant_user)
    with django_assert_num_queries(2):  # who asks, the job
        client.get(monitored)
