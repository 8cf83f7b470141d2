"""The way through every queue is tried, and the figures tell a busy queue from a silent one."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs import services, tasks
from jobs.models import Canary, Job, JobState
from jobs.selectors import SILENT_SECONDS, canary_ages, silent_queues
from matchmaker.celery import app

pytestmark = pytest.mark.django_db


def arrived(queue: str, seconds_ago: float) -> None:
    Canary.objects.create(queue=queue, arrived_at=timezone.now() - timedelta(seconds=seconds_ago))


def at_work(queue: str, seconds_left: float) -> None:
    now = timezone.now()
    lease = now + timedelta(seconds=seconds_left)
    Job.objects.create(
        kind="k", dedupe_key="k", queue=queue, not_before=now, state=JobState.RUNNING, lease_until=lease
    )


def test_beat_sends_one_through_every_queue(settings: Any) -> None:
    canaries = [row for row in app.conf.beat_schedule.values() if row["task"] == tasks.canary.name]
    assert {row["options"]["queue"] for row in canaries} == set(settings.JOBS_QUEUES)
    assert all(row["args"] == [row["options"]["queue"]] for row in canaries)
    assert all(row["options"]["expires"] <= row["schedule"] for row in canaries), "they must not pile up"


def test_what_arrives_is_written_down_in_one_row() -> None:
    for _time in range(3):
        tasks.canary("compute")
    services.note_canary(queue="compute", worker="w" * 500)
    row = Canary.objects.get()
    assert (row.queue, row.worker) == ("compute", "w" * 160)
    assert canary_ages()["compute"] < 5


def test_a_queue_without_a_sign_of_life_is_silent() -> None:
    assert silent_queues() == []
    arrived("default", 5)
    arrived("compute", SILENT_SECONDS + 5)
    assert silent_queues() == ["compute"]


@pytest.mark.parametrize(("queue", "seconds_left", "silent"), [
    ("compute", 5, []),
    ("compute", -1, ["compute"]),
    ("default", 5, ["compute"]),
])  # fmt: skip
def test_a_live_lease_shows_that_the_worker_is_busy(queue: str, seconds_left: float, silent: list) -> None:
    arrived("compute", SILENT_SECONDS + 5)
    at_work(queue, seconds_left)
    assert silent_queues() == silent


def test_it_is_told_where_a_monitor_looks(client: Client, django_assert_max_num_queries: Any) -> None:
    arrived("compute", SILENT_SECONDS + 5)
    assert client.get("/readyz").json() == {"status": "ok", "workers": "stalled"}
    with django_assert_max_num_queries(16):
        text = client.get("/metrics").content.decode()
    line = next(line for line in text.splitlines() if line.startswith("matchmaker_canary_age_seconds{"))
    name, age = line.split()
    assert name == 'matchmaker_canary_age_seconds{queue="compute"}' and float(age) >= SILENT_SECONDS + 5
