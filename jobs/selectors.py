"""Which jobs somebody may see (layer: selectors)."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from jobs.models import Job
from matchmaker.core.errors import NotFound


def job_for(*, user: Any, public_id: UUID) -> Job:
    """Return a job that `user` asked for, any job for staff who may view jobs; NotFound otherwise."""
    seen = Q() if user.is_staff and user.has_perm("jobs.view_job") else Q(requested_by=user)
    job = Job.objects.filter(seen, public_id=public_id).first()
    if job is None:
        raise NotFound(_("There is no such job."), code="no_job")
    return job
