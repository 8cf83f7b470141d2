"""A re-match by several worker processes: the same bytes as by one, whoever is killed meanwhile."""

import os
import signal
from contextlib import ExitStack

import pytest

from jobs.models import Job, JobState
from matching.models import EngineRun, RecommendationList, RunPart
from matching.services import recommendations
from tests.factories import AnchorFactory, StallFactory
from tests.services import wait_for_jobs, wait_until, worker_processes

pytestmark = [pytest.mark.django_db(transaction=True, serialized_rollback=True), pytest.mark.serial]
ENVIRONMENT = {
    "MATCHMAKER_REMATCH_PIECE": "5",
    "MATCHMAKER_REMATCH_HELPERS": "4",
    "MATCHMAKER_LEASE_SECONDS": "2",
}


def make_town() -> str:
    """A town and the checksum of its lists, made by this process alone."""
    for number in range(20):
        StallFactory.create(weekly_capacity=1 + number % 4)
    AnchorFactory.create_batch(40, legal_basis="contract")
    checksum: str = recommendations.rematch_everybody()["checksum"]
    return checksum


def change_and_ask() -> None:
    """Forget the lists, so that all are to be made and stored again."""
    RecommendationList.objects.all().delete()
    recommendations.request_rematch()


def test_three_workers_make_the_bytes_of_one() -> None:
    alone = make_town()
    with ExitStack() as stack:
        for number in range(3):
            stack.enter_context(worker_processes(ENVIRONMENT, beat=number == 0))
        change_and_ask()
        wait_for_jobs(90)
    run = EngineRun.objects.latest("pk")
    assert (run.checksum, EngineRun.objects.count()) == (alone, 2)
    assert RecommendationList.objects.filter(superseded_at=None, run=run).count() == 60


def test_a_worker_killed_in_a_rematch_costs_no_list() -> None:
    alone = make_town()
    with worker_processes(ENVIRONMENT) as _other, worker_processes(ENVIRONMENT, beat=False) as victim:
        change_and_ask()
        wait_until(lambda: RunPart.objects.filter(lease_until__isnull=False).exists(), seconds=60, every=0.01)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        wait_for_jobs(90)
    assert RecommendationList.objects.filter(superseded_at=None).count() == 60
    finished = EngineRun.objects.filter(finished_at__isnull=False)
    assert set(finished.values_list("checksum", flat=True)) == {alone}
    assert not RunPart.objects.filter(run__in=finished).exists()
    assert not Job.objects.filter(state=JobState.DEAD).exists()
