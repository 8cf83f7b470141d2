"""What a monitor reads: figures of requests and of the town, by few queries, however large it is."""

import re
import subprocess
import sys
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Stall
from jobs.models import Canary, Job, JobState
from jobs.services import note_canary
from matching.choices import ModelStatus
from matching.models import DueParty, EngineModel, EngineRun, RecommendationList
from matchmaker.metrics import requests as counted
from matchmaker.metrics import town

pytestmark = pytest.mark.django_db
LINE = re.compile(r"(matchmaker_\w+)(?:\{(.*)\})? ([-+.\de]+)$")


def figures() -> dict[tuple[str, ...], float]:
    """Every line of /metrics: its name, then its labels as they stand."""
    text = Client().get("/metrics").content.decode()
    found = [LINE.match(line) for line in text.splitlines() if not line.startswith("#")]
    return {(f[1], *re.findall(r'(\w+="[^"]*")', f[2] or "")): float(f[3]) for f in found if f}


def queue_job(**fields: Any) -> Job:
    given = {"kind": "test", "dedupe_key": f"k{Job.objects.count()}", "not_before": timezone.now()}
    made = fields.pop("created_at", None)
    job = Job.objects.create(**given | fields)
    if made:
        Job.objects.filter(pk=job.pk).update(created_at=made)
    return job


def lists(run: EngineRun, first: int, count: int, **age: float) -> None:
    made = timezone.now() - timedelta(**age)
    RecommendationList.objects.bulk_create(
        RecommendationList(side="stall", subject_id=number, run=run, computed_at=made)
        for number in range(first, first + count)
    )


@pytest.fixture
def run(db: None) -> EngineRun:
    return EngineRun.objects.create(
        fingerprint="f", model=b"", finished_at=timezone.now() - timedelta(hours=2)
    )


def test_queues_and_kinds() -> None:
    now = timezone.now()
    queue_job(not_before=now - timedelta(seconds=40))
    queue_job(not_before=now - timedelta(seconds=90), queue="compute", kind="heavy")
    queue_job(not_before=now + timedelta(hours=1), queue="compute", kind="heavy")
    queue_job(state=JobState.DEAD)
    queue_job(state=JobState.DONE)
    found = figures()
    assert found["matchmaker_jobs", 'queue="compute"', 'state="queued"'] == 2
    assert found["matchmaker_jobs", 'queue="default"', 'state="dead"'] == 1
    assert found["matchmaker_jobs", 'queue="default"', 'state="running"'] == 0
    assert found["matchmaker_jobs_by_kind", 'kind="heavy"', 'queue="compute"', 'state="queued"'] == 2
    assert found["matchmaker_queue_due_jobs", 'queue="compute"'] == 1
    assert 40 <= found["matchmaker_queue_oldest_due_seconds", 'queue="default"'] < 60
    assert 90 <= found["matchmaker_job_oldest_due_seconds",] < 120
    assert found["matchmaker_jobs_last_number",] == Job.objects.latest("pk").pk


def test_freshness_counts_what_is_still_open() -> None:
    now = timezone.now()
    for seconds in range(1, 100):
        saved = now - timedelta(minutes=5)
        queue_job(
            kind="matching.refresh_party",
            state=JobState.DONE,
            created_at=saved,
            finished_at=saved + timedelta(seconds=seconds / 100),
        )
    queue_job(kind="matching.refresh_due", created_at=now - timedelta(seconds=200))
    queue_job(kind="matching.refresh_party", created_at=now - timedelta(hours=1))
    DueParty.objects.create(side="stall", party_id=1)
    found = figures()
    assert found["matchmaker_freshness_saves",] == 100
    assert found["matchmaker_freshness_seconds", 'quantile="0.5"'] == pytest.approx(0.5, abs=0.02)
    assert found["matchmaker_freshness_seconds", 'quantile="0.99"'] == pytest.approx(0.99, abs=0.02)
    assert 200 <= found["matchmaker_freshness_seconds", 'quantile="1"'] < 220
    assert found["matchmaker_parties_due",] == 1


def test_the_age_of_lists(run: EngineRun) -> None:
    lists(run, 1, 90, minutes=1)
    lists(run, 91, 10, hours=5)
    RecommendationList.objects.filter(subject_id=1).update(superseded_at=timezone.now())
    found = figures()
    assert found["matchmaker_list_age_seconds", 'quantile="0.5"', 'side="stall"'] == pytest.approx(60, abs=9)
    age = found["matchmaker_list_age_seconds", 'quantile="1"', 'side="stall"']
    assert age == pytest.approx(5 * 3600, abs=9)
    assert ("matchmaker_list_age_seconds", 'quantile="1"', 'side="anchor"') not in found
    assert found["matchmaker_rematch_age_seconds",] == pytest.approx(7200, abs=9)


def test_which_weights_count() -> None:
    assert figures()["matchmaker_model_published", 'digest=""', 'model="prior"'] == 1
    model = EngineModel.objects.create(
        status=ModelStatus.PUBLISHED,
        weights=b"",
        digest="d" * 64,
        published_at=timezone.now() - timedelta(days=1),
    )
    found = figures()
    assert found["matchmaker_model_published", f'digest="{"d" * 12}"', f'model="{model.pk}"'] == 1
    assert found["matchmaker_model_age_seconds",] == pytest.approx(86400, abs=9)


def test_the_canary_of_each_queue() -> None:
    note_canary(queue="compute", worker="test")
    Canary.objects.update(arrived_at=timezone.now() - timedelta(seconds=12))
    assert 12 <= figures()["matchmaker_canary_age_seconds", 'queue="compute"'] < 30


def test_a_town_ten_times_as_large_takes_the_same_queries(run: EngineRun, stall: Stall) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            figures()
        return len(captured)

    lists(run, 1, 60, minutes=1)
    queue_job(queue="compute")
    small = queries()
    lists(run, 61, 640, minutes=1)
    for number in range(100):
        queue_job(kind=f"kind-{number % 7}")
    with CaptureQueriesContext(connection) as captured:
        figures()
    assert len(captured) == small <= 16
    read = [q["sql"] for q in captured if "recommendationlist" in q["sql"] and "MAX" not in q["sql"]]
    assert read and all("LIMIT 500" in sql for sql in read)


def test_without_a_database_the_rest_is_told() -> None:
    with patch.object(town.connections, "close_all"):  # the test's own transaction is in there
        with patch.object(town, "GROUPS", (lambda now: (_ for _ in ()).throw(DatabaseError("gone")),)):
            found = figures()
    assert found["matchmaker_database_up",] == 0
    assert found["matchmaker_disk_free_bytes",] > 0
    assert figures()["matchmaker_database_up",] == 1


def test_requests_are_counted_by_route_and_no_address_is_told(client: Client) -> None:
    route = 'route="matchmaker.health.healthz"'
    number = ("matchmaker_http_requests_total", 'method="GET"', route, 'status="200"')
    before = figures()
    client.get("/healthz")
    client.get("/somebody-4711/who")
    client.generic("BREWSOMEBODY4711", "/healthz")
    after = figures()
    assert after[number] == before.get(number, 0) + 1
    missed = ("matchmaker_http_requests_total", 'method="GET"', 'route="none"', 'status="404"')
    assert after[missed] >= 1
    assert after["matchmaker_http_seconds_count", route] >= 2
    assert after["matchmaker_http_database_seconds_sum", 'route="none"'] >= 0
    assert not [key for key in after if "4711" in "".join(key)]


def test_what_another_process_counted_is_in_the_sum() -> None:
    code = (
        "from django.conf import settings; settings.DATABASES; "
        "from matchmaker.metrics.requests import count_request; "
        "one = dict(route='elsewhere', method='GET', status=200, seconds=3, database_seconds=1); "
        "[count_request(**one) for _ in 'abc']"
    )
    command = [sys.executable, "-c", code]
    environment = {
        "DJANGO_SETTINGS_MODULE": "matchmaker.settings",
        "MATCHMAKER_VAR_DIR": str(settings.VAR_DIR),
    }
    subprocess.run(command, check=True, env=environment, cwd=settings.BASE_DIR)
    try:
        found = figures()
        assert found["matchmaker_http_seconds_count", 'route="elsewhere"'] == 3
        assert found["matchmaker_http_seconds_sum", 'route="elsewhere"'] == 9
        assert found["matchmaker_http_seconds_bucket", 'le="5.0"', 'route="elsewhere"'] == 3
        assert found["matchmaker_http_seconds_bucket", 'le="2.5"', 'route="elsewhere"'] == 0
    finally:
        counted.forget_former_processes()
    assert ("matchmaker_http_seconds_count", 'route="elsewhere"') not in figures()
