"""A frail worker under the supervisor of `up`, with beat, on this test's database and broker."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from django.utils import timezone

from jobs.models import Job, JobState
from tests.services import running, test_database_environment, wait_until

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SUPERVISE = """
import json, sys
from matchmaker.supervisor import Child, Supervisor
Supervisor([Child(name, argv) for name, argv in json.loads(sys.argv[1])], print).run()
"""


class Town:
    """What the test knows of its workers: their numbers, and how to make one deaf."""

    def __init__(self, folder: Path) -> None:
        self.journal, self.deaf, self.stuck = folder / "pids", folder / "deaf", folder / "stuck"

    def pids(self) -> list[int]:
        """Every worker that was ever started, the last one at the end."""
        return list(map(int, self.journal.read_text().split())) if self.journal.exists() else []

    def beats(self) -> list[int]:
        """Every beat that was ever started."""
        return list(map(int, self.journal.with_name("beats").read_text().split()))

    def make_deaf(self) -> None:
        """The worker that runs now hears nothing from now on."""
        self.deaf.write_text(str(self.pids()[-1]))

    def make_stuck(self) -> None:
        """The beat that runs now asks for nothing from now on."""
        self.stuck.write_text(str(self.beats()[-1]))


@contextlib.contextmanager
def supervised(
    folder: Path, *, env: dict[str, str] | None = None, pool: str = "threads", places: int = 2
) -> Iterator[Town]:
    """Workers for both queues and beat, kept alive until the end, and seen to work."""
    town = Town(folder)
    environment = {**os.environ, **test_database_environment(), "OMP_NUM_THREADS": "1", **(env or {})}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.faults.frail.settings"}
    environment |= {"FRAIL_JOURNAL": str(town.journal), "FRAIL_DEAF": str(town.deaf)}
    environment |= {"FRAIL_STUCK": str(town.stuck)}
    celery = [sys.executable, "-m", "celery", "-A", "matchmaker.celery"]
    worker = [*celery, "worker", "-Q", "default,compute", "--pool", pool, "--concurrency", str(places)]
    worker += ["--without-gossip", "--without-mingle", "-n", f"frail-{time.monotonic_ns()}@localhost"]
    beat = [*celery, "beat", "--pidfile", "", "--schedule", str(folder / "beat"), "--loglevel", "WARNING"]
    children = json.dumps([["worker", [*worker, "--loglevel", "INFO"]], ["beat", beat]])
    log = folder / "log"
    with log.open("wb") as output:
        options = {"cwd": REPOSITORY, "env": environment, "stdout": output, "stderr": output}
        # Killed at the end: what it started dies with it.
        with running([sys.executable, "-c", SUPERVISE, children], stop=signal.SIGKILL, **options):
            try:
                finished(ask("frail.note"), 60)
                yield town
            except BaseException:
                sys.stderr.write(f"--- the town's log ---\n{log.read_text(errors='replace')[-8000:]}\n")
                raise


def ask(kind: str, **fields: object) -> Job:
    """A job as a change would leave it when its message got lost: the sweep finds it."""
    key = f"{kind} {time.monotonic_ns()}"
    job: Job = Job.objects.create(kind=kind, dedupe_key=key, not_before=timezone.now(), **fields)
    return job


def finished(job: Job, seconds: float) -> Job:
    """The job when it has ended, well or ill."""

    def has_ended() -> bool:
        job.refresh_from_db()
        return job.state in {JobState.DONE, JobState.DEAD}

    wait_until(has_ended, seconds)
    return job
