"""`manage.py rematch`: compute everybody's lists through the worker, with a progress bar."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _
from tqdm import tqdm

from jobs.models import Job, JobState
from jobs.registry import Run
from matching.services.recommendations import rematch_everybody, request_rematch, running_rematch

POLL_SECONDS = 0.2
BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class BarRun(Run):
    """Shows progress in the terminal instead of storing it."""

    job_id = 0

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def progress(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)


class Command(BaseCommand):
    """Compute everybody's lists."""

    help = "Compute everybody's suggestions, through the worker or (--here) in this process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--here", action="store_true", help="work in this process, without a worker")
        parser.add_argument("--timeout", type=float, default=3600.0, help="seconds to wait for the worker")

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(desc=_("Suggestions"), unit="", bar_format=BAR, total=1) as bar:
            if options["here"]:
                result = rematch_everybody(progress=BarRun(bar).progress)
            else:
                result = self._watch(running_rematch() or request_rematch(), bar, options["timeout"])
        self.stdout.write(_("%(stored)s lists stored, checksum %(checksum)s") % result)

    def _watch(self, job: Job, bar: Any, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            job.refresh_from_db()
            if job.total_units:
                BarRun(bar).progress(job.done_units, job.total_units)
            if job.state == JobState.DONE:
                return dict(job.result)
            if job.state == JobState.DEAD:
                raise CommandError(job.error)
            time.sleep(POLL_SECONDS)
        raise CommandError(_("No worker took the job in time. Is `manage.py up` or a worker running?"))
