"""Workers that hear nothing, that crash or that are merely busy: work goes on, and none ends for nothing."""

import os
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from jobs.models import Job, JobState
from jobs.services import MAX_ATTEMPTS
from tests.faults.relay import relay
from tests.faults.supervised import ask, finished, supervised
from tests.isolation import SERVICES
from tests.services import wait_until

pytestmark = [
    pytest.mark.faults,
    pytest.mark.serial,
    pytest.mark.services_only,
    pytest.mark.skipif(not SERVICES, reason="files do not break like a server: run with --services"),
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]
QUICK = {"MATCHMAKER_SWEEP_AFTER_SECONDS": "0.5", "MATCHMAKER_LEASE_SECONDS": "2"}


def is_left_alone_with(*jobs: Job) -> bool:
    """Whether the jobs were done at the first try."""
    return [finished(job, 25).attempts for job in jobs] == [1] * len(jobs)


def test_neither_a_broker_out_of_reach_nor_long_jobs_end_a_worker_or_beat(tmp_path: Path) -> None:
    server = urlsplit(os.environ["REDIS_URL"])
    with relay(server.port or 6379) as between:
        url = server._replace(netloc=f"127.0.0.1:{between.port}").geturl()
        env = QUICK | {"MATCHMAKER_WATCHDOG_SECONDS": "2", "REDIS_URL": url}
        with supervised(tmp_path, env=env) as town:
            between.cut()
            os.kill(town.beats()[0], signal.SIGKILL)  # the next one starts without a broker
            job = ask("frail.note")
            time.sleep(12)
            between.mend()
            assert finished(job, 10).result == {"pid": town.pids()[0]}
            assert is_left_alone_with(*[ask("frail.last", args={"seconds": 4}) for _place in range(2)])
            assert len(town.pids()) == 1 and len(town.beats()) == 2


@pytest.mark.parametrize(("pool", "places"), [("solo", 1), ("prefork", 2)])
def test_a_worker_may_be_busy_for_long(tmp_path: Path, pool: str, places: int) -> None:
    env = QUICK | {"MATCHMAKER_WATCHDOG_SECONDS": "1.5"}
    with supervised(tmp_path, env=env, pool=pool, places=places) as town:
        assert is_left_alone_with(*[ask("frail.last", args={"seconds": 5}) for _place in range(places)])
        assert len(town.pids()) == 1


def test_a_worker_that_crashes_or_goes_deaf_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path, env=QUICK | {"MATCHMAKER_WATCHDOG_SECONDS": "4"}) as town:
        crash = ask("frail.crash", attempts=MAX_ATTEMPTS - 1)
        wait_until(lambda: len(town.pids()) == 2, 20)
        assert finished(ask("frail.note"), 10).state == JobState.DONE, "held up for a moment only"
        finished(crash, 10)
        assert (crash.state, crash.reason) == (JobState.DEAD, "worker lost")

        town.make_deaf()
        time.sleep(1.5)  # what it has asked its broker for already
        job = ask("frail.note")
        with pytest.raises(TimeoutError):
            finished(job, 2)
        assert finished(job, 45).result == {"pid": town.pids()[2]}
        assert "this worker hears nothing any more" in (tmp_path / "log").read_text()


def test_a_job_that_crashes_its_worker_takes_no_other_with_it(tmp_path: Path) -> None:
    with supervised(tmp_path, env=QUICK) as town:
        innocent = ask("frail.last", args={"seconds": 5})
        wait_until(lambda: Job.objects.get(pk=innocent.pk).state == JobState.RUNNING, 20)
        crash = ask("frail.crash")
        assert finished(crash, 60).state == JobState.DEAD
        assert finished(innocent, 10).state == JobState.DONE
        assert innocent.attempts <= 3, "at most twice beside the other, then by itself"
        assert len(town.pids()) == 1 + MAX_ATTEMPTS


def test_a_beat_that_stands_still_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path, env=QUICK | {"MATCHMAKER_WATCHDOG_SECONDS": "2"}) as town:
        town.make_stuck()
        time.sleep(2.5)  # the round that it was in
        job = ask("frail.note")
        assert finished(job, 30).state == JobState.DONE
        assert len(town.beats()) == 2 and len(town.pids()) == 1
        assert "this beat goes round no more" in (tmp_path / "log").read_text()
