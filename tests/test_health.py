"""What a load balancer and a monitor are told, and who may read the figures."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from jobs.models import Job, JobState
from matchmaker import health


def queue_job(**fields) -> Job:
    given = {"kind": "test", "dedupe_key": "k", "not_before": timezone.now()} | fields
    return Job.objects.create(**given)


def test_alive_needs_no_database(client: Client):
    # Without the `db` mark any query would fail this test.
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-cache" in answer["Cache-Control"]


@pytest.mark.django_db
def test_ready(client: Client):
    assert client.get("/readyz").json() == {"status": "ok", "workers": "ok"}


@pytest.mark.django_db
def test_work_that_nobody_takes_is_told_and_turns_nobody_away(client: Client):
    queue_job(not_before=timezone.now() - timedelta(seconds=health.STALLED_SECONDS + 10))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["workers"]) == (200, "stalled")


@pytest.mark.django_db
def test_work_for_later_is_not_late(client: Client):
    queue_job(not_before=timezone.now() + timedelta(hours=5))
    assert client.get("/readyz").json()["workers"] == "ok"


@pytest.mark.django_db
def test_not_ready_without_a_database(client: Client):
    with patch.object(health, "_has_pending_migrations", side_effect=DatabaseError("gone")):
        with patch.object(health.connections, "close_all"):  # the test's own transaction is in there
            answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, "database")
    assert answer["Retry-After"] == "5"


@pytest.mark.django_db
def test_not_ready_before_it_is_migrated(client: Client, monkeypatch):
    monkeypatch.setattr(health, "_migrated", set())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'jobs'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, "migrations")


@pytest.mark.django_db
def test_figures(client: Client):
    queue_job(not_before=timezone.now() - timedelta(seconds=30))
    queue_job(state=JobState.RUNNING, lease_until=timezone.now() - timedelta(seconds=1), queue="compute")
    text = client.get("/metrics").content.decode()
    assert 'matchmaker_jobs{queue="default",state="queued"} 1' in text
    assert 'matchmaker_jobs{queue="compute",state="running"} 1' in text
    assert "matchmaker_jobs_lapsed 1" in text
    oldest = next(line for line in text.splitlines() if line.startswith("matchmaker_job_oldest_due_seconds "))
    assert 30 <= float(oldest.split()[1]) < 60


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        ("", {}, 200),
        ("", {"REMOTE_ADDR": "10.1.2.3"}, 403),
        ("", {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403),
        ("", {"REMOTE_ADDR": "unix:"}, 403),
        ("s3cret", {"REMOTE_ADDR": "10.1.2.3", "HTTP_AUTHORIZATION": "Bearer s3cret"}, 200),
        ("s3cret", {"HTTP_AUTHORIZATION": "Bearer wrong"}, 403),
        ("s3cret", {}, 403),
    ],
)
def test_who_may_read_the_figures(client: Client, settings, token, headers, status):
    settings.METRICS_TOKEN = token
    assert client.get("/metrics", **headers).status_code == status


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_they_can_only_be_read(client: Client, path):
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/docs/"])
def test_a_page_may_load_our_own_files_alone(client: Client, path):
    policy = client.get(path)["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
