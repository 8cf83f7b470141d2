"""The Celery tasks: one that runs a job by id, one that repairs, one that tidies (layer: tasks)."""

import logging
import threading
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from celery import shared_task
from django.apps import apps
from django.db import DatabaseError, connection
from django.utils.module_loading import module_has_submodule

from jobs import services, throttle
from jobs.alone import company
from jobs.models import Job
from jobs.registry import chores, handler_for, is_joint
from matchmaker.core.masking import mask

logger = logging.getLogger(__name__)

PROGRESS_EVERY_SECONDS = 0.5


class JobRun:
    """Jobs in work, mostly one: keeps their leases alive and tells their progress."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.job_id = jobs[0].pk
        self._told_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_lease, daemon=True)

    def __enter__(self) -> "JobRun":
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def progress(self, done: int, total: int) -> None:
        """Store how far the work is, at most twice a second."""
        if done < total and time.monotonic() - self._told_at < PROGRESS_EVERY_SECONDS:
            return
        self._told_at = time.monotonic()
        for job in self.jobs:
            services.record_progress(job, done=done, total=total)

    def _keep_lease(self) -> None:
        while not self._stop.wait(services.lease().total_seconds() / 4):
            try:
                for job in self.jobs:
                    services.renew(job)
            except Exception:  # a database that is away for a moment is asked again at the next turn
                logger.exception("leases of %s not renewed", [job.pk for job in self.jobs])
                connection.close()
        connection.close()


@shared_task(name="jobs.tasks.run_job")
def run_job(job_id: int) -> None:
    """Run one job, if it is still to be done, with all that its kind does in one go."""
    load_handlers()
    with company.once(job_id) as is_first:
        if not is_first:
            return
        is_suspect = services.is_suspect(job_id)
        with company.alone() if is_suspect else company.beside_others():
            job = services.claim(job_id)
            if job is not None:
                alike = services.claim_alike(job) if is_joint(job.kind) and not is_suspect else []
                _work([job, *alike])


def _work(jobs: Sequence[Job]) -> None:
    try:
        with JobRun(jobs) as run:
            result = _call(jobs, run)
    except Exception:
        logger.exception("jobs %s (%s) failed", [job.pk for job in jobs], jobs[0].kind)
        if len(jobs) == 1:
            services.fail(jobs[0], error=mask(traceback.format_exc(limit=20))[-4000:])
            return
        with JobRun(jobs):  # whose leases go on while they wait for their turn
            for job in jobs:  # only the one at fault fails alone
                _work([job])
    else:
        for job in jobs:
            services.finish(job, result=result or {})


def _call(jobs: Sequence[Job], run: JobRun) -> dict[str, Any] | None:
    handler = handler_for(jobs[0].kind)
    if is_joint(jobs[0].kind):
        return handler(run, each=[job.args for job in jobs])
    return handler(run, **jobs[0].args)


@shared_task(name="jobs.tasks.canary", bind=True)
def canary(self: Any, queue: str) -> None:
    """Show that this queue is worked on."""
    services.note_canary(queue=queue, worker=self.request.hostname or "")


@shared_task(name="jobs.tasks.answer")
def answer() -> None:
    """Show a worker, which sent it to itself, that it hears; see to what is to be done on every machine."""
    load_handlers()
    for chore in chores():
        try:
            chore()
        except DatabaseError:  # away for a moment: the next message is on its way
            logger.warning("%s not done", chore.__name__, exc_info=True)


@shared_task(name="jobs.tasks.sweep_jobs")
def sweep_jobs() -> None:
    """Send again what a lost message or a killed worker left undone."""
    services.sweep()


@shared_task(name="jobs.tasks.forget_old_jobs")
def forget_old_jobs() -> None:
    """Delete what ended long ago."""
    services.forget_old()


@shared_task(name="jobs.tasks.forget_old_answers")
def forget_old_answers() -> None:
    """Delete the answers kept for keys that nobody sends any more."""
    services.forget_old_answers()


@shared_task(name="jobs.tasks.forget_old_counts")
def forget_old_counts() -> None:
    """Delete the counts of limits whose windows are long gone."""
    throttle.forget_old_counts()


def load_handlers() -> None:
    """Import the tasks module of every app, where the handlers register themselves."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "tasks"):
            import_module(f"{config.name}.tasks")
