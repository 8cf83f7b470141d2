"""The Celery tasks: one that runs a job by id, one that repairs, one that tidies (layer: tasks)."""

import logging
import threading
import time
import traceback
from importlib import import_module

from celery import shared_task
from django.apps import apps
from django.db import connection
from django.utils.module_loading import module_has_submodule

from jobs import services, throttle
from jobs.models import Job
from jobs.registry import handler_for

logger = logging.getLogger(__name__)

PROGRESS_EVERY_SECONDS = 0.5


class JobRun:
    """A job in work: keeps its lease alive and tells its progress."""

    def __init__(self, job: Job) -> None:
        self.job = job
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
        services.record_progress(self.job, done=done, total=total)

    def _keep_lease(self) -> None:
        try:
            while not self._stop.wait(services.lease().total_seconds() / 4):
                services.renew(self.job)
        except (
            Exception
        ):  # a thread must not die silently; the lease then lapses and the sweep repeats the job
            logger.exception("lease of job %s not renewed", self.job.pk)
        finally:
            connection.close()


@shared_task(name="jobs.tasks.run_job")
def run_job(job_id: int) -> None:
    """Run one job, if it is still to be done."""
    job = services.claim(job_id)
    if job is None:
        return
    try:
        load_handlers()
        with JobRun(job) as run:
            result = handler_for(job.kind)(run, **job.args)
    except Exception:
        logger.exception("job %s (%s) failed", job.pk, job.kind)
        services.fail(job, error=traceback.format_exc(limit=20)[-4000:])
    else:
        services.finish(job, result=result or {})


@shared_task(name="jobs.tasks.sweep_jobs")
def sweep_jobs() -> None:
    """Send again what a lost message or a killed worker left undone."""
    services.sweep()


@shared_task(name="jobs.tasks.forget_old_jobs")
def forget_old_jobs() -> None:
    """Delete what ended long ago."""
    services.forget_old()


@shared_task(name="jobs.tasks.forget_old_counts")
def forget_old_counts() -> None:
    """Delete the counts of limits whose windows are long gone."""
    throttle.forget_old_counts()


def load_handlers() -> None:
    """Import the tasks module of every app, where the handlers register themselves."""
    for config in apps.get_app_configs():
        if config.module is not None and module_has_submodule(config.module, "tasks"):
            import_module(f"{config.name}.tasks")
