"""Many jobs, each delivered several times in any order: one effect each."""

import random
import sys
import time
from typing import Any

from tests.chaos.faults import QUEUES
from tests.chaos.inside.apps import EFFECT

TIMES_EACH = 5


def deliver(count: int, rng: random.Random, *, patience: float = 1800.0) -> dict[str, Any]:
    """Write so many jobs, send the message of each five times, and count what was done."""
    from django.utils import timezone

    from jobs.models import Job, JobState
    from jobs.tasks import run_job

    now = timezone.now()
    rows = [
        Job(
            kind=EFFECT,
            dedupe_key=f"delivered:{number}",
            args={"seconds": 0.0},
            queue=QUEUES[number % 2],
            not_before=now,
        )
        for number in range(count)
    ]
    jobs = [(job.pk, job.queue) for job in Job.objects.bulk_create(rows, batch_size=1000)]
    messages = jobs * TIMES_EACH
    rng.shuffle(messages)
    began = time.monotonic()
    for number, (pk, queue) in enumerate(messages):
        run_job.apply_async(args=[pk], queue=queue)
        if number % 10_000 == 0:
            sys.stderr.write(f"deliveries: {number} of {len(messages)}\n")
    waiting = Job.objects.filter(kind=EFFECT, state__in=[JobState.QUEUED, JobState.RUNNING])
    while (waiting.exists() or _messages()) and time.monotonic() - began < patience:
        time.sleep(0.5)
    return {
        "jobs": count,
        "deliveries": len(messages),
        "seconds": round(time.monotonic() - began, 1),
        "messages_left": _messages(),
        **effects_of([pk for pk, _queue in jobs]),
    }


def effects_of(jobs: list[int]) -> dict[str, Any]:
    """How many of these jobs have an effect, and which have none or more than one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT job, count(*) FROM chaos_effects GROUP BY job")
        times = dict(cursor.fetchall())
    return {
        "effects": sum(times.get(job, 0) for job in jobs),
        "without_effect": [job for job in jobs if not times.get(job)],
        "with_more": [job for job in jobs if times.get(job, 0) > 1],
    }


def _messages() -> int:
    """How many messages wait in the queues."""
    from matchmaker.celery import app

    with app.connection_or_acquire() as connection:
        return sum(connection.default_channel._size(queue) for queue in QUEUES)
