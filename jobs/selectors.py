"""Which jobs somebody may see, and whether the queues are worked on (layer: selectors)."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from jobs.models import Canary, Job, JobState
from matchmaker.core import clock
from matchmaker.core.errors import NotFound

# Some canaries may get lost with a worker that is started again; beat sends one every ten seconds.
SILENT_SECONDS = 60


def job_for(*, user: Any, public_id: UUID) -> Job:
    """Return a job that `user` asked for, any job for staff who may view jobs; NotFound otherwise."""
    seen = Q() if user.is_staff and user.has_perm("jobs.view_job") else Q(requested_by=user)
    job = Job.objects.filter(seen, public_id=public_id).first()
    if job is None:
        raise NotFound(_("There is no such job."), code="no_job")
    return job


def canary_ages() -> dict[str, float]:
    """Return how many seconds ago a message came through each queue; none for one that never worked."""
    now = clock.now()
    rows = Canary.objects.order_by("queue").values_list("queue", "arrived_at")
    return {queue: max((now - arrived).total_seconds(), 0.0) for queue, arrived in rows}


def silent_queues() -> list[str]:
    """Return the queues that nobody listens to: the canary is old, and no live lease shows a busy worker."""
    silent = [queue for queue, age in canary_ages().items() if age > SILENT_SECONDS]
    if not silent:
        return []
    at_work = Job.objects.filter(queue__in=silent, state=JobState.RUNNING, lease_until__gt=clock.now())
    busy = set(at_work.values_list("queue", flat=True))
    return [queue for queue in silent if queue not in busy]
