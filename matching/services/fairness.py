"""Measuring how fair the lists are, as a job whose result the admin page shows (layer: services)."""

from collections.abc import Callable
from typing import Any

from django.db import transaction

from accounts.models import User
from jobs.models import Job
from jobs.services import enqueue
from matching.selectors.fairness import fairness
from matchmaker.core import clock
from matchmaker.core.one_view import one_view

FAIRNESS_KIND = "matching.fairness"


def request_fairness(*, actor: User | None = None) -> Job:
    """Write the job that measures; who asks while one is queued gets that one."""
    with transaction.atomic():
        return enqueue(kind=FAIRNESS_KIND, key="fairness", args={}, queue="compute", requested_by=actor)


def measure_fairness(*, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Return the figures of one moment, for both sides."""
    with one_view():
        figures = fairness(progress=progress)
    return {"at": clock.now().isoformat(), "sides": figures}
