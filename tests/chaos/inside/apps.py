"""Kinds of jobs for the harness, and no weekly quota that would end its proposals."""

import os
import signal
import time
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db import connection

from jobs.registry import Run, handles

EFFECT, CRASH = "chaos.effect", "chaos.crash"
# How a build is wrong on purpose (tests/chaos/lossy.py).
_LOSSY = os.environ.get("CHAOS_LOSSY", "").split(",")

# No constraint: what is done twice is to be seen, not to be prevented.
TABLES = "CREATE TABLE chaos_effects (job bigint NOT NULL);"
# One row per process that is to be killed with its work done and the job not ended; then the job.
TABLES += "CREATE TABLE chaos_ends (id serial PRIMARY KEY, queue text NOT NULL, job bigint);"
if "ages" in _LOSSY:  # the list of every second stall is never stored as one of the stall as it is
    TABLES += """
        CREATE FUNCTION chaos_age() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.subject_version := 0; RETURN NEW; END';
        CREATE TRIGGER chaos_age BEFORE INSERT OR UPDATE ON matching_recommendationlist FOR EACH ROW
            WHEN (NEW.side = 'stall' AND NEW.subject_id % 2 = 0) EXECUTE FUNCTION chaos_age();
    """


def effect(run: Run, seconds: float) -> None:
    """Work for so long, then leave one row."""
    time.sleep(seconds)
    rows = 0 if "drops" in _LOSSY and run.job_id % 3 == 0 else 1
    rows += "doubles" in _LOSSY and run.job_id % 3 == 1
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO chaos_effects (job) VALUES (%s)", [[run.job_id]] * rows)


def crash(run: Run) -> None:
    """End the process that works on this, without a word."""
    os._exit(1)


def die_before_the_end() -> None:
    """Kill the process of a job of the town's own when that is wanted, between its work and its end."""
    services: Any = import_module("jobs.services")
    finish = services.finish

    def dying(job: Any, *, result: dict[str, Any]) -> bool:
        if job.kind not in (EFFECT, CRASH) and _is_wanted(job):
            os.kill(os.getpid(), signal.SIGKILL)
        return bool(finish(job, result=result))

    services.finish = dying


def _is_wanted(job: Any) -> bool:
    """Whether a kill is wanted in the queue of this job; it is taken, so that there is one."""
    free = "SELECT id FROM chaos_ends WHERE queue = %s AND job IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE chaos_ends SET job = %s WHERE id IN ({free})", [job.pk, job.queue])  # noqa: S608
        return bool(cursor.rowcount)


def hush() -> None:
    """Tell every third person nothing."""
    notices: Any = import_module("notifications.models").Notice.objects
    tell = notices.bulk_create
    notices.bulk_create = lambda rows, **options: tell([row for row in rows if row.user_id % 3], **options)


class InsideConfig(AppConfig):
    name = "tests.chaos.inside"
    label = "chaos_inside"

    def ready(self) -> None:
        handles(EFFECT)(effect)
        handles(CRASH)(crash)
        die_before_the_end()
        if "hushes" in _LOSSY:
            hush()
        quota: Any = import_module("matching.services.quota")
        quota.PROPOSALS_A_WEEK = 1_000_000
